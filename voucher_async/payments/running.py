"""One call in a task of its own, and its callers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

from voucher_async.errors import ConfigurationError, Fate, Proof, VoucherError
from voucher_async.outcomes import OutcomeUnknown, StillRunning

if TYPE_CHECKING:
    from voucher_async.clock import Deadline
    from voucher_async.payments.money_call import CallContext

__all__ = ["Running", "closed", "ended_by_closing", "goes_on_for_others"]

T = TypeVar("T")


class _Waiter:
    """One caller."""

    __slots__ = ("deadline", "timer", "woken")

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self.timer: asyncio.TimerHandle | None = None
        self.woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def wake(self) -> None:
        if not self.woken.done():
            self.woken.set_result(None)

    def wake_in_time(self) -> None:
        """Wake at its own deadline: the call may go on for others."""
        if self.timer is None:
            left = max(self.deadline.left(), 0.0)
            self.timer = self.woken.get_loop().call_later(left, self.wake)


class Running(Generic[T]):
    """One call under way. It runs until the latest deadline of its callers; each of them leaves at its own.

    Args:
        context: the call.
        task: its task.

    Attributes:
        context: the call.
        task: its task.
        told: a caller has got its result.
    """

    __slots__ = ("_waiters", "context", "task", "told")

    def __init__(self, context: CallContext, task: asyncio.Task[T]) -> None:
        self.context: CallContext = context
        self.task: asyncio.Task[T] = task
        self.told: bool = False
        self._waiters: list[_Waiter] = []

    @property
    def is_waited_for(self) -> bool:
        """True while a caller waits for it."""
        return bool(self._waiters)

    async def wait(self, deadline: Deadline) -> bool:
        """Wait until it is over, or until this caller's deadline has passed while others wait on.

        Returns:
            Whether it is over.
        """
        waiter = self._join(deadline)
        try:
            if not self.task.done():
                await waiter.woken
        finally:
            self._waiters.remove(waiter)
            if waiter.timer is not None:
                waiter.timer.cancel()
        return self.task.done()

    def _join(self, deadline: Deadline) -> _Waiter:
        waiter = _Waiter(deadline)
        latest = self.context.deadline
        if latest.is_before(deadline):
            for earlier in self._waiters:
                earlier.wake_in_time()
            latest.extend(deadline)
        elif deadline.is_before(latest):
            waiter.wake_in_time()
        self._waiters.append(waiter)
        return waiter

    def over(self) -> None:
        """Wake its callers."""
        for waiter in self._waiters:
            waiter.wake()


def closed(*, is_alone: bool) -> ConfigurationError:
    """The error for a call that begins on a client that was closed.

    Args:
        is_alone: as of `CallContext`; False proves nothing, as another call may have moved the money.
    """
    error = ConfigurationError("the client was closed; nothing was sent")
    error.fate, error.proof = Fate.NOT_SENT, Proof.NOT_SENT if is_alone else None
    return error


def ended_by_closing(context: CallContext) -> VoucherError:
    """The error for a call that was ended as its client was closed."""
    if context.begun and context.money_call is not None:
        return OutcomeUnknown(
            "the client was closed before the outcome was known", pending=context.money_call.pending
        )
    return closed(is_alone=context.is_alone)


def goes_on_for_others(context: CallContext) -> StillRunning:
    """The error for a caller whose time is up while others wait on for the same call."""
    return StillRunning(
        "the call is still under way for another caller: ask again, with the same idempotency key",
        pending=context.handed_out(),
    )
