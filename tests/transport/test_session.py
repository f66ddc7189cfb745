"""The session: whose it is, which loop it lives on, and what it never does."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import re
import threading

import aiohttp
import pytest

from tests.rawserver import CHARGE, RawServer, close, hang, reply, send_then
from voucher_async import (
    BadAnswer,
    ConfigurationError,
    ConnectionBroken,
    NotFound,
    OutcomeUnknown,
    VoucherClient,
    VoucherError,
    connect,
)
from voucher_async.config import Timeout
from voucher_async.testing import VoucherEmulator
from voucher_async.transport.session import Session

_numbers = itertools.count(1)


async def charge(client: VoucherClient) -> str:
    """Charge a reservation that was not charged before."""
    return (await client.reservations.charge(f"r-{next(_numbers)}", order_number="o-1")).id


def test_one_client_serves_one_loop_after_the_other_without_a_warning() -> None:
    async def on_one_loop(client: VoucherClient | None) -> VoucherClient:
        server = RawServer()
        await server.start()
        try:
            if client is None:
                client = server.client()
            else:
                client._transport.settings = server.settings()
            assert (await charge(client)).startswith("ch-")
            return client
        finally:
            await server.stop()

    client = asyncio.run(on_one_loop(None))
    assert asyncio.run(on_one_loop(client)) is client
    asyncio.run(client.aclose())


def test_a_loop_that_was_closed_without_ceremony_does_not_stop_the_client() -> None:
    async def call(server: RawServer, client: VoucherClient) -> None:
        assert (await charge(client)).startswith("ch-")
        await server.stop()
        await asyncio.sleep(0.01)  # the TLS close message arrives, so that no socket stays open

    async def start() -> tuple[RawServer, VoucherClient]:
        server = RawServer()
        await server.start()
        return server, server.client()

    loop = asyncio.new_event_loop()
    server, client = loop.run_until_complete(start())
    loop.run_until_complete(call(server, client))
    loop.close()

    async def again() -> None:
        server, other = await start()
        client._transport.settings = other.settings
        await call(server, client)
        await client.aclose()
        await other.aclose()

    asyncio.run(again())


def test_the_tasks_of_a_new_loop_share_one_session(monkeypatch: pytest.MonkeyPatch) -> None:
    async def start(server: RawServer) -> VoucherClient:
        await server.start()
        client = server.client()
        await charge(client)
        await server.stop()
        await asyncio.sleep(0.01)
        return client

    loop = asyncio.new_event_loop()
    client = loop.run_until_complete(start(RawServer()))
    loop.close()
    session, opened = client._transport.session, list[aiohttp.ClientSession]()
    assert session._own is not None
    connector = session._own.connector
    assert connector is not None
    close_at_once = connector.close

    async def close_slowly() -> None:
        for _turn in range(5):
            await asyncio.sleep(0)
        await close_at_once()

    monkeypatch.setattr(connector, "close", close_slowly)

    def open_one() -> aiohttp.ClientSession:
        opened.append(Session._open(session))
        return opened[-1]

    monkeypatch.setattr(session, "_open", open_one)

    async def charge_twice() -> None:
        server = RawServer()
        await server.start()
        client._transport.settings = server.settings()
        await asyncio.gather(charge(client), charge(client))
        await client.aclose()
        await server.stop()

    asyncio.run(charge_twice())
    assert len(opened) == 1


async def test_a_client_is_refused_on_a_second_loop_while_the_first_still_runs(
    raw_server: RawServer,
) -> None:
    errors: list[Exception] = []
    async with raw_server.client() as client:
        await charge(client)

        def elsewhere() -> None:
            try:
                asyncio.run(charge(client))
            except VoucherError as error:
                errors.append(error)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        await asyncio.to_thread(thread.join)
        assert (await charge(client)).startswith("ch-")
    assert isinstance(errors[0], ConfigurationError)
    assert "event loop" in str(errors[0])


async def test_a_closed_client_refuses_calls_and_closing_twice_does_nothing(raw_server: RawServer) -> None:
    client = raw_server.client()
    await charge(client)
    await client.aclose()
    await client.aclose()
    with pytest.raises(ConfigurationError, match="closed"):
        await charge(client)


async def test_a_session_that_others_closed_is_opened_again(raw_server: RawServer) -> None:
    async with raw_server.client() as client:
        await charge(client)
        own = client._transport.session._own
        assert own is not None
        await own.close()
        assert (await charge(client)).startswith("ch-")
    assert len(raw_server.requests) == 2


async def test_a_closed_client_leaves_no_timer_behind(raw_server: RawServer) -> None:
    client = raw_server.client()
    await charge(client)
    alarm = client._transport._limits._alarm
    assert alarm is not None
    assert alarm._stop_timer is not None
    await client.aclose()
    assert alarm._stop_timer is None


async def test_closing_a_client_that_was_never_used_does_nothing(raw_server: RawServer) -> None:
    client = raw_server.client()
    await client.aclose()
    with pytest.raises(ConfigurationError, match="closed"):
        await charge(client)


async def test_a_session_that_is_handed_in_is_neither_closed_nor_changed(raw_server: RawServer) -> None:
    async with aiohttp.ClientSession(headers={"X-Shop": "mine"}) as session:
        before = (dict(session.headers), session.timeout, session.trust_env, list(session.trace_configs))
        async with VoucherClient(settings=raw_server.settings(), session=session) as client:
            await charge(client)
        assert not session.closed
        after = (dict(session.headers), session.timeout, session.trust_env, list(session.trace_configs))
        assert before == after
    assert "X-Shop: mine" in raw_server.requests[0][0]


async def test_a_handed_in_session_that_is_closed_is_one_clear_error(raw_server: RawServer) -> None:
    session = aiohttp.ClientSession()
    await session.close()
    async with VoucherClient(settings=raw_server.settings(), session=session) as client:
        with pytest.raises(ConfigurationError, match="handed in is closed"):
            await charge(client)


async def test_a_handed_in_session_that_raises_for_status_still_gives_our_errors(
    raw_server: RawServer,
) -> None:
    raw_server.scripts = [reply({"code": "VOUCHER.NOT_FOUND", "message": "no"}, 404)]
    async with (
        aiohttp.ClientSession(raise_for_status=True) as session,
        VoucherClient(settings=raw_server.settings(), session=session) as client,
    ):
        with pytest.raises(NotFound):
            await client.vouchers.get("v-1")


async def test_a_request_says_who_is_asking_and_for_what(raw_server: RawServer) -> None:
    async with raw_server.client() as client:
        await charge(client)
    head, body = raw_server.requests[0]
    assert re.match(r"POST /v1/reservations/r-\d+/charge HTTP/1\.1\r\n", head)
    assert "User-Agent: voucher-async/" in head
    assert "Authorization: Bearer t-1\r\n" in head
    assert "Accept: application/json\r\n" in head
    assert "Content-Type: application/json\r\n" in head
    assert body == b'{"order_number":"o-1"}'


async def test_a_redirect_is_not_followed_and_the_token_goes_nowhere_else(raw_server: RawServer) -> None:
    elsewhere = RawServer()
    await elsewhere.start()
    raw_server.scripts = [reply({}, 307, headers=f"Location: {elsewhere.url}/v1/vouchers/v-1\r\n")]
    async with raw_server.client() as client:
        with pytest.raises(BadAnswer, match="redirect"):
            await client.vouchers.get("v-1")
    await elsewhere.stop()
    assert elsewhere.connections == 0
    assert len(raw_server.requests) == 1


async def test_proxies_of_the_environment_are_used_only_when_asked_for(
    raw_server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = RawServer()
    await proxy.start()
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.delenv("no_proxy", raising=False)
    async with raw_server.client() as client:
        await charge(client)
    assert proxy.connections == 0
    async with raw_server.client(trust_env=True) as client:
        await charge(client)
    assert proxy.connections > 0
    await proxy.stop()


async def test_cookies_are_not_kept(raw_server: RawServer) -> None:
    raw_server.scripts = [reply(headers="Set-Cookie: track=me\r\n")]
    async with raw_server.client() as client:
        await charge(client)
        await charge(client)
    assert "Cookie" not in raw_server.requests[1][0]


@pytest.mark.parametrize("packed", [False, True])
async def test_an_answer_that_is_too_large_is_refused(raw_server: RawServer, *, packed: bool) -> None:
    body = b'{"id": "' + b"x" * 200_000 + b'"}'
    headers = "Content-Encoding: gzip\r\n" if packed else ""
    raw_server.scripts = [reply(body=gzip.compress(body) if packed else body, headers=headers)]
    async with raw_server.client(max_answer_bytes=100_000) as client:
        with pytest.raises(OutcomeUnknown, match="too large"):
            await charge(client)


async def test_a_large_answer_within_the_limit_is_read(raw_server: RawServer) -> None:
    raw_server.scripts = [reply({**CHARGE, "padding": "x" * 300_000})]
    async with raw_server.client() as client:
        assert (await charge(client)).startswith("ch-")


async def test_there_are_never_more_connections_than_allowed(raw_server: RawServer) -> None:
    under_way: list[int] = []
    most: list[int] = []
    full = asyncio.Event()

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        under_way.append(1)
        most.append(len(under_way))
        if len(under_way) == 5:
            full.set()
        await full.wait()  # the first ones, however slow the machine is
        await asyncio.sleep(0.001)
        under_way.pop()
        await reply()(reader, writer)

    raw_server.scripts = [count]
    async with raw_server.client(max_connections=5, timeout=Timeout(total=60.0)) as client:
        numbers = range(200)
        await asyncio.gather(*(client.reservations.charge(f"r-{n}", order_number="o-1") for n in numbers))
    # in all there are more on a busy machine: a request whose record has become too old ends its connection
    assert max(most) == 5
    assert raw_server.tokens == 1
    assert len(raw_server.requests) == 200


async def test_a_delete_that_was_resent_silently_and_then_not_found_is_done(raw_server: RawServer) -> None:
    raw_server.scripts = [close, reply({"code": "VOUCHER.NOT_FOUND", "message": "no"}, 404)]
    async with raw_server.client() as client:
        await client.vouchers.delete("v-1", comment="printed twice")
    assert len(raw_server.requests) == 2


async def test_a_delete_that_is_not_found_at_once_is_an_error(raw_server: RawServer) -> None:
    raw_server.scripts = [reply({"code": "VOUCHER.NOT_FOUND", "message": "no"}, 404)]
    async with raw_server.client() as client:
        with pytest.raises(NotFound):
            await client.vouchers.delete("v-1", comment="printed twice")
    assert len(raw_server.requests) == 1


async def test_connect_needs_no_client_and_leaves_nothing_open(emulator_pin: tuple[str, str]) -> None:
    base_url, pin = emulator_pin
    credentials = await connect(pin, base_url=base_url)
    assert credentials.secret
    assert credentials.secret not in repr(credentials)


async def test_connect_reports_a_lost_answer_with_what_to_do(raw_server: RawServer) -> None:
    raw_server.scripts = [close]
    with pytest.raises(OutcomeUnknown, match="new connection PIN"):
        await connect("PIN-123456", base_url=f"{raw_server.url}/v1")
    assert len(raw_server.requests) == 1
    assert raw_server.tokens == 0


async def test_two_connects_at_once_do_not_share_a_session(raw_server: RawServer) -> None:
    raw_server.scripts = [send_then(b"", hang)]
    first = asyncio.create_task(connect("PIN-1", base_url=f"{raw_server.url}/v1", timeout=1.0))
    second = asyncio.create_task(connect("PIN-2", base_url=f"{raw_server.url}/v1", timeout=1.0))
    errors = await asyncio.gather(first, second, return_exceptions=True)
    assert all(isinstance(error, OutcomeUnknown) for error in errors)


async def test_a_read_that_breaks_is_told_as_broken(raw_server: RawServer) -> None:
    raw_server.scripts = [close]
    async with raw_server.client(max_attempts=1) as client:
        with pytest.raises(ConnectionBroken):
            await client.vouchers.get("v-1")


@pytest.fixture
async def emulator_pin() -> object:
    async with VoucherEmulator() as emulator:
        yield emulator.base_url, emulator.new_connect_pin()


@pytest.mark.parametrize("when", ["before it is sent", "after it was answered"])
async def test_a_middleware_that_breaks_does_not_lose_what_is_known_of_a_charge(
    raw_server: RawServer, when: str
) -> None:
    async def broken(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        if "/charge" in str(request.url) and when == "before it is sent":
            raise LookupError("a mistake of the shop's")
        answer = await handler(request)
        if "/charge" in str(request.url):
            answer.close()
            raise LookupError("a mistake of the shop's")
        return answer

    async with (
        aiohttp.ClientSession(middlewares=(broken,)) as session,
        VoucherClient(settings=raw_server.settings(max_attempts=2), session=session) as client,
    ):
        with pytest.raises(OutcomeUnknown, match="LookupError"):
            await charge(client)
    assert len(raw_server.requests) == (when == "after it was answered")
