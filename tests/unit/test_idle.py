"""Time passes in steps: whoever sleeps wakes up at his own, and what waits for the clock at its own."""

from __future__ import annotations

import asyncio

import pytest

from tests.idle import MOST, STEP, passing
from voucher_async import ManualClock


async def test_everybody_wakes_up_at_the_first_step_that_is_late_enough() -> None:
    clock, woken = ManualClock(), list[float]()

    async def sleeper(*seconds: float) -> None:
        for each in seconds:
            await clock.sleep(each)
            woken.append(clock.monotonic())

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(sleeper(0.12, 0.5, 40.0))
        last = group.create_task(sleeper(0.7, 99.0))
        await passing(clock, last.done)
    assert woken == [pytest.approx(each, abs=1.01 * STEP) for each in (0.15, 0.65, 0.7, 40.65, 99.7)]


@pytest.mark.parametrize("asleep", [False, True])
async def test_a_moment_of_the_clock_is_not_missed(*, asleep: bool) -> None:
    clock = ManualClock()
    sleeper = asyncio.create_task(clock.sleep(60.0)) if asleep else None
    await passing(clock, lambda: clock.monotonic() >= 8.0)
    assert 8.0 <= clock.monotonic() < 8.0 + STEP
    if sleeper:
        sleeper.cancel()


async def test_what_waits_for_real_time_is_not_late_for_a_far_limit() -> None:
    clock = ManualClock()
    limit = asyncio.create_task(clock.sleep(3600.0))
    turns = 0

    async def real() -> None:
        nonlocal turns
        for turns in range(1, 6):  # noqa: B007 - as many turns of the loop as a socket may need
            await asyncio.sleep(0)

    await passing(clock, asyncio.create_task(real()).done)
    assert turns == 5
    assert clock.monotonic() <= MOST * STEP + STEP
    limit.cancel()
