"""Cancellation: who cancelled whom, and doing it when time is up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Awaitable

__all__ = ["cancelled_from_outside", "within"]

T = TypeVar("T")


def cancelled_from_outside() -> bool:
    """Whether somebody cancelled the running task; False when a CancelledError came up from within it."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class _Strike:
    """Cancels a task when it is called."""

    __slots__ = ("_task", "struck")

    def __init__(self, task: asyncio.Task[object]) -> None:
        self._task = task
        self.struck = False

    def __call__(self) -> None:
        self.struck = True
        self._task.cancel()


async def within(seconds: float, work: Awaitable[T]) -> T:
    """Await something, for no longer than so many seconds.

    What `asyncio.timeout` does, at half its price: it is around every call.

    Raises:
        TimeoutError: the time is up; what was awaited was cancelled.
    """
    task = cast("asyncio.Task[object]", asyncio.current_task())
    strike = _Strike(task)
    cancelling = task.cancelling()
    timer = asyncio.get_running_loop().call_later(seconds, strike)
    try:
        return await work
    except asyncio.CancelledError:
        if strike.struck and task.uncancel() <= cancelling:
            strike.struck = False
            raise TimeoutError from None
        strike.struck = False
        raise
    finally:
        timer.cancel()
        if strike.struck:
            task.uncancel()  # it ended in another way, with the cancellation under way
