"""Creating a voucher when answers get lost: one voucher, or an honest error."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any

import pytest

from tests.proxy import BARE, Proxy
from voucher_async import (
    Fate,
    InvalidInput,
    ManualClock,
    OutcomeUnknown,
    Proof,
    ValidationFailed,
    VoucherClient,
    VoucherError,
)
from voucher_async.testing import ALL_SCOPES, VoucherEmulator

HTML = b"<html>Bad Gateway</html>"


@pytest.mark.parametrize("lost", [1, 2])
async def test_a_lost_answer_does_not_make_a_second_voucher(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator, lost: int
) -> None:
    proxy.lose("POST", "/vouchers", times=lost)
    voucher = await proxied.vouchers.create(
        amount="25", currency="EUR", sku="S", code="LOST-AND-FOUND", pin="11"
    )
    (record,) = emulator.vouchers()
    assert (voucher.id, voucher.code, voucher.pin) == (record.id, "LOST-AND-FOUND", "11")
    assert (voucher.amount, voucher.sku) == (Decimal("25.00"), "S")
    bodies = [seen.json for seen in proxy.of("POST", "/vouchers")]
    assert len(bodies) == lost + 1
    assert all(body == bodies[0] for body in bodies)
    assert uuid.UUID(bodies[0]["id"])


async def test_a_voucher_is_recognised_though_the_server_trimmed_its_texts(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator
) -> None:
    proxy.lose("POST", "/vouchers")
    proxy.edit("GET", "/complete", sku="S")
    voucher = await proxied.vouchers.create(amount="25", currency="EUR", sku=" S ", id="mine")
    assert len(emulator.vouchers()) == 1
    assert voucher.sku == "S"


async def test_a_made_up_id_is_ours_whatever_the_server_changed_and_whatever_time_it_shows(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator
) -> None:
    proxy.lose("POST", "/vouchers")
    proxy.edit("GET", "/complete", sku="changed", created_at="1999-01-01T00:00:00+00:00")
    voucher = await proxied.vouchers.create(amount="25", currency="EUR", sku="S")
    assert [record.id for record in emulator.vouchers()] == [voucher.id]


@pytest.mark.parametrize("status", [500, 502, 503, 408, 200, 201])
async def test_an_answer_that_says_nothing_does_not_make_a_second_voucher(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator, status: int
) -> None:
    proxy.replace("POST", "/vouchers", status, HTML)
    voucher = await proxied.vouchers.create(amount="25", currency="EUR")
    (record,) = emulator.vouchers()
    assert (voucher.id, voucher.code) == (record.id, record.code)


@pytest.mark.parametrize("status", [400, 409, 422])
async def test_every_way_to_say_taken_is_understood_after_doubt(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator, status: int
) -> None:
    proxy.lose("POST", "/vouchers")
    proxy.refuse("POST", "/vouchers", status, b'{"code": "SOMETHING.NOBODY.KNOWS"}')
    voucher = await proxied.vouchers.create(amount="25", currency="EUR", id="mine")
    assert voucher.id == "mine"
    assert len(emulator.vouchers()) == 1


async def test_a_request_that_got_lost_itself_is_made_again(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator
) -> None:
    proxy.drop("POST", "/vouchers")
    voucher = await proxied.vouchers.create(amount="25", currency="EUR")
    assert [record.id for record in emulator.vouchers()] == [voucher.id]
    assert len(proxy.of("POST", "/vouchers")) == 2


async def test_without_an_id_a_lost_answer_is_reported_and_never_repeated(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator, clock: ManualClock
) -> None:
    proxy.lose("POST", "/vouchers")
    with pytest.raises(OutcomeUnknown) as caught:
        await proxied.vouchers.create(
            amount="25", currency="EUR", id=None, code="SECRET-CODE", order_number="A-1"
        )
    assert len(proxy.of("POST")) == 1
    assert len(emulator.vouchers()) == 1
    pending = caught.value.pending
    assert (pending.operation, pending.voucher_id) == ("createVoucher", None)
    assert (pending.amount, pending.currency, pending.order_number) == (Decimal("25.00"), "EUR", "A-1")
    assert pending.sent_at == clock.now()
    assert caught.value.fate is Fate.UNKNOWN
    assert "SECRET-CODE" not in f"{caught.value} {caught.value!r} {pending}"


async def test_without_an_id_a_refusal_is_just_that(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator
) -> None:
    with pytest.raises(ValidationFailed):
        await proxied.vouchers.create(amount="25", currency="ZZZ", id=None)
    assert len(proxy.of("POST")) == 1


async def test_a_taken_id_is_refused_at_the_first_attempt(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    emulator.add_voucher(amount="30.00", id="mine")
    with pytest.raises(ValidationFailed) as caught:
        await client.vouchers.create(amount="25", currency="EUR", id="mine")
    assert (caught.value.fate, caught.value.proof) == (Fate.NOT_DONE, Proof.OTHER_VOUCHER)
    assert emulator.requests.count("createVoucher") == 1
    assert emulator.requests.count("getCompleteVoucher") == 1


@pytest.mark.parametrize(
    "older",
    [
        {"amount": "24.00"},
        {"currency": "USD"},
        {"code": "ANOTHER-CODE"},
        {"pin": "9999"},
        {"sku": "other"},
        {"batch": "other"},
        {"order_number": "B-2"},
    ],
)
async def test_an_older_different_voucher_of_that_id_is_never_adopted(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator, older: dict[str, str]
) -> None:
    wanted: dict[str, Any] = {
        "amount": "25.00",
        "currency": "EUR",
        "code": "MY-CODE",
        "pin": "1111",
        "sku": "mine",
        "batch": "mine",
        "order_number": "A-1",
    }
    emulator.add_voucher(id="mine", **{**wanted, **older})
    proxy.drop("POST", "/vouchers")
    with pytest.raises(ValidationFailed) as caught:
        await proxied.vouchers.create(id="mine", **wanted)
    assert (caught.value.fate, caught.value.proof) == (Fate.NOT_DONE, Proof.OTHER_VOUCHER)
    assert "VOUCHER.CREATE.CUSTOM_ID.UNIQUE" in {field.code for field in caught.value.field_errors}
    assert len(emulator.vouchers()) == 1


async def test_an_older_voucher_in_use_is_not_adopted_though_it_looks_the_same(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator, clock: ManualClock
) -> None:
    emulator.add_voucher(id="mine", amount="25.00")
    clock.advance(86_400)
    proxy.drop("POST", "/vouchers")
    with pytest.raises(ValidationFailed):
        await proxied.vouchers.create(id="mine", amount="25", currency="EUR")


async def test_a_refusal_for_another_reason_after_doubt_is_that_refusal_and_stays_open(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator
) -> None:
    proxy.drop("POST", "/vouchers")
    with pytest.raises(ValidationFailed) as caught:
        await proxied.vouchers.create(amount="25", currency="ZZZ")
    assert [field.property for field in caught.value.field_errors] == ["currency"]
    assert (caught.value.looked, caught.value.proof) == (False, None)
    assert caught.value.pending is not None
    assert emulator.vouchers() == ()


async def test_no_scope_to_read_it_back_leaves_the_outcome_open(
    emulator: VoucherEmulator, proxy: Proxy, clock: ManualClock
) -> None:
    record = emulator.add_client(scopes=[scope for scope in ALL_SCOPES if scope != "read-secrets"])
    settings = {**emulator.settings(record), "base_url": proxy.base_url}
    proxy.lose("POST", "/vouchers")
    async with VoucherClient(**settings, clock=clock) as client:  # type: ignore[arg-type]  # a plain dict
        with pytest.raises(OutcomeUnknown) as caught:
            await client.vouchers.create(amount="25", currency="EUR", id="mine")
    assert caught.value.pending.voucher_id == "mine"
    assert len(emulator.vouchers()) == 1


async def test_a_server_that_never_answers_leaves_the_outcome_open(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator
) -> None:
    proxy.replace("POST", "/vouchers", 503, HTML, times=100)
    with pytest.raises(OutcomeUnknown) as caught:
        await proxied.vouchers.create(amount="25", currency="EUR", id="mine")
    assert caught.value.pending.voucher_id == "mine"
    assert caught.value.facts is not None
    assert caught.value.facts.attempts == len(proxy.of("POST", "/vouchers")) > 1
    assert len(emulator.vouchers()) == 1


@pytest.mark.parametrize("id", ["..", ".", "a\nb", ""])
async def test_an_id_that_could_never_be_read_back_is_not_created(
    proxied: VoucherClient, proxy: Proxy, id: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await proxied.vouchers.create(amount="25", currency="EUR", id=id)
    assert caught.value.field == "id"
    assert proxy.seen == []


async def test_every_error_of_create_is_one_of_ours(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator
) -> None:
    proxy.lose("POST", "/vouchers")
    proxy.refuse("GET", "/complete", 404, BARE)
    with pytest.raises(VoucherError) as caught:
        await proxied.vouchers.create(amount="25", currency="EUR", id="mine")
    assert isinstance(caught.value, OutcomeUnknown)  # created, whatever a proxy's page says
