"""Ends of the calendar, machines that sleep, and cancellation wherever a watch waits."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any, TypeVar

import pytest

from tests.watching.world import START, World, run
from voucher_async import ChargeCursor, InvalidInput
from voucher_async.clock import Deadline
from voucher_async.facts import Answer
from voucher_async.sansio import Request
from voucher_async.testing import habits
from voucher_async.watching.options import cursor_of

T = TypeVar("T")

WEST = dt.timezone(dt.timedelta(hours=-5))
EAST = dt.timezone(dt.timedelta(hours=1))


class SlowWorld(World):
    """Each request waits twice, so that a task can be cancelled before it is answered, and after."""

    async def send(self, request: Request[T], deadline: Deadline) -> Answer[T]:
        await asyncio.sleep(0)
        answer = await super().send(request, deadline)
        await asyncio.sleep(0)
        return answer


def test_cancelled_anywhere_and_gone_on_with_each_entry_comes_once() -> None:
    async def cancel_after(ticks: int) -> bool:
        world = SlowWorld(max_per_page=2)
        for number in range(2):
            world.emulator.add_voucher(amount="50.00", id=f"V-{number}")
            world.move(f"V-{number}")
            world.move(f"V-{number}", "refund")
        watch = world.watch(START, interval=1.0, sweep_every=3.0)
        given: list[str] = []
        waiting = asyncio.ensure_future(_take(watch, given))
        for _ in range(ticks):
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        world.move("V-0", "recharge")
        rest = ChargeCursor.from_json(watch.cursor.to_json())
        after = [new.charge.id async for new in world.watch(rest, follow=False)]
        await _take(watch, given, 5)
        assert given == list(dict.fromkeys(given))
        assert sorted(given) == sorted(world.made)
        assert set(after) <= set(world.made)
        return waiting.cancelled()

    async def everywhere() -> None:
        assert all([await cancel_after(ticks) for ticks in range(32)])

    run(everywhere())


async def _take(watch: Any, given: list[str], enough: int = 10**9) -> None:
    while len(given) < enough:
        given.append((await anext(watch)).charge.id)


def test_what_moved_while_the_machine_slept_is_not_passed_over() -> None:
    world = World()
    for number in range(2):
        world.emulator.add_voucher(amount="50.00", id=f"V-{number}")
        world.move(f"V-{number}")
    asked = 0

    def sleep_within_the_sweep() -> None:
        nonlocal asked
        if world.asked.count("listCharges") == 1 and not asked:
            asked = 1
            world.clock._start += dt.timedelta(minutes=10)  # the monotonic clock stands still
            world.move("V-0")  # whose list was read before
            world.clock._start += dt.timedelta(minutes=20)

    async def tell() -> list[str]:
        world.before = sleep_within_the_sweep
        watch = world.watch(START, overlap=60.0, follow=False)
        given = [new.charge.id async for new in watch]
        return given + [new.charge.id async for new in world.watch(watch.cursor, follow=False)]

    assert sorted(run(tell())) == sorted(world.made)
    assert asked


async def test_a_watch_since_the_beginning_of_time() -> None:
    world = World()
    voucher = world.emulator.add_voucher(amount="50.00")
    world.emulator.habits.set(**habits.KINDS["totals too high"])  # so its cursor stays where it is
    watch = world.watch(dt.datetime.min.replace(tzinfo=dt.UTC), voucher_ids=(voucher.id,), interval=1.0)
    for _ in range(2):
        world.move(voucher.id)
        assert (await anext(watch)).charge.id == world.made[-1]


@pytest.mark.parametrize(
    "since", [dt.datetime.min.replace(tzinfo=EAST), dt.datetime.max.replace(tzinfo=WEST)]
)
def test_a_time_that_utc_lacks(since: dt.datetime) -> None:
    with pytest.raises(InvalidInput, match="exists in UTC"):
        cursor_of(since)
