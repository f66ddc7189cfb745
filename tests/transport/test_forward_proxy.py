"""A forward proxy, a TLS context of one's own, and what both prove."""

from __future__ import annotations

import base64
import logging
import ssl
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import trustme

from tests.forwarding import ForwardProxy, after_delivery, cut, refusing
from tests.frame_locals import shown_locals
from tests.rawserver import CHARGE, VOUCHER, RawServer, close, reply
from voucher_async import (
    ConfigurationError,
    ConnectFailed,
    Fate,
    ManualClock,
    OutcomeUnknown,
    Proof,
    TransportError,
    VoucherClient,
    connect,
)
from voucher_async.testing import VoucherEmulator

PASSWORD = "p4ss:w%rd"
LOGIN = f"till:{PASSWORD}"
QUOTED = "till:p4ss%3Aw%25rd"
HEADER = "Basic " + base64.b64encode(LOGIN.encode()).decode()
BAD_GATEWAY = "502 Bad Gateway"


@pytest.fixture
def context(authority: trustme.CA) -> ssl.SSLContext:
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    return trusted


@pytest_asyncio.fixture
async def proxy() -> AsyncIterator[ForwardProxy]:
    async with ForwardProxy() as proxy:
        yield proxy


def tunnelled(server: RawServer, tokens: RawServer, proxy: ForwardProxy, **changes: Any) -> VoucherClient:
    """A client of a TLS server; its tokens come without a tunnel, so that each charge needs one."""
    return server.client(proxy=proxy.url, token_url=f"{tokens.url}/oauth/token", **changes)


async def charge(client: VoucherClient, timeout: float = 5.0) -> object:
    return await client.reservations.charge("r-1", order_number="o-1", timeout=timeout)


