"""The heart of an owner: it renews the lease while calls of this owner are under way."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from voucher_async.cancelling import goes_on, quietly
from voucher_async.errors import VoucherError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Heartbeat"]

_logger: Final = logging.getLogger("voucher_async")


class Heartbeat:
    """One per owner. A call that takes longer than a lease would be taken over from an owner that lives.

    Args:
        beat: renews the lease.
        pause: seconds between two beats.
    """

    def __init__(self, beat: Callable[[], Awaitable[None]], pause: float) -> None:
        self._beat = beat
        self._pause = pause
        self._held: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_over = False

    def hold(self, record_id: str) -> None:
        """Beat from now on: a record is this owner's, and not ended."""
        self._held.add(record_id)
        if self._timer is None and not self._is_over:
            self._timer = asyncio.get_running_loop().call_later(self._pause, self._again)

    def release(self, record_id: str) -> None:
        """Beat for a record no longer."""
        self._held.discard(record_id)
        if not self._held:
            self.stop()

    def stop(self) -> None:
        """Beat no longer, whatever is under way."""
        self._held.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def end(self) -> None:
        """Stop for good, and wait for a beat that is under way."""
        self._is_over = True
        self.stop()
        if self._task is not None and goes_on(self._task):
            self._task.cancel()
            await asyncio.wait({self._task})

    def _again(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._pause, self._again)
        if self._task is None or not goes_on(self._task):
            self._task = asyncio.create_task(self._renew())

    async def _renew(self) -> None:
        try:
            await self._beat()
        except VoucherError as error:
            quietly(_logger.warning, "the lease of this process in its journal was not renewed: %s", error)
