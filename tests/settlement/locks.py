"""Voucher locks whose server is slow, or does not answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from voucher_async.checkout import LocalVoucherLock

__all__ = ["SlowToLeave", "Stuck"]


class SlowToLeave:
    """A lock that takes its time to take a turn back, so that things can happen meanwhile.

    Attributes:
        pause: seconds.
        leaving: how many turns were to be given back.
    """

    def __init__(self, pause: float) -> None:
        self.pause = pause
        self.leaving = 0
        self._lock = LocalVoucherLock()

    @contextlib.asynccontextmanager
    async def hold(self, key: str) -> AsyncIterator[None]:
        async with self._lock.hold(key):
            try:
                yield
            finally:
                self.leaving += 1
                await asyncio.sleep(self.pause)


class Stuck:
    """A lock that gives no turn.

    Attributes:
        waiting: how many wait for one.
    """

    def __init__(self) -> None:
        self.waiting = 0

    @contextlib.asynccontextmanager
    async def hold(self, key: str) -> AsyncIterator[None]:
        self.waiting += 1
        await asyncio.sleep(60)
        yield
