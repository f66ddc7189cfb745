"""The heart of an owner beats on whichever event loop its calls run."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import Any

import attrs

from tests.virtual import VirtualClock, VirtualLoop
from voucher_async.payments.heartbeat import Heartbeat

PAUSE = 5.0


@attrs.define
class Beats:
    """A heart, and when it beat."""

    clock: VirtualClock = attrs.Factory(VirtualClock)
    at: list[float] = attrs.Factory(list[float])
    heart: Heartbeat = attrs.field(init=False)
    hangs: bool = False

    def __attrs_post_init__(self) -> None:
        self.heart = Heartbeat(self.beat, PAUSE)

    async def beat(self) -> None:
        self.at.append(self.clock.monotonic())
        if self.hangs:
            await asyncio.Event().wait()

    def on_a_loop(self, work: Callable[[], Coroutine[Any, Any, object]]) -> VirtualLoop:
        """Run something on a loop of its own, which is not closed."""
        loop = VirtualLoop(self.clock)
        loop.run_until_complete(work())
        return loop

    def since(self, moment: float) -> list[float]:
        return [at - moment for at in self.at if at > moment]


async def hold(beats: Beats, record_id: str, seconds: float) -> None:
    beats.heart.hold(record_id)
    await asyncio.sleep(seconds)


def test_it_beats_on_the_next_loop_when_one_is_closed() -> None:
    beats = Beats()
    beats.on_a_loop(lambda: hold(beats, "a", 1.0)).close()
    began = beats.clock.monotonic()
    loop = beats.on_a_loop(lambda: hold(beats, "b", 11.0))
    assert beats.since(began) == [PAUSE, 2 * PAUSE]
    beats.heart.stop()
    loop.close()


def test_it_beats_on_the_next_loop_when_one_stands_still_and_goes_on_with_that_one() -> None:
    beats = Beats()
    first = beats.on_a_loop(lambda: hold(beats, "a", 1.0))
    second = beats.on_a_loop(lambda: hold(beats, "b", 6.0))
    assert len(beats.at) == 1
    beats.heart.release("b")
    first.run_until_complete(asyncio.sleep(20.0))
    assert len(beats.at) >= 4  # the call on the first loop is still under way
    second.close()
    beats.heart.release("a")
    ended = len(beats.at)
    first.run_until_complete(asyncio.sleep(20.0))
    assert len(beats.at) == ended
    first.close()


def test_a_beat_that_is_stuck_on_a_closed_loop_keeps_no_other_from_being_made() -> None:
    beats = Beats(hangs=True)
    beats.on_a_loop(lambda: hold(beats, "a", 6.0)).close()
    beats.hangs = False
    began = beats.clock.monotonic()

    async def hold_and_end() -> None:
        await hold(beats, "b", 11.0)
        await beats.heart.end()
        await asyncio.sleep(20.0)

    beats.on_a_loop(hold_and_end).close()
    assert beats.since(began) == [PAUSE, 2 * PAUSE]
    gc.collect()


def test_closed_loops_are_not_kept() -> None:
    beats = Beats()
    loops = [beats.on_a_loop(lambda: hold(beats, "a", 1.0)) for _ in range(3)]
    for each in loops:
        each.close()
    last = beats.on_a_loop(lambda: hold(beats, "a", 1.0))
    assert set(beats.heart._timers) == {last}
    beats.heart.stop()
    last.close()
