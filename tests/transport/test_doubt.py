"""What may be claimed about a request when others had their hands on it."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from tests.rawserver import VOUCHER, RawServer, close, hang, reply
from tests.recorder import Recorder
from tests.transport.test_calls import patient
from voucher_async import (
    AttemptEnded,
    AttemptStarted,
    BadAnswer,
    ConfigurationError,
    ConnectionBroken,
    Fate,
    ManualClock,
    NotFound,
    OutcomeUnknown,
    VoucherClient,
    wire,
)

Middleware = Callable[[aiohttp.ClientRequest, aiohttp.ClientHandlerType], Awaitable[aiohttp.ClientResponse]]


def is_charge(request: aiohttp.ClientRequest) -> bool:
    return request.url.path.endswith("/charge")


async def replaces_the_body(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """As one that signs or compresses bodies does."""
    if is_charge(request):
        await request.update_body(b'{"order_number":"o-1"}')
    return await handler(request)


async def sends_again(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """As one that repeats what failed does."""
    try:
        return await handler(request)
    except aiohttp.ClientError:
        return await handler(request)


@pytest.mark.parametrize("script", [close, reply({}, 503)])
async def test_a_session_that_replaces_the_body_proves_nothing_and_charges_once(
    raw_server: RawServer, script: Callable[..., Awaitable[None]]
) -> None:
    raw_server.scripts = [script]
    async with (
        aiohttp.ClientSession(middlewares=(replaces_the_body,)) as session,
        VoucherClient(settings=raw_server.settings(), session=session) as client,
    ):
        with pytest.raises(OutcomeUnknown):
            await client.reservations.charge("r-1", order_number="o-1")
    assert len(raw_server.requests) == 1


async def test_a_session_that_replaces_the_body_leaves_a_hung_charge_open(raw_server: RawServer) -> None:
    raw_server.scripts = [hang]
    async with (
        aiohttp.ClientSession(middlewares=(replaces_the_body,)) as session,
        VoucherClient(settings=raw_server.settings(), session=session) as client,
    ):
        with pytest.raises(OutcomeUnknown):
            await client.reservations.charge("r-1", order_number="o-1", timeout=1.0)
    assert len(raw_server.requests) == 1


async def test_a_refused_connection_proves_nothing_behind_a_middleware(raw_server: RawServer) -> None:
    async with (
        aiohttp.ClientSession(middlewares=(replaces_the_body,)) as session,
        VoucherClient(settings=raw_server.settings(), session=session) as client,
    ):
        await client.reservations.charge("r-0", order_number="o-1")
        await raw_server.stop()
        await asyncio.sleep(0.05)  # asyncio notices that the idle connection was closed
        with pytest.raises(OutcomeUnknown):
            await client.reservations.charge("r-1", order_number="o-1")


@pytest.mark.parametrize("status", [401, 409, 429])
async def test_a_refusal_of_a_charge_that_was_sent_again_proves_nothing(
    raw_server: RawServer, status: int
) -> None:
    raw_server.scripts = [close, reply({"code": "X"}, status)]
    async with (
        aiohttp.ClientSession(middlewares=(sends_again,)) as session,
        VoucherClient(settings=raw_server.settings(), session=session) as client,
    ):
        with pytest.raises(OutcomeUnknown) as caught:
            await client.reservations.charge("r-1", order_number="o-1")
    assert caught.value.__cause__ is not None
    assert len(raw_server.requests) == 2


async def test_closing_the_client_under_a_charge_that_waits_for_a_connection_says_it_was_not_sent(
    raw_server: RawServer,
) -> None:
    raw_server.scripts = [hang]
    client = raw_server.client(max_connections=1)
    first = asyncio.create_task(client.reservations.charge("r-1", order_number="o-1"))
    await raw_server.until_asked()
    second = asyncio.create_task(client.reservations.charge("r-2", order_number="o-2"))
    await asyncio.sleep(0.05)
    await client.aclose(wait=0)
    failures = await asyncio.gather(first, second, return_exceptions=True)
    assert isinstance(failures[0], OutcomeUnknown)
    assert isinstance(failures[1], ConfigurationError)
    assert failures[1].fate is Fate.NOT_SENT
    assert len(raw_server.requests) == 1


async def test_a_handed_in_session_whose_connector_is_closed_under_a_call_is_a_lost_connection(
    raw_server: RawServer,
) -> None:
    raw_server.scripts = [hang]
    async with raw_server.with_one_connection() as (session, client):
        first = asyncio.create_task(client.reservations.charge("r-1", order_number="o-1"))
        await raw_server.until_asked()
        second = asyncio.create_task(client.reservations.charge("r-2", order_number="o-2"))
        await asyncio.sleep(0.05)
        await session.close()
        failures = await asyncio.gather(first, second, return_exceptions=True)
        await client.aclose()
    assert isinstance(failures[1], ConnectionBroken)
    assert failures[1].fate is Fate.NOT_SENT


async def test_a_creation_in_doubt_stays_in_doubt_when_the_client_is_closed_meanwhile(
    raw_server: RawServer,
) -> None:
    raw_server.scripts = [reply({}, 503)]
    clock = ManualClock()
    client = VoucherClient(settings=raw_server.settings(), clock=clock)
    call = asyncio.create_task(client.vouchers.create(amount="10.00", currency="EUR"))
    await raw_server.until_asked()
    await asyncio.sleep(0.05)
    await client.aclose()
    clock.advance(4.0)
    with pytest.raises(OutcomeUnknown) as caught:
        await call
    assert isinstance(caught.value.__cause__, ConnectionBroken)
    assert caught.value.facts is not None
    assert caught.value.facts.in_doubt == 1


async def test_an_answer_that_breaks_its_reader_is_no_success(
    raw_server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(kind: type[object], data: bytes) -> object:
        raise MemoryError

    async with raw_server.client() as client:
        await client.reservations.charge("r-0", order_number="o-0")
        monkeypatch.setattr(wire, "decode", broken)
        with pytest.raises(OutcomeUnknown, match="unforeseen MemoryError") as caught:
            await client.reservations.charge("r-1", order_number="o-1")
    assert isinstance(caught.value.__cause__, BadAnswer)


async def test_every_attempt_that_a_hook_hears_begin_it_hears_end(
    raw_server: RawServer, recorder: Recorder
) -> None:
    raw_server.scripts = [hang]
    async with patient(raw_server, recorder) as client:
        call = asyncio.create_task(client.vouchers.get("v-1"))
        await raw_server.until_asked()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        with pytest.raises(TimeoutError):
            await client.vouchers.get("v-1", timeout=0.1)
    with pytest.raises(ConfigurationError):
        await client.vouchers.get("v-1")
    operations = [event.operation for event in recorder.of(AttemptStarted)]
    assert operations == [event.operation for event in recorder.of(AttemptEnded)]
    assert operations.count("getVoucher") == 3
    reads = [event for event in recorder.of(AttemptEnded) if event.operation == "getVoucher"]
    assert all(event.fate is not Fate.ANSWERED for event in reads)


async def test_honest_refusals_keep_the_budget_filled(raw_server: RawServer, recorder: Recorder) -> None:
    raw_server.scripts = [reply({"code": "VOUCHER.NOT_FOUND"}, 404)]
    async with patient(raw_server, recorder) as client:
        client._transport.budget.level = 0.0
        for _ in range(10):
            with pytest.raises(NotFound):
                await client.vouchers.get("v-1")
        raw_server.scripts = [reply({}, 503), reply(VOUCHER)]
        assert (await client.vouchers.get("v-1")).id == "v-1"


async def test_a_session_with_credentials_of_its_own_is_one_clear_error(raw_server: RawServer) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer releases of aiohttp deprecate it
        session = aiohttp.ClientSession(auth=aiohttp.BasicAuth("shop", "secret"))
    async with (
        session,
        VoucherClient(settings=raw_server.settings(), session=session) as client,
    ):
        with pytest.raises(ConfigurationError, match="Authorization of its own") as caught:
            await client.reservations.charge("r-1", order_number="o-1")
    assert caught.value.fate is Fate.NOT_SENT
    assert raw_server.requests == []
