"""One request for a token, and those who wait for it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from voucher_async.auth.token import Token
    from voucher_async.errors import VoucherError

__all__ = ["Flight"]

_COMPLAIN: Final = "_log_destroy_pending"


class Flight:
    """One request for a token, on the event loop it was started on.

    Waiters hold a future of their own: cancelling one touches neither the request nor another waiter, and
    costs the same however many wait. `asyncio.shield` walks the list of all waiters for each one that is
    cancelled, and leaves something behind for each (https://github.com/python/cpython/issues/155143).

    Args:
        background: whether it is started while the old token is still good.

    Attributes:
        loop: the event loop it belongs to.
        background: whether everybody goes on with the old token; False as soon as somebody waits.
        asked: when the token endpoint was asked, in monotonic seconds; None before that.
        token: what it gave; there before it is over.
        error: why it failed.
    """

    __slots__ = ("_ended", "_task", "_waiters", "_work", "asked", "background", "error", "loop", "token")

    def __init__(self, *, background: bool) -> None:
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self.background: bool = background
        self.asked: float | None = None
        self.token: Token | None = None
        self.error: VoucherError | None = None
        self._work: Coroutine[Any, Any, None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._waiters: set[asyncio.Future[None]] = set()
        self._ended = False

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin.

        Args:
            work: sets `token` or `error`, and raises nothing but CancelledError.
        """
        self._work = work
        self._task = self.loop.create_task(work, name="voucher-token")
        self._task.add_done_callback(self._end)

    @property
    def done(self) -> bool:
        """True when it is over, by success, failure or cancellation."""
        return self._task is not None and self._task.done()

    def land(self, token: Token) -> None:
        """Give a token to those who wait for it; what there is to do still is done without them."""
        self.token = token
        self._wake()

    async def wait(self) -> None:
        """Wait until there is a token, or, where there is one, until it is over."""
        self.background = False
        if self._ended:
            return
        waiter = self.loop.create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)

    async def wait_for_end(self) -> None:
        """Wait until it is over."""
        while not self._ended:
            await self.wait()

    def _end(self, task: asyncio.Task[None]) -> None:
        self._ended = True
        self._work = None
        if not task.cancelled():
            task.exception()  # or asyncio logs it; SystemExit and KeyboardInterrupt reach the loop anyway
        self._wake()

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    def cancel(self) -> None:
        """Cancel it, from any thread and any event loop."""
        task, work = self._task, self._work
        if task is None or work is None or task.done():
            return
        if self.loop.is_closed():
            self._bury(task, work)
        elif self.loop.is_running():
            self.loop.call_soon_threadsafe(task.cancel)
        else:
            task.cancel()

    @staticmethod
    def _bury(task: asyncio.Task[None], work: Coroutine[Any, Any, None]) -> None:
        """End a task whose event loop was closed under it: it can neither run nor be cancelled any more."""
        # a coroutine that awaits while it unwinds raises here, and no caller is left to receive that
        with contextlib.suppress(Exception):
            work.close()
        # asyncio logs a pending task that is deleted, and has no public switch against that
        setattr(task, _COMPLAIN, False)
