"""Turns of calls that would look alike in a list of charges: one is sent after the other."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from typing import TYPE_CHECKING, Any

from voucher_async.calls import WaitedFor
from voucher_async.cancelling import WAITS, goes_on
from voucher_async.errors import CallTimeout, Fate
from voucher_async.payments.registry import look_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from voucher_async.clock import Deadline
    from voucher_async.payments.money_call import MoneyCall
    from voucher_async.payments.registry import Registry

__all__ = ["EqualCalls"]


class EqualCalls:
    """One per client.

    Args:
        registry: knows what is open.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._locks: weakref.WeakValueDictionary[tuple[object, ...], asyncio.Lock] = (
            weakref.WeakValueDictionary()
        )

    @contextlib.asynccontextmanager
    async def turn(self, money_call: MoneyCall, deadline: Deadline) -> AsyncGenerator[None]:
        """Wait until no call that looks the same is under way, or open and being settled.

        Were two of them in doubt at once, and one was carried out, nothing could tell which. One that was
        left open for good is not waited for.

        Raises:
            CallTimeout: the deadline passed before; nothing was sent.
        """
        key = look_of(money_call.pending)
        if money_call.pending.voucher_id is None:
            key = (*key, money_call.pending.charge_id)
        # one lock per event loop: a lock held on a closed loop would never be released
        lock = self._locks.setdefault((asyncio.get_running_loop(), *key), asyncio.Lock())
        is_free = not lock.locked() and not self._looked_after(money_call)
        with contextlib.nullcontext() if is_free else WaitedFor("equal call"):
            await self._take(lock, money_call, deadline)
        try:
            yield
        finally:
            lock.release()

    async def _take(self, lock: asyncio.Lock, money_call: MoneyCall, deadline: Deadline) -> None:
        try:
            with WAITS.limit(deadline.left()):
                await lock.acquire()
        except TimeoutError:
            raise _gave_up(deadline) from None
        try:
            await self._wait_for_open_ones(money_call, deadline)
        except BaseException:
            lock.release()
            raise

    async def _wait_for_open_ones(self, money_call: MoneyCall, deadline: Deadline) -> None:
        while tasks := self._looked_after(money_call):
            if deadline.left() <= 0:
                raise _gave_up(deadline)
            await asyncio.wait(tasks, timeout=deadline.left())

    def _looked_after(self, money_call: MoneyCall) -> set[asyncio.Task[Any]]:
        tasks = (rival.task for rival in self._registry.open_rivals(money_call))
        return {task for task in tasks if task is not None and goes_on(task)}


def _gave_up(deadline: Deadline) -> CallTimeout:
    text = f"gave up after {deadline.total:g} s: an equal call is under way or open; nothing was sent"
    return CallTimeout(text, fate=Fate.NOT_SENT)
