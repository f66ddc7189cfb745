"""For each way a connection can fail: what is known, what the server saw, and when the call gave up."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.rawserver import HEAD, VOUCHER, RawServer, Script, close, hang, reply, reset, send_then
from tests.transport.stopwatch import Stopwatch
from voucher_async import (
    ApiError,
    Charge,
    Fate,
    OutcomeUnknown,
    ServerError,
    Timeout,
    VoucherClient,
    VoucherError,
)
from voucher_async.clock import Deadline
from voucher_async.operations import CHARGE_RESERVATION
from voucher_async.sansio import build

DEADLINE = 1.0
GRACE = 0.2


@contextlib.asynccontextmanager
async def client_of(server: RawServer, session: str, **changes: object) -> AsyncIterator[VoucherClient]:
    """A client with a session of its own, or with one that was handed in."""
    if session == "own":
        async with server.client(**changes) as client:
            yield client
        return
    limit = server.settings(**changes).max_connections
    connector = aiohttp.TCPConnector(limit=limit)
    async with aiohttp.ClientSession(connector=connector) as given:
        async with VoucherClient(settings=server.settings(**changes), session=given) as client:
            yield client
        assert not given.closed


async def charge(client: VoucherClient, number: str = "r-1") -> Charge:
    return await client.reservations.charge(number, order_number="o-1", timeout=DEADLINE)


async def failure_of(client: VoucherClient) -> tuple[VoucherError, float]:
    await client.reservations.charge("r-0", order_number="o-0")  # fetches the token and opens a connection
    async with Stopwatch() as watch:
        with pytest.raises(VoucherError) as caught:
            await charge(client)
    return caught.value, watch.seconds


async def check_not_sent(server: RawServer, session: str, base_url: str) -> VoucherError:
    """A charge at that address fails in time, and is known not to have been sent."""
    async with client_of(server, session, base_url=base_url) as client, Stopwatch() as watch:
        with pytest.raises(VoucherError) as caught:
            await charge(client)
    assert caught.value.fate is Fate.NOT_SENT
    assert server.requests == []
    assert watch.seconds < DEADLINE + GRACE
    return caught.value


async def reset_after_reading(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reset(reader, writer)


UNKNOWN: dict[str, Script] = {
    "idle connection closed by the server when the request arrives": close,
    "reset after the request": reset,
    "half a status line, then closed": send_then(b"HTTP/1.1 2", close),
    "reset after the headers": send_then(HEAD + b"\r\n", reset),
    "cut-off body": send_then(HEAD + b'\r\n{"id": "ch', close),
    "hung before the headers": hang,
    "hung within the headers": send_then(HEAD, hang),
    "hung body": send_then(HEAD + b'\r\n{"id": "ch', hang),
    "no HTTP at all": send_then(b"\x00\x01\x02 what?\r\n\r\n", close),
    "500": reply({}, 500),
    "502 with HTML": reply(status=502, body=b"<html>bad gateway</html>"),
    "504 whose body hangs": send_then(HEAD.replace(b"200 OK", b"504 X") + b"\r\n", hang),
    "200 that is no charge": reply({"id": 7}),
    "302": reply({}, 302, headers="Location: /elsewhere\r\n"),
    "408": reply({}, 408),
}


@pytest.mark.parametrize("session", ["own", "given"])
@pytest.mark.parametrize("script", UNKNOWN.values(), ids=UNKNOWN.keys())
async def test_a_charge_that_may_have_been_read_is_unknown_and_made_once(
    raw_server: RawServer, script: Script, session: str
) -> None:
    raw_server.scripts = [reply(), script]
    async with client_of(raw_server, session) as client:
        error, elapsed = await failure_of(client)
    assert isinstance(error, OutcomeUnknown)
    assert error.pending.reservation_id == "r-1"
    assert error.pending.order_number == "o-1"
    assert error.pending.sent_at is not None
    assert len(raw_server.requests) == 2
    assert elapsed < DEADLINE + GRACE


@pytest.mark.parametrize("session", ["own", "given"])
async def test_a_refused_connection_is_not_sent(raw_server: RawServer, session: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        error = await check_not_sent(raw_server, session, nowhere)
    assert error.facts is not None
    assert error.facts.attempts > 1  # a repeat is safe, and was tried


@pytest.mark.parametrize("session", ["own", "given"])
async def test_an_unknown_host_is_not_sent(raw_server: RawServer, session: str) -> None:
    await check_not_sent(raw_server, session, "https://voucher.invalid/v1")


@pytest.mark.parametrize("session", ["own", "given"])
async def test_an_untrusted_certificate_is_not_sent(
    raw_server: RawServer, tls_server: RawServer, session: str
) -> None:
    await check_not_sent(raw_server, session, f"{tls_server.url}/v1")
    assert tls_server.requests == []


@pytest.mark.parametrize("session", ["own", "given"])
async def test_a_handshake_that_hangs_is_not_sent(raw_server: RawServer, session: str) -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    await check_not_sent(raw_server, session, f"https://127.0.0.1:{port}/v1")
    silent.close()
    await silent.wait_closed()


@pytest.mark.parametrize("session", ["own", "given"])
async def test_a_call_that_never_got_a_connection_is_not_sent(raw_server: RawServer, session: str) -> None:
    raw_server.scripts = [reply(), hang]
    async with client_of(raw_server, session, max_connections=1) as client:
        await charge(client, "r-0")
        first = asyncio.create_task(charge(client, "r-1"))
        await asyncio.sleep(0)
        await raw_server.until_asked(2)
        async with Stopwatch() as watch:
            with pytest.raises(VoucherError) as caught:
                await client.reservations.charge("r-2", order_number="o-2", timeout=DEADLINE / 2)
        with pytest.raises(OutcomeUnknown):
            await first
    assert caught.value.fate is Fate.NOT_SENT
    assert len(raw_server.requests) == 2
    assert watch.seconds < DEADLINE / 2 + GRACE


@pytest.mark.parametrize("session", ["own", "given"])
async def test_a_connection_the_server_closed_while_idle_is_replaced(
    raw_server: RawServer, session: str
) -> None:
    async def reply_and_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reply()(reader, writer)
        writer.close()

    raw_server.scripts = [reply_and_close, reply()]
    async with client_of(raw_server, session) as client:
        await charge(client, "r-0")
        for _ in range(20):
            await asyncio.sleep(0)  # the end of the connection arrives
        answer = await charge(client)
    assert answer.id == "ch-1"
    assert len(raw_server.requests) == 2


@pytest.mark.parametrize("status", [400, 403, 404, 409, 418, 422])
async def test_a_refusal_is_answered_and_made_once(raw_server: RawServer, status: int) -> None:
    raw_server.scripts = [reply(), reply({"status": status, "code": "X.Y", "message": "no"}, status)]
    async with raw_server.client() as client:
        error, _ = await failure_of(client)
    assert isinstance(error, ApiError)
    assert (error.fate, error.looked) == (Fate.UNKNOWN, False)  # without its voucher there is no list to read
    assert error.pending is not None
    assert len(raw_server.requests) == 2


async def test_a_refusal_whose_body_is_cut_off_may_be_that_of_a_proxy(raw_server: RawServer) -> None:
    script = send_then(HEAD.replace(b"200 OK", b"422 X") + b'\r\n{"code', close)
    raw_server.scripts = [reply(), script]
    async with raw_server.client() as client:
        error, _ = await failure_of(client)
    cause = error if isinstance(error, ApiError) else error.__cause__
    assert isinstance(cause, ApiError)
    assert (cause.status, cause.has_envelope, cause.fate) == (422, False, Fate.UNKNOWN)


@pytest.mark.parametrize("script", [close, reset, hang, send_then(HEAD, hang)])
async def test_a_reservation_is_repeated_after_an_unknown_outcome_within_its_deadline(
    raw_server: RawServer, script: Script
) -> None:
    reservation = {
        "id": "r-1",
        "voucher_id": "v-1",
        "voucher_taxable": False,
        "voucher_tax_rate": None,
        "client_id": "c-1",
        "amount": "10.00",
        "valid_until": "2026-01-01T12:30:00+00:00",
        "created_at": "2026-01-01T12:00:00+00:00",
        "updated_at": "2026-01-01T12:00:00+00:00",
    }
    raw_server.scripts = [script, reply(reservation)]
    settings = raw_server.settings(timeout=Timeout(total=5.0, connect=1.0, read=1.0))
    async with VoucherClient(settings=settings) as client:
        held = await client.reservations.create(code="CODE-1", amount=10, currency="EUR")
    assert held.id == "r-1"
    assert len(raw_server.requests) == 2


async def test_a_deadline_spans_the_wait_for_a_token(raw_server: RawServer) -> None:
    silent = RawServer()
    await silent.start()

    async def nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hang(reader, writer)

    silent.scripts = [nothing]
    async with raw_server.client(token_url=f"{silent.url}/token") as client, Stopwatch() as watch:
        with pytest.raises(VoucherError) as caught:
            await charge(client)
    await silent.stop()
    assert caught.value.fate is Fate.NOT_SENT
    assert raw_server.requests == []
    assert watch.seconds < DEADLINE + GRACE


async def test_a_failing_token_endpoint_never_makes_a_charge_unknown(raw_server: RawServer) -> None:
    broken = RawServer()
    await broken.start()
    broken.scripts = [reply({}, 500)]
    async with raw_server.client(token_url=f"{broken.url}/token") as client:
        with pytest.raises(ServerError) as caught:
            await client.reservations.charge("r-1", order_number="o-1")
    await broken.stop()
    assert caught.value.fate is Fate.NOT_SENT
    assert raw_server.requests == []


async def test_a_hint_to_wait_longer_than_the_deadline_is_no_order(raw_server: RawServer) -> None:
    busy = reply({}, 503, headers="Retry-After: 30\r\n")
    raw_server.scripts = [busy, busy, reply(VOUCHER)]
    async with raw_server.client() as client, Stopwatch() as watch:
        assert (await client.vouchers.get("v-1", timeout=DEADLINE)).id == "v-1"
    assert len(raw_server.requests) == 3
    assert watch.seconds < DEADLINE


async def test_a_server_that_goes_on_refusing_is_not_asked_without_end(raw_server: RawServer) -> None:
    raw_server.scripts = [reply({}, 503, headers="Retry-After: 30\r\n")]
    async with raw_server.client() as client:
        with pytest.raises(ServerError) as caught:
            await client.vouchers.get("v-1", timeout=DEADLINE)
    assert caught.value.retry_after == 30
    assert len(raw_server.requests) == client.settings.max_attempts


async def test_a_deadline_that_passed_already_sends_nothing(raw_server: RawServer) -> None:
    async with raw_server.client() as client:
        await charge(client, "r-0")  # fetches the token and opens a connection
        deadline = Deadline(client._transport.clock, -1.0)
        with pytest.raises(VoucherError) as caught:
            await client._transport.send(build(CHARGE_RESERVATION, ids={"id": "r-1"}), deadline)
    assert caught.value.fate is Fate.NOT_SENT
    assert len(raw_server.requests) == 1
