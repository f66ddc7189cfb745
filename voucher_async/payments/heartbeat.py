"""The heartbeat of an owner, which renews its lease while its calls are under way."""

from __future__ import annotations

import asyncio
import logging
from contextvars import Context
from typing import TYPE_CHECKING, Final

from voucher_async.cancelling import goes_on, quietly
from voucher_async.errors import VoucherError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Heartbeat"]

_logger: Final = logging.getLogger("voucher_async")


class Heartbeat:
    """One per owner. Without it a call that takes longer than a lease would be taken over from a live owner.

    Args:
        beat: renews the lease.
        pause: seconds between two beats.
    """

    def __init__(self, beat: Callable[[], Awaitable[None]], pause: float) -> None:
        self._beat = beat
        self._pause = pause
        self._held: set[str] = set()
        # one timer per event loop: that of a closed or blocked loop never fires
        self._timers: dict[asyncio.AbstractEventLoop, asyncio.TimerHandle] = {}
        self._task: asyncio.Task[None] | None = None
        self._is_over = False

    def hold(self, record_id: str) -> None:
        """Beat from now on: a record is this owner's, and not ended."""
        self._held.add(record_id)
        if asyncio.get_running_loop() not in self._timers and not self._is_over:
            self._timers = {loop: timer for loop, timer in self._timers.items() if not loop.is_closed()}
            self._set_timer()

    def _set_timer(self) -> None:
        loop = asyncio.get_running_loop()
        # the deadline of the call that is first held does not go with it
        self._timers[loop] = loop.call_later(self._pause, self._again, context=Context())

    def release(self, record_id: str) -> None:
        """Beat for a record no longer."""
        self._held.discard(record_id)
        if not self._held:
            self.stop()

    def stop(self) -> None:
        """Beat no longer, whatever is under way."""
        self._held.clear()
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    async def end(self) -> None:
        """Stop for good, and wait for a beat that is under way."""
        self._is_over = True
        self.stop()
        if self._task is not None and goes_on(self._task):
            self._task.cancel()
            await asyncio.wait({self._task})

    def _again(self) -> None:
        self._set_timer()
        if self._task is None or not goes_on(self._task):
            self._task = asyncio.create_task(self._renew())

    async def _renew(self) -> None:
        try:
            await self._beat()
        except VoucherError as error:
            quietly(_logger.warning, "the lease of this process in its journal was not renewed: %s", error)