async def test_a_context_of_ones_own_is_what_the_server_is_verified_with(
    tls_server: RawServer, context: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    tls_server.scripts = [reply(VOUCHER)]
    async with tls_server.client(ssl=context) as client:
        assert (await client.vouchers.get("v-1")).id == "v-1"
    async with tls_server.client(max_attempts=1) as client:
        with pytest.raises(ConnectFailed, match="certificate verify failed"):
            await client.vouchers.get("v-1")
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("secure", [False, True])
async def test_everything_goes_through_the_tunnel(
    tls_server: RawServer, authority: trustme.CA, context: ssl.SSLContext, *, secure: bool
) -> None:
    tls_server.scripts = [reply(VOUCHER)]
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(served)
    async with (
        ForwardProxy(served if secure else None) as proxy,
        tls_server.client(proxy=proxy.url, ssl=context) as client,
    ):
        assert (await client.vouchers.get("v-1")).id == "v-1"
        assert (await client.vouchers.get("v-1")).id == "v-1"
    assert proxy.lines == [f"CONNECT 127.0.0.1:{tls_server.port} HTTP/1.1"]  # tokens included, and once
    assert tls_server.tokens == 1


@pytest.mark.parametrize("target", ["https", "http"])
async def test_the_login_goes_to_the_proxy_alone(
    tls_server: RawServer, raw_server: RawServer, context: ssl.SSLContext, target: str
) -> None:
    server = tls_server if target == "https" else raw_server
    server.scripts = [reply(VOUCHER)]
    async with ForwardProxy(wanted=HEADER) as proxy:
        url = proxy.url.replace("://", f"://{QUOTED}@")
        async with server.client(proxy=url, ssl=context) as client:
            await client.vouchers.get("v-1")
            await client.vouchers.get("v-1")
    assert set(proxy.logins) == {HEADER}
    if target == "https":
        assert "proxy-authorization" not in "".join(head for head, _ in server.requests).lower()


async def test_a_refused_login_is_told_without_showing_it(
    tls_server: RawServer, context: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with ForwardProxy(wanted="another") as proxy:
        url = proxy.url.replace("://", f"://{QUOTED}@")
        async with tls_server.client(proxy=url, ssl=context, max_attempts=2) as client:
            with pytest.raises(ConnectFailed, match="Proxy Authentication Required") as caught:
                await charge(client)
            told = [repr(client), repr(client.settings), caplog.text, repr(caught.value)]
    told += shown_locals(caught.value)
    assert caught.value.fate is Fate.NOT_SENT
    assert len(proxy.lines) == 2  # it is tried as often as is allowed, not until the deadline
    for secret in (PASSWORD, "p4ss%3Aw%25rd", HEADER.split(" ")[1]):
        assert not [text for text in told if secret in text]
    assert "***@127.0.0.1" in repr(client.settings)


async def test_a_tunnel_that_is_refused_proves_that_nothing_was_sent(
    tls_server: RawServer, raw_server: RawServer, proxy: ForwardProxy, context: ssl.SSLContext
) -> None:
    proxy.fail("CONNECT", refusing(BAD_GATEWAY), times=99)
    async with tunnelled(tls_server, raw_server, proxy, ssl=context) as client:
        with pytest.raises(ConnectFailed) as caught:
            await charge(client, timeout=1.0)
    assert (caught.value.fate, caught.value.proof) == (Fate.NOT_SENT, Proof.NOT_SENT)
    assert tls_server.requests == []
    assert len(proxy.lines) > 2


async def test_a_proxy_that_cannot_be_reached_proves_it_too(
    tls_server: RawServer, raw_server: RawServer, context: ssl.SSLContext
) -> None:
    async with ForwardProxy() as gone:
        pass
    for server in (tls_server, raw_server):
        async with server.client(proxy=gone.url, ssl=context, max_attempts=1) as client:
            with pytest.raises(ConnectFailed) as caught:
                await charge(client)
        assert caught.value.fate is Fate.NOT_SENT
        assert server.requests == []


async def test_a_tunnel_that_comes_late_is_charged_through_once(
    tls_server: RawServer, raw_server: RawServer, proxy: ForwardProxy, context: ssl.SSLContext
) -> None:
    proxy.fail("CONNECT", refusing(BAD_GATEWAY), times=2)
    async with tunnelled(tls_server, raw_server, proxy, ssl=context) as client:
        await charge(client)
    assert len(tls_server.requests) == 1


async def test_an_answer_that_is_lost_in_the_tunnel_is_in_doubt(
    tls_server: RawServer, raw_server: RawServer, proxy: ForwardProxy, context: ssl.SSLContext
) -> None:
    """The server has the charge: whatever ends the tunnel then, nobody is told that it was not sent."""
    tls_server.scripts = [close]
    async with tunnelled(tls_server, raw_server, proxy, ssl=context, close_wait=0.1) as client:
        with pytest.raises(OutcomeUnknown) as caught:
            await charge(client, timeout=1.0)
    assert caught.value.fate is Fate.UNKNOWN
    assert caught.value.proof is None
    assert tls_server.requests


async def test_a_tunnel_that_breaks_while_it_is_made_is_never_called_charged_twice(
    tls_server: RawServer, raw_server: RawServer, proxy: ForwardProxy, context: ssl.SSLContext
) -> None:
    proxy.fail("CONNECT", cut)
    tls_server.scripts = [reply({"data": [], "meta": {}}, 403), reply(CHARGE)]
    async with tunnelled(tls_server, raw_server, proxy, ssl=context, close_wait=0.1) as client:
        try:
            await charge(client, timeout=2.0)
        except (OutcomeUnknown, TransportError):
            assert [head for head, _ in tls_server.requests if "/charge " in head] == []
        else:
            assert len([head for head, _ in tls_server.requests if "/charge " in head]) == 1


@pytest.mark.parametrize("delivered", [False, True])
@pytest.mark.parametrize("status", [BAD_GATEWAY, "504 Gateway Timeout", "407 Proxy Authentication Required"])
async def test_a_plain_request_that_a_proxy_answers_itself_is_in_doubt(
    proxy: ForwardProxy, status: str, *, delivered: bool
) -> None:
    """The proxy has the whole request: its word proves nothing, so the charge is looked for."""
    clock = ManualClock(skip_sleeps=True)
    async with VoucherEmulator(clock=clock) as emulator:
        code = emulator.add_voucher(amount="25.00").code
        proxy.fail(
            f"POST {emulator.url}/v1/reservations/", (after_delivery if delivered else refusing)(status)
        )
        async with VoucherClient(**emulator.settings(), proxy=proxy.url, clock=clock) as client:
            made = await client.redeem(code=code, amount=10, currency="EUR", order_number="A-1")
        assert [each.id for each in emulator.charges("A-1")] == [made.id]
    assert any("/charges" in line for line in proxy.lines) or not delivered


async def test_connecting_goes_through_the_proxy(
    tls_server: RawServer, proxy: ForwardProxy, context: ssl.SSLContext
) -> None:
    tls_server.scripts = [reply({"code": "X", "message": "no"}, 422)]
    base_url = f"{tls_server.url}/v1"
    with pytest.raises(Exception, match="no"):
        await connect("1234", base_url=base_url, proxy=proxy.url, ssl=context)
    assert [line.split(" ")[0] for line in proxy.lines] == ["CONNECT"]


async def test_a_session_that_is_handed_in_has_its_own(context: ssl.SSLContext) -> None:
    async with aiohttp.ClientSession() as session:
        for option in ({"proxy": "http://127.0.0.1:3128"}, {"ssl": context}):
            given: Any = option
            with pytest.raises(ConfigurationError, match="are set on the session that is handed in"):
                VoucherClient("c", "s", environment="sandbox", session=session, **given)
