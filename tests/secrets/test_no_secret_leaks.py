"""No secret in any log record, repr, exception, hook event or request log, at debug level too."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import pickle
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

import attrs
import pytest
import pytest_asyncio

from tests.resources.proxy import Proxy
from voucher_async import (
    ApiError,
    AuthenticationError,
    BadAnswer,
    CheckoutFailed,
    CheckoutUnknown,
    InvalidInput,
    ManualClock,
    OutcomeUnknown,
    Settings,
    Timeout,
    TransportError,
    VoucherClient,
    VoucherError,
    connect,
)
from voucher_async.testing import VoucherEmulator

CLIENT_SECRET = "client/planted+sécret1&="
TOKEN = "token/planted+1=~"
CODE = "code/planted+gïft 1"
PIN = "pin/planted+ü1"
CONNECT_PIN = "connect/planted+ö1"
PLANTED = (CLIENT_SECRET, TOKEN, CODE, PIN, CONNECT_PIN)

VOUCHER: dict[str, Any] = {
    "id": "v-1",
    "client_id": "c-1",
    "sku": None,
    "batch": None,
    "amount": "10.00",
    "currency": "EUR",
    "valid_until": None,
    "validity_value": 3,
    "validity_interval": "years",
    "status": "inactive",
    "type": "digital",
    "taxable": False,
    "tax_rate": None,
    "order_number": None,
    "data": None,
    "created_at": "2026-01-01T12:00:00+00:00",
    "updated_at": "2026-01-01T12:00:00+00:00",
    "code": CODE,
    "pin": PIN,
}


def forms(secret: str) -> set[str]:
    """A secret as it may be written: plain, percent-encoded, in JSON, in base64 at each of its offsets."""
    escaped = json.dumps(secret)[1:-1]
    found = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), escaped}
    found |= {escaped.replace("/", "\\/"), repr(secret)[1:-1], ascii(secret)[1:-1]}
    for offset in range(3):
        text = base64.b64encode(b"x" * offset + secret.encode()).decode().rstrip("=")
        # what depends on the neighbours is left out at both ends
        middle = text[(0, 2, 3)[offset] : -2]
        found |= {middle, middle.replace("+", "-").replace("/", "_")}
    return found


class Search:
    """Gathers whatever is shown somewhere, and looks for secrets in it."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog
        self.texts: list[str] = []

    def on_attempt_started(self, event: object) -> None:
        self.show(event)

    on_attempt_ended = on_repeating = on_token_refreshed = on_settled = on_attempt_started

    def show(self, *things: object) -> None:
        for thing in things:
            self.texts += [repr(thing), str(thing), f"{thing}"]
            if isinstance(thing, BaseException):
                self._error(thing, set())
            elif attrs.has(type(thing)):
                self._errors_in(thing)

    def _errors_in(self, thing: Any) -> None:
        for field in attrs.fields(type(thing)):
            value = getattr(thing, field.name)
            if isinstance(value, BaseException):
                self._error(value, set())

    def _error(self, error: BaseException, seen: set[int]) -> None:
        if id(error) in seen:
            return
        seen.add(id(error))
        self.texts += traceback.format_exception(error)
        self.texts += [repr(error), str(error), repr(error.args), repr(vars(error))]
        self.texts += getattr(error, "__notes__", [])
        if isinstance(error, VoucherError):
            self.texts.append(pickle.dumps(error, protocol=0).decode("latin-1"))
            self.texts.append(pickle.dumps(error).decode("utf-8", errors="replace"))
            self.texts.append(str(pickle.loads(pickle.dumps(error))))
        for value in vars(error).values():
            for item in value if isinstance(value, tuple) else (value,):
                self.show(item)
        for other in (error.__cause__, error.__context__):
            if other is not None:
                self._error(other, seen)

    def _records(self) -> Iterator[str]:
        formatter = logging.Formatter()
        for record in self._caplog.records:
            yield formatter.format(record)
            yield f"{record.args!r} {record.msg!r} {record.stack_info}"

    def leaked(self, secrets: tuple[str, ...]) -> list[tuple[str, str]]:
        texts = [*self.texts, *self._records()]
        return [(form, text) for secret in secrets for form in forms(secret) for text in texts if form in text]


