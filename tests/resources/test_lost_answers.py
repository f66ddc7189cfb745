"""Deleting, connecting, disconnecting and moving money when answers get lost."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.proxy import BARE, Proxy
from voucher_async import (
    Conflict,
    ConnectionBroken,
    Fate,
    ManualClock,
    NotFound,
    OutcomeUnknown,
    VoucherClient,
    VoucherStatus,
    connect,
)
from voucher_async.testing import VoucherEmulator, faults

HTML = b"<html>Bad Gateway</html>"


async def test_a_delete_that_aiohttp_sent_twice_by_itself_is_done(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator
) -> None:
    record = emulator.add_voucher(amount="1.00", active=False)
    proxy.lose("DELETE", record.id)
    await proxied.vouchers.delete(record.id, comment="c")
    assert emulator.vouchers() == ()
    assert [entry.status for entry in emulator.requests.of("deleteVoucher")] == [204, 404]
    assert [seen.json for seen in proxy.of("DELETE")] == [{"comment": "c"}] * 2


HARMS: dict[str, tuple[Callable[[Proxy, str, str], object], int]] = {
    "answers lost again and again": (functools.partial(Proxy.lose, times=2), 3),
    "lost on its way": (Proxy.drop, 2),
    **{
        str(status): (functools.partial(Proxy.replace, status=status, body=HTML), 2)
        for status in (500, 502, 408)
    },
}


@pytest.mark.parametrize("harm", HARMS)
async def test_a_delete_in_doubt_is_made_again_and_done_when_the_voucher_is_gone(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator, harm: str
) -> None:
    do_harm, sent = HARMS[harm]
    record = emulator.add_voucher(amount="1.00", active=False)
    do_harm(proxy, "DELETE", record.id)
    await proxied.vouchers.delete(record.id, comment="c")
    assert emulator.vouchers() == ()
    assert len(proxy.of("DELETE")) == sent


async def test_a_delete_of_what_never_was_is_not_found(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator
) -> None:
    with pytest.raises(NotFound) as caught:
        await proxied.vouchers.delete("none", comment="c")
    assert caught.value.fate is Fate.ANSWERED
    assert len(proxy.of("DELETE")) == 1


async def test_deleting_twice_is_not_found_the_second_time(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    record = emulator.add_voucher(amount="1.00", active=False)
    await client.vouchers.delete(record.id, comment="c")
    with pytest.raises(NotFound):
        await client.vouchers.delete(record.id, comment="c")


async def test_a_limited_rate_before_a_404_does_not_mean_done(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator
) -> None:
    proxy.refuse("DELETE", "none", 429, BARE)
    with pytest.raises(NotFound):
        await proxied.vouchers.delete("none", comment="c")
    assert len(proxy.of("DELETE")) == 2


async def test_an_active_voucher_is_not_deleted(client: VoucherClient, emulator: VoucherEmulator) -> None:
    record = emulator.add_voucher(amount="1.00")
    with pytest.raises(Conflict) as caught:
        await client.vouchers.delete(record.id, comment="c")
    assert caught.value.code == "VOUCHER.DELETE.VOUCHER_ACTIVE"
    assert len(emulator.vouchers()) == 1


@pytest.mark.parametrize("lost", [1, 2])
async def test_a_disconnect_whose_answer_was_lost_is_done(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator, lost: int
) -> None:
    proxy.lose("POST", "/disconnect", times=lost)
    await proxied.clients.disconnect()
    assert [entry.status for entry in emulator.requests.of("disconnectClient")] == [204, *[401] * lost]
    # a 401 may be about the token alone; a refused token request shows that the credentials are revoked
    assert [entry.status for entry in emulator.requests.of("requestToken")] == [200, 401]


async def test_a_disconnect_that_failed_and_then_met_a_revoked_token_is_made_again(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    await client.vouchers.list().first_page()
    emulator.faults.script("disconnectClient", faults.ServerError(), faults.Revoked())
    await client.clients.disconnect()
    assert [entry.status for entry in emulator.requests.of("disconnectClient")][-1] == 204


async def test_a_disconnect_with_a_revoked_token_is_made_again_and_not_taken_for_done(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    await client.vouchers.list().first_page()
    emulator.revoke_tokens()
    await client.clients.disconnect()
    assert [entry.status for entry in emulator.requests.of("disconnectClient")] == [401, 204]


async def test_a_connect_whose_answer_was_lost_says_that_a_new_pin_is_needed(
    emulator: VoucherEmulator, proxy: Proxy
) -> None:
    pin = emulator.new_connect_pin()
    proxy.lose("POST", "/connect")
    with pytest.raises(OutcomeUnknown) as caught:
        await connect(pin, base_url=proxy.base_url)
    assert len(proxy.of("POST", "/connect")) == 1
    assert "new connection PIN" in str(caught.value)
    assert pin not in f"{caught.value} {caught.value!r} {caught.value.pending} {caught.value.__cause__!r}"
    assert caught.value.pending.operation == "connectClient"
    assert isinstance(caught.value.__cause__, ConnectionBroken)


@pytest.mark.parametrize(("status", "body"), [(500, HTML), (200, HTML), (201, b'{"id": "x"}'), (302, b"")])
async def test_a_connect_with_an_answer_that_says_nothing_is_open_too(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator, status: int, body: bytes
) -> None:
    pin = emulator.new_connect_pin()
    proxy.replace("POST", "/connect", status, body)
    with pytest.raises(OutcomeUnknown) as caught:
        await proxied.clients.connect(pin)
    assert len(proxy.of("POST", "/connect")) == 1
    assert pin not in str(caught.value)


async def test_a_limited_rate_may_answer_a_second_delivery_of_the_pin(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator
) -> None:
    proxy.refuse("POST", "/connect", 429, BARE)
    with pytest.raises(OutcomeUnknown, match="new connection PIN"):
        await proxied.clients.connect(emulator.new_connect_pin())
    assert len(proxy.of("POST", "/connect")) == 1


@pytest.mark.parametrize("fault", ["lose", "drop", "error", "html"])
@pytest.mark.parametrize("name", ["charge", "refund", "recharge", "recharge by code"])
async def test_where_nothing_can_be_read_money_is_moved_at_most_once_and_the_outcome_called_unknown(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator, name: str, fault: str
) -> None:
    record = emulator.add_voucher(amount="25.00")
    reservation = await proxied.reservations.create(code=record.code, amount="5", currency="EUR")
    charge = await proxied.reservations.charge(reservation, order_number="A-1")
    fresh = await proxied.reservations.create(code=record.code, amount="5", currency="EUR")
    path = f"/{name.split(' ', maxsplit=1)[0]}"
    faults: dict[str, Callable[[], None]] = {
        "lose": lambda: proxy.lose("POST", path),
        "drop": lambda: proxy.drop("POST", path),
        "error": lambda: proxy.replace("POST", path, 500),
        "html": lambda: proxy.replace("POST", path, 200, HTML),
    }
    faults[fault]()
    proxy.refuse("GET", "/charges", 403, BARE, times=9)
    before = len(proxy.of("POST", path))
    rest: dict[str, Any] = {"amount": "5", "currency": "EUR", "order_number": "A-2"}
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "charge": lambda: proxied.reservations.charge(fresh, order_number="A-2"),
        "refund": lambda: proxied.charges.refund(charge, currency="EUR"),
        "recharge": lambda: proxied.vouchers.recharge(id=record.id, **rest),
        "recharge by code": lambda: proxied.vouchers.recharge(code=record.code, **rest),
    }
    with pytest.raises(OutcomeUnknown) as caught:
        await calls[name]()
    assert len(proxy.of("POST", path)) == before + 1
    assert len(emulator.charges()) == (1 if fault == "drop" else 2)
    pending = caught.value.pending
    assert pending.amount == Decimal("5.00")
    assert pending.order_number == ("A-1" if name == "refund" else "A-2")
    assert pending.voucher_id == (None if name == "recharge by code" else record.id)
    assert pending.charge_id == (charge.id if name == "refund" else None)
    assert pending.reservation_id == (fresh.id if name == "charge" else None)
    assert pending.sent_at is not None
    assert caught.value.fate is Fate.UNKNOWN
    assert record.code not in f"{caught.value!r} {pending!r}"


async def test_a_limited_rate_and_a_revoked_token_do_not_end_a_charge(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator
) -> None:
    record = emulator.add_voucher(amount="25.00")
    reservation = await proxied.reservations.create(code=record.code, amount="5", currency="EUR")
    proxy.refuse("POST", "/charge", 429, BARE)
    emulator.revoke_tokens()
    await proxied.reservations.charge(reservation, order_number="A-1")
    assert 2 <= len(proxy.of("POST", "/charge")) <= 3  # a look between may meet the revoked token
    assert len(emulator.charges("A-1")) == 1


async def test_what_sets_the_same_state_again_is_repeated(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator
) -> None:
    record = emulator.add_voucher(amount="1.00", active=False)
    proxy.lose("PATCH", record.id)
    assert (await proxied.vouchers.update(record.id, sku="s")).sku == "s"
    proxy.replace("PATCH", "/status", 502, HTML)
    assert (await proxied.vouchers.activate(record.id)).status is VoucherStatus.ACTIVE
    assert len(proxy.of("PATCH")) == 4


async def test_of_two_reservations_after_a_lost_answer_the_newer_one_is_charged(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator, clock: ManualClock
) -> None:
    record = emulator.add_voucher(amount="25.00")
    proxy.lose("POST", "/reservations")
    reservation = await proxied.reservations.create(code=record.code, amount="5", currency="EUR")
    assert len(emulator.reservations(record.id)) == 2
    assert emulator.reservations(record.id)[-1].id == reservation.id
    await proxied.reservations.charge(reservation, order_number="A-1")
    assert emulator.balance(record.id) == Decimal("20.00")


@pytest.mark.parametrize(
    "fields", [{"type": "refund"}, {"amount": "5.01"}, {"voucher_id": "another"}], ids=lambda f: next(iter(f))
)
async def test_an_answer_that_is_not_the_charge_asked_for_is_not_returned(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator, fields: dict[str, str]
) -> None:
    record = emulator.add_voucher(amount="25.00")
    reservation = await proxied.reservations.create(code=record.code, amount="5", currency="EUR")
    proxy.edit("POST", "/charge", **fields)
    charge = await proxied.reservations.charge(reservation, order_number="A-1")
    assert (charge.id, charge.type) == (emulator.charges("A-1")[0].id, "charge")
    assert charge.amount == Decimal("5.00")
    assert len(proxy.of("POST", "/charge")) == 1


@pytest.mark.parametrize("name", ["refund", "recharge"])
async def test_an_answer_with_another_amount_is_not_returned(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator, name: str
) -> None:
    record = emulator.add_voucher(amount="25.00")
    charge = await proxied.redeem(code=record.code, amount="5", currency="EUR", order_number="A-1")
    proxy.edit("POST", f"/{name}", amount="0.01")
    call = (
        proxied.charges.refund(charge, currency="EUR")
        if name == "refund"
        else proxied.vouchers.recharge(amount="5", currency="EUR", order_number="A-2", id=record.id)
    )
    assert (await call).amount == Decimal("5.00")
    assert len(proxy.of("POST", f"/{name}")) == 1


async def test_a_reservation_of_another_amount_is_never_charged(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator, clock: ManualClock
) -> None:
    record = emulator.add_voucher(amount="25.00")
    proxy.edit("POST", "/reservations", amount="25.00")
    await proxied.redeem(code=record.code, amount="5", currency="EUR", order_number="A-1")
    assert len(proxy.of("POST", "/reservations")) == 2  # the second reservation replaces the first
    assert emulator.balance(record.id) == Decimal("20.00")


async def test_a_list_that_refuses_large_pages_is_read_in_smaller_ones(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator
) -> None:
    record = emulator.add_voucher(amount="25.00")
    proxy.lose("POST", "/charge")
    proxy.refuse("GET", "/charges", 422, BARE)
    charge = await proxied.redeem(code=record.code, amount="5", currency="EUR", order_number="A-1")
    assert [entry.id for entry in emulator.charges("A-1")] == [charge.id]
    large, smaller = [int(seen.query["per_page"]) for seen in proxy.of("GET", "/charges")]
    assert 51 <= smaller <= 100 < large
