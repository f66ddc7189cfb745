"""Each exception of aiohttp: what it becomes, and what is never sent again because of it."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from tests.aioresponses.conftest import Mocked
from voucher_async import (
    CallTimeout,
    ConnectFailed,
    ConnectionBroken,
    Fate,
    OutcomeUnknown,
    TransportError,
    VoucherClient,
    VoucherError,
)

KEY = Mock(spec=ConnectionKey, ssl=True, host="127.0.0.1", port=1, is_ssl=True)
INFO = SimpleNamespace(real_url="http://127.0.0.1:1/v1/x")

NOT_SENT: dict[str, Exception] = {
    "refused": aiohttp.ClientConnectorError(KEY, ConnectionRefusedError(111, "refused")),
    "dns": aiohttp.ClientConnectorDNSError(KEY, socket.gaierror(-2, "unknown")),
    "tls": aiohttp.ClientConnectorSSLError(KEY, ssl.SSLError(1, "handshake")),
    "certificate": aiohttp.ClientConnectorCertificateError(KEY, ssl.CertificateError("expired")),
    "connect timeout": aiohttp.ConnectionTimeoutError("too slow"),
}
LATE: dict[str, Exception] = {
    "asyncio timeout": asyncio.TimeoutError(),  # noqa: UP041 - the alias that users of aiohttp know
    "timeout": TimeoutError("too slow"),
    "read timeout": aiohttp.SocketTimeoutError("too slow"),
    "server timeout": aiohttp.ServerTimeoutError("too slow"),
}
BROKEN: dict[str, Exception] = {
    "disconnected": aiohttp.ServerDisconnectedError(),
    "reset": aiohttp.ClientOSError(104, "reset by peer"),
    "reset while writing": aiohttp.ClientConnectionResetError("closing transport"),
    "payload": aiohttp.ClientPayloadError("cut off"),
    "redirects": aiohttp.TooManyRedirects(INFO, ()),  # type: ignore[arg-type]  # only shown
    "response": aiohttp.ClientResponseError(INFO, (), status=400, message="bad HTTP"),  # type: ignore[arg-type]  # only shown
    "content type": aiohttp.ContentTypeError(INFO, ()),  # type: ignore[arg-type]  # only shown
    "fingerprint": aiohttp.ServerFingerprintMismatch(b"a", b"b", "host", 1),
    "connection": aiohttp.ClientConnectionError("Connector is closed."),
    "any": aiohttp.ClientError("something new"),
    "pipe": BrokenPipeError(32, "pipe"),
    "os": OSError(5, "i/o"),
}
MAYBE_SENT = LATE | BROKEN

Call = Callable[[VoucherClient], Awaitable[object]]
BODY: dict[str, Any] = {"amount": "1", "currency": "EUR"}
ONCE: dict[str, tuple[str, str, Call]] = {
    "charge": (
        "POST",
        "/reservations/r-1/charge",
        lambda c: c.reservations.charge("r-1", order_number="A"),
    ),
    "refund": ("POST", "/charges/c-1/refund", lambda c: c.charges.refund("c-1", **BODY)),
    "recharge": (
        "POST",
        "/vouchers/recharge",
        lambda c: c.vouchers.recharge(**BODY, order_number="A", code="c"),
    ),
    "create": ("POST", "/vouchers", lambda c: c.vouchers.create(**BODY, id=None)),
    "connect": ("POST", "/clients/connect", lambda c: c.clients.connect("4711")),
}
AGAIN: dict[str, tuple[str, str, Call]] = {
    "get": ("GET", "/vouchers/v-1", lambda c: c.vouchers.get("v-1")),
    "list": ("GET", "/vouchers?page=1", lambda c: c.vouchers.list().first_page()),
    "update": ("PATCH", "/vouchers/v-1", lambda c: c.vouchers.update("v-1", sku="s")),
    "status": ("PATCH", "/vouchers/v-1/status", lambda c: c.vouchers.activate("v-1")),
    "delete": ("DELETE", "/vouchers/v-1", lambda c: c.vouchers.delete("v-1", comment="c")),
    "reserve": ("POST", "/reservations", lambda c: c.reservations.create(code="code", **BODY)),
    "disconnect": ("POST", "/clients/disconnect", lambda c: c.clients.disconnect()),
}


def test_the_table_has_every_exception_that_aiohttp_can_raise_here() -> None:
    listed = {type(error) for error in (NOT_SENT | MAYBE_SENT).values()}
    elsewhere = {"WSServerHandshakeError", "WSMessageTypeError", "ClientProxyConnectionError"}
    elsewhere |= {"ClientHttpProxyError", "UnixClientConnectorError", "InvalidURL", "NonHttpUrlClientError"}
    elsewhere |= {"InvalidUrlClientError", "RedirectClientError", "InvalidUrlRedirectClientError"}
    elsewhere |= {"NonHttpUrlRedirectClientError", "ServerConnectionError", "ClientSSLError"}
    elsewhere |= {"UploadAbortedError"}  # raised only in a reader of the upload's progress
    public = {getattr(aiohttp, name) for name in aiohttp.__all__}
    raisable = {item for item in public if isinstance(item, type) and issubclass(item, aiohttp.ClientError)}
    assert {item.__name__ for item in raisable - listed} <= elsewhere


async def failure_of(
    client: VoucherClient, mocked: Mocked, row: tuple[str, str, Call], error: Exception
) -> VoucherError:
    """What a call raises when aiohttp raises an error at each attempt."""
    method, path, call = row
    mocked.always(method, path, exception=error)
    with pytest.raises(VoucherError) as caught:
        await call(client)
    return caught.value


@pytest.mark.parametrize("error", MAYBE_SENT)
@pytest.mark.parametrize("name", ONCE)
async def test_what_may_have_been_sent_is_never_sent_again(
    client: VoucherClient, mocked: Mocked, name: str, error: str
) -> None:
    raised = await failure_of(client, mocked, ONCE[name], MAYBE_SENT[error])
    assert isinstance(raised, OutcomeUnknown)
    assert mocked.sent == 1
    assert raised.facts is not None
    assert raised.facts.attempts == 1
    cause = raised.__cause__
    assert isinstance(cause, CallTimeout if error in LATE else ConnectionBroken)
    assert cause.fate is Fate.UNKNOWN
    assert type(MAYBE_SENT[error]).__name__ in str(cause)


@pytest.mark.parametrize("error", NOT_SENT)
@pytest.mark.parametrize("name", [*ONCE, *AGAIN])
async def test_what_was_not_sent_is_sent_again_whatever_it_is(
    client: VoucherClient, mocked: Mocked, name: str, error: str
) -> None:
    row = (ONCE | AGAIN)[name]
    raised = await failure_of(client, mocked, row, NOT_SENT[error])
    assert isinstance(raised, ConnectFailed)
    assert raised.fate is Fate.NOT_SENT or row[0] == "GET"
    facts = raised.facts
    assert facts is not None
    assert mocked.sent == facts.attempts
    if error == "certificate":
        assert facts.attempts == client.settings.max_attempts
    else:
        # retried until the deadline, and never without a pause
        assert facts.elapsed > client.settings.timeout.total - 1.0
        assert client.settings.max_attempts < facts.attempts < 70


@pytest.mark.parametrize("error", NOT_SENT)
async def test_one_attempt_is_one_attempt(
    make_client: Callable[..., VoucherClient], mocked: Mocked, error: str
) -> None:
    mocked.always("GET", "/vouchers/v-1", exception=NOT_SENT[error])
    async with make_client(max_attempts=1) as client:
        with pytest.raises(ConnectFailed):
            await client.vouchers.get("v-1")
    assert mocked.sent == 1


@pytest.mark.parametrize("error", MAYBE_SENT)
@pytest.mark.parametrize("name", AGAIN)
async def test_what_does_no_harm_twice_is_repeated_as_often_as_allowed(
    client: VoucherClient, mocked: Mocked, name: str, error: str
) -> None:
    raised = await failure_of(client, mocked, AGAIN[name], MAYBE_SENT[error])
    assert isinstance(raised, CallTimeout if error in LATE else ConnectionBroken)
    assert raised.fate is Fate.UNKNOWN
    assert mocked.sent == client.settings.max_attempts > 1


async def test_a_refused_connection_after_a_lost_answer_leaves_the_outcome_open(
    client: VoucherClient, mocked: Mocked
) -> None:
    mocked.once("POST", "/vouchers", exception=BROKEN["disconnected"])
    mocked.always("POST", "/vouchers", exception=NOT_SENT["refused"])
    with pytest.raises(OutcomeUnknown) as caught:
        await client.vouchers.create(**BODY, id="mine")
    assert mocked.sent > client.settings.max_attempts
    assert caught.value.pending.voucher_id == "mine"


async def test_a_timeout_is_a_timeout_error_for_callers_that_know_nothing_of_us(
    client: VoucherClient, mocked: Mocked
) -> None:
    mocked.always("GET", "/vouchers/v-1", exception=LATE["read timeout"])
    with pytest.raises(TimeoutError):
        await client.vouchers.get("v-1")


@pytest.mark.parametrize("error", NOT_SENT | MAYBE_SENT)
async def test_no_exception_of_aiohttp_hangs_on_ours(
    client: VoucherClient, mocked: Mocked, error: str
) -> None:
    mocked.always("GET", "/vouchers/v-1", exception=(NOT_SENT | MAYBE_SENT)[error])
    with pytest.raises(TransportError) as caught:
        await client.vouchers.get("v-1")
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
