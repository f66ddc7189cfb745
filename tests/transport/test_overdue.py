"""The moment until which a body may be begun: its record is too old afterwards."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from functools import partial

import aiohttp
import pytest

from tests.rawserver import RawServer, reply
from tests.transport.stopped import said_after_a_stop
from tests.transport.test_begun import Pipe, Writer
from voucher_async import CallTimeout, Fate, ManualClock, VoucherClient, VoucherError
from voucher_async.clock import Clock, SystemClock, uptime_of
from voucher_async.models import Charge, ChargeReservationRequest
from voucher_async.operations import CHARGE_RESERVATION
from voucher_async.realtime import Real
from voucher_async.sansio import Request, build
from voucher_async.transport.watched import NotBegunError, Watched


class Slept(ManualClock):
    """A machine that has slept: its monotonic clock does not know."""

    slept = 0.0

    def uptime(self) -> float:
        return super().uptime() + self.slept


class Plain:
    """A clock of an application's own."""

    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> dt.datetime:
        return dt.datetime(2026, 1, 1, tzinfo=dt.UTC)

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def watched(clock: Clock) -> Watched:
    body = Watched()
    body.uptime = partial(uptime_of, clock)
    body.begin_by = body.uptime() + 2.0
    return body


@pytest.mark.parametrize("writer", [lambda: Writer(Pipe()), object], ids=["ours", "somebody else's"])
async def test_a_body_is_begun_until_its_moment_and_not_after(writer: Callable[[], object]) -> None:
    clock = ManualClock()
    body = watched(clock)
    clock.advance(2.0)
    await body.begin(writer())
    assert (body.begun, body.overdue) == (1, False)
    clock.advance(0.001)
    with pytest.raises(NotBegunError, match="its record was too old"):
        await body.begin(writer())
    assert (body.begun, body.overdue, body.late) == (1, True, False)


async def test_the_connection_of_a_body_that_comes_too_late_is_given_up() -> None:
    clock, pipe = ManualClock(), Pipe()
    body = watched(clock)
    clock.advance(3.0)
    with pytest.raises(NotBegunError):
        await body.begin(Writer(pipe))
    assert pipe.ended == ["aborted"]


async def test_a_body_without_such_a_moment_is_begun_at_any_time() -> None:
    body = watched(clock := ManualClock())
    body.begin_by = None
    clock.advance(1e6)
    await body.begin(Writer(Pipe()))
    assert body.begun == 1


async def test_the_time_counts_in_which_the_machine_slept() -> None:
    body = watched(clock := Slept())
    clock.slept = 3600.0
    with pytest.raises(NotBegunError):
        await body.begin(Writer(Pipe()))


async def test_a_clock_that_does_not_tell_is_taken_at_its_word() -> None:
    clock = Plain()
    assert isinstance(clock, Clock)
    body = watched(clock)
    await body.begin(Writer(Pipe()))
    await clock.sleep(2.5)
    with pytest.raises(NotBegunError):
        await body.begin(Writer(Pipe()))


def test_the_clocks_of_this_package_count_the_sleep_of_a_machine() -> None:
    assert SystemClock().uptime is Real.uptime
    clock = ManualClock()
    clock.advance(5.0)
    assert uptime_of(clock) == uptime_of(clock.shifted(60.0)) == 5.0


async def test_a_sleep_that_is_skipped_makes_no_record_older() -> None:
    """A background task may skip half an hour while a request is about to be begun."""
    body = watched(clock := ManualClock(skip_sleeps=True))
    await clock.sleep(1800.0)
    await body.begin(Writer(Pipe()))
    clock.advance(2.5)
    with pytest.raises(NotBegunError):
        await body.begin(Writer(Pipe()))


def charging(clock: Clock) -> Request[Charge]:
    """A request that may be begun within 2 s."""
    request = build(CHARGE_RESERVATION, ChargeReservationRequest(order_number="o-1"), ids={"id": "r-1"})
    request.begin_by = uptime_of(clock) + 2.0
    return request


async def failure_of(client: VoucherClient, request: Request[Charge]) -> VoucherError:
    with pytest.raises(VoucherError) as caught:
        await client._transport.send(request, client._transport.deadline())
    return caught.value


async def test_a_request_that_comes_too_late_is_neither_sent_nor_tried_again(raw_server: RawServer) -> None:
    clock = Slept()
    async with VoucherClient(settings=raw_server.settings(), clock=clock) as client:
        await client.reservations.charge("r-0", order_number="o-0")
        request = charging(clock)
        clock.slept = 2.5
        error = await failure_of(client, request)
        assert isinstance(error, CallTimeout)
        assert (error.is_overdue, error.fate) == (True, Fate.NOT_SENT)
        assert "not sent: its record was too old" in str(error)
        assert error.facts is not None
        assert error.facts.attempts == 1
        request.begin_by = uptime_of(clock)
        answer = await client._transport.send(request, client._transport.deadline())
        assert answer.value.id == "ch-1"
    assert len(raw_server.requests) == 2