@pytest.fixture
def search(caplog: pytest.LogCaptureFixture) -> Search:
    for name in ("", "voucher_async", "aiohttp", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)
    return Search(caplog)


class Hostile:
    """A server that gives the planted token, and to anything else a scripted answer."""

    def __init__(self) -> None:
        self.answer = b""
        self.token = reply(
            200, json.dumps({"access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600}).encode()
        )
        self.hang = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.decode().lower().split("\r\n")
                lengths = [int(line.split(":")[1]) for line in lines if line.startswith("content-length")]
                await reader.readexactly(lengths[0] if lengths else 0)
                is_token = b"/oauth/token" in head
                if self.hang and not is_token:
                    await reader.read()
                writer.write(self.token if is_token else self.answer)
                await writer.drain()
        finally:
            self._tasks.discard(task)
            writer.close()

    def client(self, search: Search) -> VoucherClient:
        settings = Settings(
            client_id="c-1",
            client_secret=CLIENT_SECRET,
            base_url=f"{self.url}/v1",
            token_url=f"{self.url}/oauth/token",
            timeout=Timeout(total=5.0, connect=2.0, read=1.0),
        )
        search.show(settings)
        return VoucherClient(settings=settings, hooks=[search], clock=ManualClock(skip_sleeps=True))


def reply(status: int, body: bytes, *headers: str, kind: str = "application/json", cut: int = 0) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}", "Connection: close", *headers]
    lines.append(f"Content-Length: {len(body) + cut}")
    return "\r\n".join([*lines, "", ""]).encode() + body


@pytest_asyncio.fixture
async def hostile() -> AsyncIterator[Hostile]:
    asyncio.get_running_loop().set_debug(True)
    server = Hostile()
    await server.start()
    yield server
    await server.stop()


Call = Callable[[VoucherClient], Awaitable[object]]
RECHARGE = {"amount": "1", "currency": "EUR", "order_number": "R"}
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
    said = " | ".join([*secrets, f"Authorization: Bearer {TOKEN}"])
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
        "a strange media type": reply(200, b"{}", kind=f"text/html; x={quote(said)}; {ascii(said)}"),
        "no HTTP": f"HTTP/9.9 {said}\r\n{said}\r\n\r\n".encode(),
        "a header that is none": f"HTTP/1.1 200 {ascii(said)}\r\n: {ascii(said)}\r\n\r\n".encode(),
        "a length that is none": f"HTTP/1.1 200 X\r\nContent-Length: {ascii(said)}\r\n\r\n".encode(),
        "chunks that are none": (
            f"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n{ascii(said)}\r\n".encode()
        ),
        "nothing": b"",
    }


@pytest.mark.parametrize("kind", echoes(PLANTED))
@pytest.mark.parametrize("name", CALLS)
async def test_a_server_that_says_what_it_was_sent_is_not_quoted(
    hostile: Hostile, search: Search, name: str, kind: str
) -> None:
    secrets, call = CALLS[name]
    hostile.answer = echoes(secrets)[kind]
    async with hostile.client(search) as client:
        with contextlib.suppress(VoucherError):
            await call(client)
        hostile.answer = b""
        try:
            hostile.answer = echoes(secrets)[kind]
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
    hostile.answer = reply(200, json.dumps({**WRONG[kind], **VOUCHER, **WRONG[kind]}).encode())
    async with hostile.client(search) as client:
        with pytest.raises((BadAnswer, OutcomeUnknown)) as caught:
            await CALLS[name][1](client)
        search.show(caught.value)
    assert search.leaked((*PLANTED, "4711081547110815")) == []


async def test_a_client_secret_of_the_wrong_type_is_not_quoted(hostile: Hostile, search: Search) -> None:
    for wrong in (["new-client-secret"], {"x": "new-client-secret"}):
        hostile.answer = reply(200, json.dumps({"id": "c-1", "secret": wrong}).encode())
        with pytest.raises(OutcomeUnknown) as caught:
            await connect(CONNECT_PIN, base_url=f"{hostile.url}/v1", hooks=[search])
        search.show(caught.value)
    assert search.leaked((*PLANTED, "new-client-secret")) == []
