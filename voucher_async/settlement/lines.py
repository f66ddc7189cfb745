"""Waiting in line: what would look alike in a list of charges is sent one after the other."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from typing import TYPE_CHECKING, Any

from voucher_async.cancelling import WAITS, goes_on
from voucher_async.errors import CallTimeout, Fate
from voucher_async.settlement.archive import look_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from voucher_async.clock import Deadline
    from voucher_async.settlement.archive import Archive
    from voucher_async.settlement.case import Case

__all__ = ["Lines"]


class Lines:
    """One per client.

    Args:
        archive: knows what is open.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._locks: weakref.WeakValueDictionary[tuple[object, ...], asyncio.Lock] = (
            weakref.WeakValueDictionary()
        )

    @contextlib.asynccontextmanager
    async def turn(self, case: Case, deadline: Deadline) -> AsyncGenerator[None]:
        """Wait until no call that looks the same is under way, or open and being looked after.

        Were two of them in doubt at once, and one was carried out, nothing could tell which. One that was
        left open for good is not waited for.

        Raises:
            CallTimeout: the deadline passed before; nothing was sent.
        """
        key = look_of(case.pending)
        if case.pending.voucher_id is None:
            key = (*key, case.pending.charge_id)
        # a lock belongs to one event loop: whoever holds one on a loop that is gone holds nothing here
        lock = self._locks.setdefault((asyncio.get_running_loop(), *key), asyncio.Lock())
        try:
            with WAITS.limit(deadline.left()):
                await lock.acquire()
        except TimeoutError:
            raise _gave_up(deadline) from None
        try:
            await self._wait_for_open_ones(case, deadline)
            yield
        finally:
            lock.release()

    async def _wait_for_open_ones(self, case: Case, deadline: Deadline) -> None:
        while tasks := self._looked_after(case):
            if deadline.left() <= 0:
                raise _gave_up(deadline)
            await asyncio.wait(tasks, timeout=deadline.left())

    def _looked_after(self, case: Case) -> set[asyncio.Task[Any]]:
        tasks = (rival.task for rival in self._archive.open_rivals(case))
        return {task for task in tasks if task is not None and goes_on(task)}


def _gave_up(deadline: Deadline) -> CallTimeout:
    text = f"gave up after {deadline.total:g} s: an equal call is under way or open; nothing was sent"
    return CallTimeout(text, fate=Fate.NOT_SENT)
