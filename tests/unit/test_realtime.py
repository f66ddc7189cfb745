"""The real time: found while it is frozen, and kept on loops whose clock is not."""

from __future__ import annotations

import asyncio
import datetime as dt
import time

import pytest
from freezegun import freeze_time

from voucher_async.cancelling import Limits
from voucher_async.clock import SteadyClock, SystemClock, parse_date
from voucher_async.realtime import Real, _datetime, _monotonic, call_at, time_of

FAR = 3600.0
SOON = 0.05


def test_the_real_types_and_clocks_are_found_while_they_are_hidden() -> None:
    real = {dt.datetime}
    with freeze_time("2026-06-01"):
        assert {_datetime(), Real.datetime} == real
        assert abs(_monotonic()() - Real.monotonic()) < FAR
        assert type(SystemClock().now()) in real
        assert type(parse_date("Mon, 01 Jun 2026 12:00:00 GMT")) in real
        assert time.monotonic() > Real.monotonic() + FAR


def test_the_date_of_a_steady_clock_goes_on_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    uptime, now = 5.0, dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
    monkeypatch.setattr(Real, "uptime", staticmethod(lambda: uptime))
    clock = SteadyClock()
    began = clock.now()
    assert abs(began - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=1)
    monkeypatch.setattr(SystemClock, "now", lambda _: now)
    uptime += FAR
    assert clock.now() == began + dt.timedelta(seconds=FAR)


async def test_a_limit_is_kept_on_a_loop_whose_clock_stands_still() -> None:
    limits = Limits()
    with freeze_time("2026-06-01"):
        with pytest.raises(TimeoutError), limits.limit(SOON):
            await asyncio.get_running_loop().create_future()
        await asyncio.wait_for(SystemClock().sleep(SOON), None)


async def test_a_limit_does_not_end_because_the_loops_clock_leaps() -> None:
    limits = Limits()
    with limits.limit(FAR):
        began = Real.monotonic()
        sleeping = asyncio.create_task(SystemClock().sleep(SOON))
        await asyncio.sleep(0)
        with freeze_time("2026-06-01"):
            await sleeping
        assert Real.monotonic() - began >= SOON
    limits.end()


async def test_what_was_limited_while_time_was_frozen_ends_when_it_is_not_any_more() -> None:
    limits = Limits()
    with freeze_time("2026-06-01"):
        limit = limits.limit(SOON)
        limit.__enter__()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.get_running_loop().create_future()
    with pytest.raises(TimeoutError):
        limit.__exit__(asyncio.CancelledError, None, None)


async def test_a_call_that_is_taken_back_is_not_made_on_a_frozen_loop_either() -> None:
    loop, called = asyncio.get_running_loop(), asyncio.Event()
    with freeze_time("2026-06-01"):
        call_at(loop, time_of(loop) + SOON, called.set)()
        await SystemClock().sleep(2 * SOON)
    assert not called.is_set()


def test_a_call_for_a_loop_that_was_closed_is_dropped() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with freeze_time("2026-06-01"):
            call_at(loop, time_of(loop) + SOON, print)

    asyncio.run(main())
    time.sleep(2 * SOON)
