"""Waiting until nothing is left to do: what a moment is on a machine of any speed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from voucher_async.clock import ManualClock

__all__ = ["cleaning_up", "idle", "passing"]

STEP: Final = 0.05  # seconds the clock moves at once
MOST: Final = 20  # steps in a row: what waits for real time has a time limit on the clock


async def idle() -> None:
    """Wait until everybody waits, for time or for somebody else."""
    ready: Any = vars(asyncio.get_running_loop())["_ready"]
    turns = 0
    # what arrives on a socket needs a turn to be seen, and may send something on another
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
                break  # before somebody wakes up nothing else can happen


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
