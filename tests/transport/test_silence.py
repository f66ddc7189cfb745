"""How long a server may be silent: from the writing of a request on, and between two pieces of an answer."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from tests.rawserver import CHARGE, HEAD, VOUCHER, RawServer, Script, hang, reply, send_then
from voucher_async import CallTimeout, Conflict, Fate, OutcomeUnknown, Timeout, VoucherClient
from voucher_async.cancelling import Limit
from voucher_async.sansio import Response
from voucher_async.transport.exchange import Exchange, _CountedBody
from voucher_async.transport.session import Session

Call = Callable[[VoucherClient], Awaitable[object]]

READ = 0.5
LIMITS = Timeout(total=5.0, connect=1.0, read=READ)


def dribble(content: object, pause: float) -> Script:
    """An answer in pieces, the headers at once, the body with a pause before each."""
    body = json.dumps(content).encode()
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    )

    async def script(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        for start in range(0, len(body), len(body) // 12):
            await asyncio.sleep(pause)
            writer.write(body[start : start + len(body) // 12])
            await writer.drain()

    return script


async def read(client: VoucherClient) -> object:
    return await client.vouchers.get("v-1")


async def reserve(client: VoucherClient) -> object:
    return await client.reservations.create(code="CODE-1", amount=1, currency="EUR")


async def charge(client: VoucherClient) -> object:
    return await client.reservations.charge("r-1", order_number="o-1")


@pytest.mark.parametrize(("call", "content"), [(read, VOUCHER), (charge, CHARGE)])
async def test_an_answer_that_takes_long_but_is_never_silent_is_read(
    raw_server: RawServer, call: Call, content: object
) -> None:
    raw_server.scripts = [dribble(content, READ / 5)]
    async with raw_server.client(timeout=LIMITS) as client:
        begun = time.perf_counter()
        await call(client)
    assert time.perf_counter() - begun > 2 * READ
    assert len(raw_server.requests) == 1


@pytest.mark.parametrize("call", [read, reserve])
@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("script", [hang, send_then(HEAD, hang), send_then(HEAD + b'\r\n{"i', hang)])
async def test_a_silent_server_is_left_after_that_time_and_not_before(
    raw_server: RawServer, script: Script, call: Call, *, given: bool
) -> None:
    raw_server.scripts = [script]
    async with aiohttp.ClientSession() as session:
        settings = raw_server.settings(timeout=LIMITS, max_attempts=1)
        async with VoucherClient(settings=settings, session=session if given else None) as client:
            begun = time.perf_counter()
            with pytest.raises(CallTimeout, match="no answer in time") as caught:
                await call(client)
            taken = time.perf_counter() - begun
    assert caught.value.fate is Fate.UNKNOWN
    assert READ <= taken < READ + 1.0


async def test_a_silent_charge_is_unknown_long_before_its_deadline(raw_server: RawServer) -> None:
    raw_server.scripts = [hang]
    async with raw_server.client(timeout=LIMITS) as client:
        begun = time.perf_counter()
        with pytest.raises(OutcomeUnknown):
            await charge(client)
        assert READ <= time.perf_counter() - begun < READ + 1.0


async def test_a_refusal_whose_body_never_comes_is_a_refusal(raw_server: RawServer) -> None:
    raw_server.scripts = [send_then(HEAD.replace(b"200 OK", b"409 X") + b'\r\n{"code', hang)]
    async with raw_server.client(timeout=LIMITS) as client:
        with pytest.raises(Conflict):
            await reserve(client)
    assert len(raw_server.requests) == 1


async def test_waiting_for_a_connection_is_no_silence(raw_server: RawServer) -> None:
    raw_server.scripts = [dribble(CHARGE, READ / 5), reply(CHARGE)]
    async with raw_server.client(timeout=LIMITS, max_connections=1) as client:
        begun = time.perf_counter()
        first = asyncio.create_task(charge(client))
        await asyncio.sleep(READ / 5)
        second = asyncio.create_task(client.reservations.charge("r-2", order_number="o-1"))
        await asyncio.gather(first, second)
        assert time.perf_counter() - begun > 2 * READ
    assert len(raw_server.requests) == 2


async def test_a_caller_cancelled_while_a_refusal_is_read_is_cancelled(raw_server: RawServer) -> None:
    raw_server.scripts = [send_then(HEAD.replace(b"200 OK", b"404 X") + b'\r\n{"code', hang)]
    async with raw_server.client(timeout=Timeout(read=5.0)) as client:
        task = asyncio.create_task(read(client))
        await raw_server.until_asked()
        await asyncio.sleep(READ / 2)  # until the head of the answer arrives
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_the_pause_before_a_repeated_request_is_no_silence(raw_server: RawServer) -> None:
    busy = reply({"code": "X", "message": "busy"}, 503, headers="Retry-After: 1\r\n")
    raw_server.scripts = [busy, reply(VOUCHER)]
    async with raw_server.client(timeout=LIMITS) as client:
        assert await read(client)
    assert len(raw_server.requests) == 2


@pytest.mark.parametrize("replaced", [True, False])
async def test_a_silent_server_is_left_by_a_session_that_sends_another_body(
    raw_server: RawServer, *, replaced: bool
) -> None:
    async def rewrite(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        if replaced and "/charge" in str(request.url):
            await request.update_body(b'{"order_number":"o-1"}')
        return await handler(request)

    raw_server.scripts = [hang]
    async with (
        aiohttp.ClientSession(middlewares=(rewrite,)) as session,
        VoucherClient(settings=raw_server.settings(timeout=LIMITS), session=session) as client,
    ):
        begun = time.perf_counter()
        with pytest.raises(OutcomeUnknown):
            await charge(client)
        assert READ <= time.perf_counter() - begun < READ + 1.0


async def test_a_body_that_is_written_after_its_call_ended_limits_nothing(raw_server: RawServer) -> None:
    bodies: list[_CountedBody] = []

    class Remembering(Session):
        async def send(self, exchange: Exchange, limit: Limit) -> Response:
            try:
                return await super().send(exchange, limit)
            finally:
                assert exchange.body is not None
                bodies.append(exchange.body)

    async with raw_server.client() as client:
        client._transport.session.__class__ = Remembering
        await charge(client)
    # the token request, and the charge
    assert [(body.begun, body.limit) for body in bodies] == [(1, None)] * 2