class Outage(ManualClock):
    """Time passes while somebody waits for it; after 6 s a server that was stopped is there again."""

    def __init__(self, server: RawServer) -> None:
        super().__init__()
        self._server = server

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)
        if self.monotonic() > 6.0 and not self._server._server.is_serving():
            await self._server.start()


async def test_a_server_that_comes_back_too_late_is_not_sent_what_it_missed(raw_server: RawServer) -> None:
    """Connecting is tried until the deadline; the body of none of these tries is begun."""
    clock = Outage(raw_server)
    async with VoucherClient(settings=raw_server.settings(), clock=clock) as client:
        await client.reservations.charge("r-0", order_number="o-0")
        await raw_server.stop()
        request = charging(clock)
        deadline = client._transport.deadline(60.0)
        with pytest.raises(CallTimeout) as caught:
            await client._transport.send(request, deadline)
    assert caught.value.is_overdue
    assert caught.value.facts is not None
    assert caught.value.facts.attempts > 5
    assert clock.monotonic() > 6.0
    assert len(raw_server.requests) == 1


async def test_a_server_that_comes_back_is_sent_what_was_recorded_anew(raw_server: RawServer) -> None:
    async with VoucherClient(settings=raw_server.settings(), clock=Outage(raw_server)) as client:
        await client.reservations.charge("r-0", order_number="o-0")
        await raw_server.stop()
        charge = await client.reservations.charge(
            "r-1", order_number="o-1", idempotency_key="K-1", timeout=60.0
        )
        assert charge.id == "ch-1"
        (record,) = [each async for each in client.history(key="K-1")]
    assert [step.state.value for step in record.transitions] == ["begun", "sent", "sent", "done"]
    assert len(raw_server.requests) == 2


async def test_a_second_try_after_a_refused_token_is_none_when_it_comes_too_late(
    raw_server: RawServer,
) -> None:
    clock = ManualClock()

    async def dawdle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        clock.advance(3.0)
        await reply({"status": 401, "code": "NO", "message": "no"}, 401)(reader, writer)

    raw_server.scripts = [dawdle, reply()]
    async with VoucherClient(settings=raw_server.settings(), clock=clock) as client:
        error = await failure_of(client, charging(clock))
    assert isinstance(error, CallTimeout)
    assert (error.is_overdue, error.fate) == (True, Fate.NOT_SENT)
    assert raw_server.tokens == 2
    assert len(raw_server.requests) == 1


async def test_a_session_that_is_not_plain_proves_nothing(raw_server: RawServer) -> None:
    """It may have sent another body in the place of ours."""

    async def pass_on(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        return await handler(request)

    clock = ManualClock()
    async with (
        aiohttp.ClientSession(middlewares=[pass_on]) as session,
        VoucherClient(settings=raw_server.settings(), clock=clock, session=session) as client,
    ):
        request = charging(clock)
        clock.advance(3.0)
        error = await failure_of(client, request)
    assert error.fate is Fate.UNKNOWN
    assert not getattr(error, "is_overdue", False)
    assert raw_server.requests == []


STOPPED = """
import asyncio, os, signal, sys
from voucher_async import Hook, Settings, Timeout, VoucherClient

class Stop(Hook):
    stops = 0

    def on_attempt_started(self, event):
        if event.path.endswith("/r-1/charge"):
            self.stops += 1
            if self.stops == 1:
                os.kill(os.getpid(), signal.SIGSTOP)

async def main(url):
    stop = Stop()
    settings = Settings(
        client_id="c-1", client_secret="s", base_url=f"{url}/v1", token_url=f"{url}/oauth/token",
        timeout=Timeout(total=20.0),
    )
    async with VoucherClient(settings=settings, hooks=[stop]) as client:
        await client.reservations.charge("r-0", order_number="o-0")
        charge = await client.reservations.charge("r-1", order_number="o-1", idempotency_key="K-1")
        (record,) = [each async for each in client.history(key="K-1")]
        print(charge.id, stop.stops, [step.state.value for step in record.transitions])

asyncio.run(main(sys.argv[1]))
"""


async def test_a_process_that_was_stopped_writes_its_record_anew(raw_server: RawServer) -> None:
    said = await said_after_a_stop(STOPPED, raw_server.url, 2.2)
    assert said == "ch-1 2 ['begun', 'sent', 'sent', 'done']"
    assert len(raw_server.requests) == 2
