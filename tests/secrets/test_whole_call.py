"""A secret that one request of a call knows is masked in what the answer to any other of them says."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest

from tests.rawserver import CHARGE
from tests.secrets.hostile import Hostile, reply
from tests.secrets.search import CODE, CONNECT_PIN, PIN, TOKEN, Search, forms
from tests.secrets.test_no_secret_leaks import COMPLETE
from voucher_async import (
    ApiError,
    BadAnswer,
    CheckoutFailed,
    Conflict,
    InvalidInput,
    OutcomeUnknown,
    VoucherError,
    connect,
)

STAMP = "2026-01-01T12:00:00+00:00"
RESERVATION: dict[str, Any] = {
    "id": "r-1",
    "voucher_id": "v-1",
    "voucher_taxable": False,
    "amount": "10.00",
    "valid_until": "2026-01-01T12:30:00+00:00",
    "created_at": STAMP,
    "updated_at": STAMP,
}
MONEY: dict[str, Any] = {"amount": "10.00", "currency": "EUR"}
OTHER = "second/planted+gïft 2"
SAID = f"The voucher {CODE} (pin {PIN}), or {OTHER}, is inactive."


def refusal(status: int = 409, said: str = SAID) -> bytes:
    envelope = {
        "status": status,
        "code": f"X.{said}",
        "message": said,
        "errors": [{"code": said, "property": said, "rule": said, "message": said}],
    }
    return reply(status, json.dumps(envelope).encode())


def reserved(number: int) -> bytes:
    said = {**RESERVATION, "id": f"r-{number}", "voucher_id": f"v-{number}"}
    return reply(200, json.dumps(said).encode())


async def told(search: Search, call: Any) -> VoucherError:
    with pytest.raises(VoucherError) as caught:
        await call
    search.show(caught.value)
    assert "***" in str(caught.value)
    return caught.value


async def test_a_refusal_of_the_charge_does_not_name_what_the_reservation_knew(
    hostile: Hostile, search: Search
) -> None:
    hostile.answers = {"/reservations": reserved(1), "/charge": refusal(said=f"{CODE} {PIN}")}
    async with hostile.searched(search) as client:
        error = await told(search, client.redeem(code=CODE, pin=PIN, order_number="A", timeout=3, **MONEY))
    assert isinstance(error, Conflict)
    assert error.message == "*** ***"
    assert search.leaked((CODE, PIN, TOKEN)) == []


async def test_a_token_endpoint_does_not_name_them_either(hostile: Hostile, search: Search) -> None:
    hostile.token = refusal(400, f"{CODE} {PIN}")
    async with hostile.searched(search) as client:
        await told(search, client.redeem(code=CODE, pin=PIN, order_number="A", **MONEY))
        await told(search, client.reservations.create(code=CODE, pin=PIN, **MONEY))
    assert search.leaked((CODE, PIN)) == []


async def test_a_checkout_knows_the_codes_of_all_its_vouchers(hostile: Hostile, search: Search) -> None:
    async with (
        hostile.searched(search) as client,
        client.checkout(order_number="A", currency="EUR") as checkout,
    ):
        for number, code in enumerate((CODE, OTHER)):
            hostile.answers["/reservations"] = reserved(number)
            search.show(await checkout.reserve(code=code, pin=PIN, amount="10.00"))
        hostile.answers["/reservations"] = refusal()
        await told(search, checkout.reserve(code="x", amount="10.00"))
        first = reply(200, json.dumps({**CHARGE, "voucher_id": "v-0"}).encode())
        hostile.answers |= {
            "/r-0/charge": first,
            "/r-1/charge": refusal(),
            "/refund": refusal(),
            "/charges": refusal(),
        }
        error = await told(search, checkout.charge())
        assert isinstance(error, CheckoutFailed)
        search.show(*error.outcomes)
    assert search.leaked((CODE, PIN, OTHER)) == []


async def test_what_settles_a_charge_in_the_background_knows_them(hostile: Hostile, search: Search) -> None:
    hostile.answers = {"/reservations": reserved(1), "/charge": refusal(503), "/charges": refusal(403)}
    async with hostile.searched(search) as client:
        error = await told(search, client.redeem(code=CODE, pin=OTHER, order_number=PIN, **MONEY))
        assert isinstance(error, OutcomeUnknown)
        again = asyncio.create_task(client.settle(error.pending))
        with pytest.raises(OutcomeUnknown) as caught:
            await again
        search.show(caught.value)
    assert search.leaked((CODE, OTHER)) == []


async def test_the_log_of_money_names_no_secret(
    hostile: Hostile, search: Search, caplog: pytest.LogCaptureFixture
) -> None:
    order = f"A {CODE} {PIN}"
    hostile.answers = {"/reservations": reserved(1), "/charge": refusal(503), "/charges": refusal(403)}
    async with hostile.searched(search) as client:
        with pytest.raises(OutcomeUnknown):
            await client.redeem(code=CODE, pin=PIN, order_number=order, **MONEY)
        hostile.answers["/recharge"] = refusal(503, CODE)
        with pytest.raises(OutcomeUnknown):
            await client.vouchers.recharge(code=CODE, order_number=f"A {CODE}", **MONEY)
    records = [record for record in caplog.records if record.name.startswith("voucher_async")]
    lines = [record.getMessage() for record in records if record.levelno >= logging.WARNING]
    said = [line for line in lines if " order A ***" in line]
    assert len([line for line in said if "is in doubt" in line]) == 2
    assert len([line for line in said if "the client is closed" in line]) == len(client.pending) == 2
    assert len(said) == len(lines) == 6
    for line in lines:
        assert not [form for secret in (CODE, PIN, TOKEN) for form in forms(secret) if form in line]


async def test_later_calls_do_not_name_what_belongs_to_the_id_they_are_about(
    hostile: Hostile, search: Search
) -> None:
    hostile.answers = {
        "/vouchers": reply(201, json.dumps(COMPLETE).encode()),
        "/reservations": reserved(7),
        "/clients/connect": reply(200, json.dumps({"id": "c-9", "secret": CONNECT_PIN}).encode()),
    }
    async with hostile.searched(search) as client:
        made = await client.vouchers.create(**MONEY)
        held = await client.reservations.create(code=OTHER, **MONEY)
        hostile.answers = {
            "/charge": refusal(409, OTHER),
            "/v-7": refusal(409, OTHER),
            "/v-7/charges": refusal(409, OTHER),
            "": refusal(409, f"{CODE} {PIN}"),
        }
        await told(search, client.vouchers.activate(made.id))
        await told(search, client.reservations.charge(held, order_number="A"))
        await told(search, client.vouchers.get("v-7"))
    assert search.leaked((CODE, PIN, OTHER)) == []


async def test_one_call_does_not_mask_what_another_was_given(hostile: Hostile, search: Search) -> None:
    hostile.said = refusal(409, "orange")
    async with hostile.searched(search) as client:
        await told(search, client.reservations.create(code="orange", **MONEY))
        with pytest.raises(ApiError, match="orange"):
            await client.vouchers.get("v-1")


SECRET_ANSWERS = {
    "HTML": (b"<p>live-secret-1</p>", "text/html"),
    "other names": (
        json.dumps({"accessToken": "live-secret-1", "clientSecret": "live-secret-1"}).encode(),
        "x/y",
    ),
    "a text": (json.dumps("live-secret-1").encode(), "application/json"),
    "cut off": (b'{"code": "x", "x": "live-secret-1', "application/json"),
    "a list": (b'["live-secret-1"]', "application/json"),
}


@pytest.mark.parametrize("kind", SECRET_ANSWERS)
async def test_an_answer_that_holds_a_secret_is_not_quoted_at_all(
    hostile: Hostile, search: Search, kind: str
) -> None:
    body, media = SECRET_ANSWERS[kind]
    hostile.said = reply(200, body, kind=media)
    errors: list[VoucherError] = []
    async with hostile.searched(search) as client:
        for call in (
            client.vouchers.create(**MONEY),
            client.vouchers.get_complete("v-1"),
            connect("1", base_url=f"{hostile.url}/v1"),
        ):
            with pytest.raises(VoucherError) as caught:
                await call
            errors.append(caught.value)
    hostile.token = hostile.said
    async with hostile.searched(search) as client:
        with pytest.raises(BadAnswer) as refused:
            await client.vouchers.get("v-1")
        assert refused.value.excerpt == ""
    for error in (*errors, refused.value):
        search.show(error)
        assert f"({media}, {len(body)} bytes)" in str(error)
    assert search.leaked(("live-secret-1",)) == []


async def test_an_error_of_these_is_quoted(hostile: Hostile, search: Search) -> None:
    hostile.said = reply(422, b"<p>no such sku</p>", kind="text/html")
    async with hostile.searched(search) as client:
        with pytest.raises(ApiError, match="no such sku"):
            await client.vouchers.get_complete("v-1")


async def test_what_is_no_text_is_refused_without_being_shown(hostile: Hostile, search: Search) -> None:
    async with hostile.searched(search) as client:
        for code in ([CODE], {"a": CODE}, CODE.encode(), 4711):
            bad: Any = code
            with pytest.raises(
                InvalidInput, match=f"code: must be a str, not {type(code).__name__}"
            ) as caught:
                await client.redeem(code=bad, order_number="A", **MONEY)
            search.show(caught.value)
    assert search.leaked((CODE,)) == []
