"""No secret in any log record, repr, exception, hook event or request log, at debug level too."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from tests.proxy import BARE, Proxy
from tests.rawserver import VOUCHER
from tests.secrets.hostile import Hostile, broken, reply
from tests.secrets.search import CLIENT_SECRET, CODE, CONNECT_PIN, PIN, PLANTED, TOKEN, Search, forms
from voucher_async import (
    AuthenticationError,
    BadAnswer,
    CallTimeout,
    CheckoutFailed,
    CheckoutUnknown,
    ConfigurationError,
    ConnectFailed,
    InvalidInput,
    ManualClock,
    OutcomeUnknown,
    ReservationSuperseded,
    VoucherClient,
    VoucherError,
    connect,
)
from voucher_async.testing import VoucherEmulator

COMPLETE: dict[str, Any] = {**VOUCHER, "code": CODE, "pin": PIN}


Call = Callable[[VoucherClient], Awaitable[object]]
RECHARGE: dict[str, Any] = {"amount": "1", "currency": "EUR", "order_number": "R"}
CALLS: dict[str, tuple[tuple[str, ...], Call]] = {
    "create": (
        (TOKEN, CODE, PIN),
        lambda c: c.vouchers.create(amount="10", currency="EUR", code=CODE, pin=PIN),
    ),
    "get_complete": ((TOKEN,), lambda c: c.vouchers.get_complete("v-1")),
    "list": ((TOKEN,), lambda c: c.vouchers.list().first_page()),
    "delete": ((TOKEN,), lambda c: c.vouchers.delete("v-1", comment="c")),
    "recharge": ((TOKEN, CODE), lambda c: c.vouchers.recharge(**RECHARGE, code=CODE)),
    "reserve": (
        (TOKEN, CODE, PIN),
        lambda c: c.reservations.create(code=CODE, amount="1", currency="EUR", pin=PIN),
    ),
    "charge": ((TOKEN,), lambda c: c.reservations.charge("r-1", order_number="A")),
    "redeem": (
        (TOKEN, CODE, PIN),
        lambda c: c.redeem(code=CODE, amount="1", currency="EUR", order_number="A", pin=PIN),
    ),
    "connect": ((CONNECT_PIN,), lambda c: c.clients.connect(CONNECT_PIN)),
}


def echoes(secrets: tuple[str, ...]) -> dict[str, bytes]:
    """Answers that give back what the request held."""
    bearer = [f"Authorization: Bearer {TOKEN}"] if TOKEN in secrets else []
    said = " | ".join([*secrets, *bearer])
    sent = json.dumps(dict.fromkeys(("code", "pin", "x"), said))
    envelope = {
        "status": 422,
        "code": said,
        "message": said,
        "errors": [{"code": said, "property": said, "rule": said, "message": said}],
    }
    html = f"<html><h1>{said}</h1>{'&'.join(f'code={quote_plus(s)}' for s in secrets)}</html>".encode()
    return {
        "422 with the secrets in every field": reply(422, json.dumps(envelope).encode()),
        "404 as written by PHP": reply(404, json.dumps(envelope).replace("/", "\\/").encode()),
        "403 in HTML": reply(403, html, kind="text/html"),
        "400 with the body sent": reply(400, sent.encode()),
        "500 in HTML": reply(500, html, kind="text/html"),
        "503 in JSON": reply(503, json.dumps(envelope).encode()),
        "200 in HTML": reply(200, html, kind="text/html"),
        "200 that ends within a secret": reply(200, f'{{"x": "{said}'.encode()[:-6]),
        "200 that is cut off": reply(200, f'{{"x": "{said}'.encode()[:-6], cut=500),
        "422 that ends within a secret": reply(422, f"no: {secrets[-1]}".encode()[:-4], kind="text/plain"),
        "302": reply(302, html, f"Location: http://127.0.0.1:1/?code={quote(said)}"),
        "a strange media type": reply(
            200, b"{}", kind=f"text/html; x={quote(said)}; {quote_plus(said)}; {said}"
        ),
        "a header that is none": f"HTTP/1.1 200 {said}\r\n: {said}\r\n\r\n".encode(),
        "a length that is none": f"HTTP/1.1 200 X\r\nContent-Length: {said}\r\n\r\n".encode(),
        **broken(said),
    }


@pytest.mark.parametrize("kind", echoes(PLANTED))
@pytest.mark.parametrize("name", CALLS)
async def test_a_server_that_says_what_it_was_sent_is_not_quoted(
    hostile: Hostile, search: Search, name: str, kind: str
) -> None:
    secrets, call = CALLS[name]
    hostile.said = echoes(secrets)[kind]
    async with hostile.searched(search) as client:
        try:
            search.show(await call(client))
        except VoucherError as error:
            search.show(error)
        search.show(client, client.settings)
    assert search.leaked(PLANTED) == []
    assert len(search.texts) > 10


WRONG: dict[str, dict[str, Any]] = {
    "a number": {"code": 4711081547110815, "pin": 4711081547110815},
    "lists": {"code": [CODE], "pin": [PIN, [PIN]]},
    "objects": {"code": {"value": CODE}, "pin": {"a": {"b": PIN}}},
    "another field": {"amount": 5},
    "more fields": {"amount": 5, "secret": CONNECT_PIN, "access_token": TOKEN},
}


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("name", ["create", "get_complete"])
async def test_secrets_of_the_wrong_type_are_not_quoted(
    hostile: Hostile, search: Search, name: str, kind: str
) -> None:
    hostile.said = reply(200, json.dumps({**WRONG[kind], **COMPLETE, **WRONG[kind]}).encode())
    async with hostile.searched(search) as client:
        with pytest.raises((BadAnswer, OutcomeUnknown)) as caught:
            await CALLS[name][1](client)
        search.show(caught.value)
    assert search.leaked((*PLANTED, "4711081547110815")) == []


async def test_a_client_secret_of_the_wrong_type_is_not_quoted(hostile: Hostile, search: Search) -> None:
    for wrong in (["new-client-secret"], {"x": "new-client-secret"}):
        hostile.said = reply(200, json.dumps({"id": "c-1", "secret": wrong}).encode())
        with pytest.raises(OutcomeUnknown) as caught:
            await connect(CONNECT_PIN, base_url=f"{hostile.url}/v1", hooks=[search])
        search.show(caught.value)
    assert search.leaked((*PLANTED, "new-client-secret")) == []


@pytest.mark.parametrize("status", [400, 401, 403, 422, 500, 200])
async def test_refused_credentials_are_not_quoted(hostile: Hostile, search: Search, status: int) -> None:
    said = f"{CLIENT_SECRET} | client_secret={quote_plus(CLIENT_SECRET)} | {quote(CLIENT_SECRET)}"
    body = {"error": "invalid_client", "error_description": said, "message": said, "x": said}
    hostile.token = reply(status, json.dumps(body).encode())
    async with hostile.searched(search) as client:
        for _ in range(2):
            with pytest.raises(VoucherError) as caught:
                await client.vouchers.get("v-1")
            search.show(caught.value)
    assert isinstance(caught.value, AuthenticationError) is (status in {400, 401, 403})
    assert search.leaked(PLANTED) == []


@pytest.mark.parametrize(
    "token",
    [f"{TOKEN}\n", f"{TOKEN} {TOKEN}", [TOKEN], {"a": TOKEN}, f"{TOKEN}é"],
    ids=["line-break", "space", "list", "object", "letter"],
)
async def test_a_token_of_the_wrong_kind_is_not_quoted(
    hostile: Hostile, search: Search, token: object
) -> None:
    hostile.token = reply(200, json.dumps({"access_token": token, "token_type": "Bearer"}).encode())
    async with hostile.searched(search) as client:
        with pytest.raises(VoucherError) as caught:
            await client.vouchers.get("v-1")
        search.show(caught.value, client)
    assert search.leaked(PLANTED) == []


@pytest.mark.parametrize("name", CALLS)
async def test_calls_that_hang_or_find_nobody_show_nothing(
    hostile: Hostile, search: Search, name: str
) -> None:
    call = CALLS[name][1]
    hostile.hang = True
    async with hostile.searched(search, total=0.2) as client:
        with pytest.raises((CallTimeout, OutcomeUnknown)) as caught:
            await call(client)
        search.show(caught.value)
    async with hostile.searched(search) as client:
        await hostile.stop()
        with pytest.raises(ConnectFailed) as refused:
            await call(client)
        search.show(refused.value)
    assert search.leaked(PLANTED) == []


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(skip_sleeps=True)


async def test_success_shows_nothing(search: Search, clock: ManualClock) -> None:
    async with (
        VoucherEmulator(clock=clock) as emulator,
        VoucherClient(**emulator.settings(), clock=clock, hooks=[search]) as client,
    ):
        pin = emulator.new_connect_pin()
        credentials = await client.clients.connect(pin)
        made = await client.vouchers.create(amount="50", currency="EUR", code=CODE, pin=PIN, type="print")
        read = await client.vouchers.get_complete(made.id)
        await client.vouchers.activate(made.id)
        held = await client.reservations.create(code=CODE, amount="1", currency="EUR", pin=PIN)
        charge = await client.reservations.charge(held, order_number="A-1")
        refund = await client.charges.refund(charge, currency="EUR")
        again = await client.redeem(code=CODE, amount="1", currency="EUR", order_number="A-2", pin=PIN)
        recharge = await client.vouchers.recharge(amount="1", currency="EUR", order_number="R", code=CODE)
        async with client.checkout(order_number="A-3", currency="EUR") as checkout:
            reserved = await checkout.reserve(code=CODE, amount="1", pin=PIN)
            search.show(checkout, reserved)
            search.show(*await checkout.charge())
        emulator.revoke_tokens()
        page = await client.vouchers.list().first_page()
        token = client._tokens.current()
        assert token is not None
        search.show(credentials, made, read, held, charge, refund, again, recharge, page, token)
        search.show(client, client.settings, vars(client), client._tokens, client._transport, emulator)
        search.show(*emulator.requests, emulator.requests, *emulator.vouchers(), *emulator.charges())
        assert (read.code, read.pin) == (CODE, PIN)
        planted = (CODE, PIN, pin, emulator.client_secret, credentials.secret, token.value)
        await client.clients.disconnect()
        with pytest.raises(AuthenticationError) as caught:
            await client.vouchers.get(made.id)
        search.show(caught.value)
    assert search.leaked(planted) == []


async def test_failed_and_unknown_checkouts_show_nothing(search: Search, clock: ManualClock) -> None:
    async with VoucherEmulator(clock=clock) as emulator, Proxy(emulator) as proxy:
        settings = emulator.settings()
        settings["base_url"] = proxy.base_url
        async with VoucherClient(**settings, clock=clock, hooks=[search]) as client:
            emulator.add_voucher(amount="9.00", code=CODE, pin=PIN)
            for number, kind in enumerate((CheckoutFailed, CheckoutUnknown)):
                other = emulator.add_voucher(amount="9.00", code=f"{CODE} {number}")
                async with client.checkout(order_number=f"A-{number}", currency="EUR") as checkout:
                    search.show(await checkout.reserve(code=CODE, amount="1", pin=PIN))
                    search.show(await checkout.reserve(code=other.code, amount=Decimal(1)))
                    emulator.set_status(other.id, "inactive")
                    if kind is CheckoutUnknown:
                        proxy.lose("POST", "/refund")
                        proxy.refuse("GET", "/charges", 403, BARE, times=9)
                    with pytest.raises(kind) as caught:
                        await checkout.charge()
                    search.show(caught.value, checkout)
            held = await client.reservations.create(code=CODE, amount="1", currency="EUR", pin=PIN)
            await client.reservations.create(code=CODE, amount="1", currency="EUR", pin=PIN)
            with pytest.raises(ReservationSuperseded) as superseded:
                await client.reservations.charge(held, order_number="A")
            search.show(superseded.value)
        planted = (CODE, PIN, emulator.client_secret)
    assert search.leaked(planted) == []


MONEY: dict[str, Any] = {"amount": "1", "currency": "EUR"}
BAD_CODES: list[Any] = [CODE * 40, [CODE], {CODE}, CODE.encode(), f"{CODE}\ud800", (CODE,)]


def calls_with(bad: Any) -> list[Call]:
    """Every place a code or pin goes to."""
    return [
        lambda c: c.vouchers.create(**MONEY, code=bad),
        lambda c: c.vouchers.create(**MONEY, pin=bad),
        lambda c: c.vouchers.recharge(**RECHARGE, code=bad),
        lambda c: c.reservations.create(**MONEY, code=bad),
        lambda c: c.reservations.create(**MONEY, code=CODE, pin=bad),
        lambda c: c.redeem(**MONEY, code=bad, order_number="A"),
        lambda c: c.redeem(**MONEY, code=CODE, pin=bad, order_number="A"),
        lambda c: c.clients.connect(bad),
    ]


async def test_refused_input_shows_no_secret(search: Search) -> None:
    calls = [call for code in BAD_CODES for call in calls_with(code)]
    calls += [
        lambda c: c.vouchers.recharge(**RECHARGE, code=CODE, id="v-1"),
        lambda c: c.vouchers.create(amount=1.5, currency="EUR", code=CODE, pin=PIN),  # type: ignore[arg-type]  # the point
        lambda c: c.redeem(code=CODE, amount="1", currency="EUR", order_number="", pin=PIN),
    ]
    async with VoucherClient(
        "c-1", CLIENT_SECRET, base_url="http://127.0.0.1:1/v1", hooks=[search]
    ) as client:
        for call in calls:
            with pytest.raises(InvalidInput) as caught:
                await call(client)
            search.show(caught.value)
    for wrong in (f"{CLIENT_SECRET} ", f"{CLIENT_SECRET}\n", [CLIENT_SECRET], CLIENT_SECRET.encode()):
        with pytest.raises(ConfigurationError) as refused:
            VoucherClient("c-1", wrong, base_url="http://127.0.0.1:1/v1")  # type: ignore[arg-type]  # the point
        search.show(refused.value)
    assert search.leaked(PLANTED) == []


def leak_by_cause(search: Search) -> None:
    error = VoucherError("harmless")
    error.__cause__ = ValueError(CODE)
    search.show(error)


def leak_by_hidden_context(search: Search) -> None:
    error = VoucherError("harmless")
    error.__context__ = ValueError(CODE)
    error.__suppress_context__ = True
    search.show(error)


def leak_by_note(search: Search) -> None:
    error = VoucherError("harmless")
    error.add_note(f"sent {CODE}")
    search.show(error)


def leak_by_attribute(search: Search) -> None:
    error = VoucherError("harmless")
    error.extra = [CODE]  # type: ignore[attr-defined]  # a leak that the masking does not know
    search.show(error)


LEAKS: dict[str, Callable[[Search], object]] = {
    "cause": leak_by_cause,
    "context": leak_by_hidden_context,
    "note": leak_by_note,
    "attribute": leak_by_attribute,
    "repr": lambda search: search.show({"code": CODE}),
    "debug log": lambda _: logging.getLogger("aiohttp.client").debug("sent %r", {"code": CODE}),
    "log arguments": lambda _: logging.getLogger("voucher_async").debug("%.3s", CODE),
    "percent-encoded": lambda search: search.show(f"?code={quote_plus(CODE)}"),
    "in JSON": lambda search: search.show(json.dumps({"a": CODE})),
    "hook event": lambda search: search.on_attempt_ended(VoucherError(CODE)),
    "base64": lambda search: search.show(base64.b64encode(CODE.encode())),
    "base64, one off": lambda search: search.show(base64.b64encode(f"c{CODE}tail".encode())),
    "base64, two off": lambda search: search.show(base64.b64encode(f"cc{CODE}tail".encode())),
    "base64 for URLs": lambda search: search.show(base64.urlsafe_b64encode(f"c-1:{CODE}".encode())),
}


@pytest.mark.parametrize("way", LEAKS)
def test_the_search_finds_a_leak(search: Search, way: str) -> None:
    assert search.leaked(PLANTED) == []
    LEAKS[way](search)
    assert search.leaked(PLANTED)
    assert search.leaked((TOKEN, PIN, CONNECT_PIN)) == []


def test_no_form_of_a_secret_is_so_short_that_it_is_found_by_chance() -> None:
    assert min(len(form) for secret in PLANTED for form in forms(secret)) > 10
