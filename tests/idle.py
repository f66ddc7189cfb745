"""Waiting until nothing is left to do: what a moment is on a machine of any speed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from voucher_async.clock import ManualClock
from voucher_async.testing import VoucherEmulator

__all__ = ["Timed", "cleaning_up", "idle", "passing", "until_injected"]

T = TypeVar("T")

STEP: Final = 0.05  # seconds by which the clock moves in one step
MOST: Final = 20  # steps in a row without any effect; a wait for real time has its limit on this clock


async def idle() -> None:
    """Wait until everybody waits, for time or for somebody else."""
    ready: Any = vars(asyncio.get_running_loop())["_ready"]
    turns = 0
    # bytes on a socket are read a turn later, and may cause more on another
    while turns < 3:
        await asyncio.sleep(0)
        turns = 0 if ready else turns + 1


async def passing(clock: ManualClock, moment: Callable[[], object]) -> None:
    """Let time pass until something is the case, whenever all is done that can be: also on a slow machine."""
    sleepers = clock._sleepers
    while not moment():
        await idle()
        asleep = len(sleepers)
        for _ in range(MOST if sleepers else 1):
            clock.advance(STEP)
            if len(sleepers) < asleep or moment():
                break  # the clock has nobody to wake: nothing else can happen


class Timed:
    """What has a clock, which runs while something is awaited."""

    __slots__ = ()
    clock: ManualClock

    async def during(self, work: Coroutine[Any, Any, T]) -> T:
        """Let time pass until something is over."""
        task = asyncio.create_task(work)
        await self.until(task.done)
        return await task

    async def until(self, moment: Callable[[], object]) -> None:
        """Let time pass until something is the case."""
        async with asyncio.timeout(60):
            await passing(self.clock, moment)

    async def passes(self, seconds: float) -> None:
        """Let time pass."""
        await self.during(self.clock.sleep(seconds))


async def cleaning_up(call: Callable[[], Coroutine[Any, Any, object]]) -> asyncio.Task[None]:
    """A task that was cancelled, and makes a call before it ends."""

    async def clean_up() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await call()

    task = asyncio.create_task(clean_up())
    await idle()
    task.cancel()
    return task


async def until_injected(emulator: VoucherEmulator) -> None:
    """Let a request go on until it has met the first fault."""
    async with asyncio.timeout(30):
        while not emulator.faults.injected:
            await asyncio.sleep(0)
