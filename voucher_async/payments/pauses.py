"""Pauses between two looks, which end at once when the client is closed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from voucher_async.clock import Clock, Deadline

__all__ = ["Pauses", "growing"]

_FIRST: Final = 0.25


class Pauses:
    """One per client.

    Args:
        clock: measures them.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ended = False
        self._sleeping: set[asyncio.Task[None]] = set()

    @property
    def are_over(self) -> bool:
        """True when the client was closed, so that pauses end at once."""
        return self._ended

    async def wait(self, seconds: float) -> None:
        """Wait so many seconds, or until the client is closed."""
        if self._ended:
            return
        sleep = asyncio.create_task(self._sleep(seconds))
        self._sleeping.add(sleep)
        try:
            await asyncio.wait({sleep})
        finally:
            self._sleeping.discard(sleep)
            sleep.cancel()

    async def wait_within(self, seconds: float, deadline: Deadline) -> None:
        """Wait so many seconds, but not beyond a deadline."""
        await self.wait(min(seconds, max(deadline.left(), 0.0)))

    async def _sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)

    def end(self) -> None:
        """End all pauses, and any that begins later."""
        self._ended = True
        loop = asyncio.get_running_loop()
        for sleep in [sleep for sleep in self._sleeping if sleep.get_loop() is loop]:
            sleep.cancel()


def growing(longest: float) -> Iterator[float]:
    """Pauses in seconds: a quarter of a second, then twice as long each time, up to the longest."""
    pause = _FIRST
    while True:
        yield pause
        pause = min(pause * 2, longest)
