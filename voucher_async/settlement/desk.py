"""The desk of a client: what moves money is run here, outlives its caller, and is settled when it is open."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, TypeVar

from voucher_async.cancelling import cancelled_from_outside
from voucher_async.errors import ConfigurationError, Fate, OutcomeUnknown, VoucherError
from voucher_async.pending import PendingOutcome, Settlement, SettlementState
from voucher_async.settlement.case import Case, Flow
from voucher_async.settlement.rules import obstacle

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from voucher_async.clock import Deadline
    from voucher_async.models import Charge
    from voucher_async.settlement.engine import Engine

__all__ = ["Desk"]

T = TypeVar("T")

_GRACE: Final = 0.5  # seconds


class Desk:
    """One per client.

    Args:
        engine: sends what moves money, and finds out what became of it.
        close_wait: seconds that closing waits for what is under way.
    """

    def __init__(self, engine: Engine, close_wait: float) -> None:
        self.engine = engine
        self._close_wait = close_wait
        self._calls: set[asyncio.Task[Any]] = set()

    @property
    def pending(self) -> tuple[PendingOutcome, ...]:
        """What is open."""
        return self.engine.archive.pending

    async def run(
        self,
        deadline: Deadline,
        work: Callable[[Flow], Awaitable[T]],
        ended: Callable[[object], None] | None = None,
    ) -> T:
        """Run a call in a task of its own, which goes on when its caller is cancelled while money moves.

        Args:
            deadline: when to give up.
            work: the call.
            ended: called when it is over, in whatever way.
        """
        flow = Flow(deadline)
        task = asyncio.create_task(self._work(flow, work))
        flow.task = task
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)
        if ended is not None:
            task.add_done_callback(ended)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not cancelled_from_outside():
                raise self._closed(flow) from None
            self._abandon(flow, task)
            raise

    async def _work(self, flow: Flow, work: Callable[[Flow], Awaitable[T]]) -> T:
        try:
            result = await work(flow)
        except VoucherError as error:
            if flow.abandoned:
                self._tell_hooks(flow, error)
            raise
        if flow.abandoned:
            self._tell_hooks(flow, None)
        return result

    def _abandon(self, flow: Flow, task: asyncio.Task[T]) -> None:
        flow.abandoned = True
        task.add_done_callback(_read)  # nobody else will
        if not flow.begun:
            task.cancel()
        elif not task.done():
            if flow.case is not None:
                flow.case.running = task
                self.engine.archive.open(flow.case)
        elif not task.cancelled():
            self._tell_hooks(flow, task.exception())

    def _tell_hooks(self, flow: Flow, error: BaseException | None) -> None:
        """The call is over and its caller gone: only the hooks are left to be told."""
        for finished in flow.finished:
            if finished.task is None:  # else it is watched for a surplus, and settled then
                self._settled(finished, SettlementState.DONE)
            if error is None:  # else a checkout has refunded it, and told
                self.engine.archive.deliver_later(flow.key, finished.charge)
                self.engine.tell("done", finished, charge=finished.charge)
        case = flow.case
        if case is not None and case.charge is None and isinstance(error, VoucherError):
            self._tell_end(case, error)

    def _tell_end(self, case: Case, error: VoucherError) -> None:
        """What became of the last charge of a call that failed, unless that was told in the background."""
        if case.is_told:
            return
        if not case.doubts or self.engine.archive.settlement(case.pending.id) is not None:
            self._settled(case, SettlementState.NOT_DONE)
            self.engine.tell("not done", case, error=error)
        elif case.task is None:  # else it is told when that one is over
            self.engine.tell("left open", case, error=error)

    def _settled(self, case: Case, state: SettlementState) -> None:
        self.engine.archive.settled(Settlement(pending=case.pending, state=state, charge=case.charge))

    def _closed(self, flow: Flow) -> VoucherError:
        error: VoucherError = ConfigurationError("the client was closed; nothing was sent")
        error.fate = Fate.NOT_SENT
        if flow.begun and flow.case is not None:
            error = OutcomeUnknown(
                "the client was closed before the outcome was known", pending=flow.case.pending
            )
            error.fate = Fate.UNKNOWN
            self.engine.archive.open(flow.case)
        return error

    def recall(self, key: tuple[str, ...]) -> Charge | None:
        """What an earlier payment with the same key has charged without anybody being told.

        Raises:
            OutcomeUnknown: what became of the earlier payment is open.
        """
        case = self.engine.archive.open_payment(key)
        if case is None:
            return self.engine.archive.undelivered(key)
        error = OutcomeUnknown(
            "an earlier payment of the same amount for the same order is open, so this one was not sent: "
            "settle that one first",
            pending=case.pending,
        )
        error.fate = Fate.UNKNOWN
        raise error

    async def settle(self, pending: PendingOutcome, deadline: Deadline) -> Settlement:
        """Find out what became of an open outcome.

        Raises:
            OutcomeUnknown: that cannot be told, or not yet.
        """
        archive = self.engine.archive
        case = archive.case(pending.id)
        if case is not None and case.running is not None:
            await _wait_for(case.running, deadline)
        if archive.settlement(pending.id) is None:
            case = archive.case(pending.id) or self._adopt(pending)
            if case.running is None or case.running.done():
                task = self.engine.watch(case)
                if task is not None:
                    await _wait_for(task, deadline)
        settlement = archive.settlement(pending.id)
        if settlement is None:
            raise _still_open(pending, case)
        if case is not None and case.key is not None:
            archive.undelivered(case.key)  # it is delivered herewith
        return settlement

    def _adopt(self, pending: PendingOutcome) -> Case:
        """Take over an open outcome of another process."""
        # how old it is nobody knows for sure: the date it was sent at comes from a header that a proxy may
        # have written, so the whole window is waited for
        return Case(pending=pending, foreign=True, doubts=pending.sends, last=self.engine.clock.monotonic())

    async def finish(self, wait: float | None = None) -> None:
        """Wait for what is under way, for so many seconds."""
        limit = self._close_wait if wait is None else wait
        tasks = _ours(self._calls | self.engine.watches)
        if tasks and limit > 0:
            await asyncio.wait(tasks, timeout=limit)

    async def end(self) -> tuple[PendingOutcome, ...]:
        """End what is left after the connections were closed, and say what is still open."""
        calls = _ours(self._calls)
        if calls:
            await asyncio.wait(calls, timeout=_GRACE)  # they fail by themselves, and say what is known
        while tasks := _ours(self._calls | self.engine.watches):
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        return self.pending


def _read(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()


def _ours(tasks: set[asyncio.Task[Any]]) -> set[asyncio.Task[Any]]:
    loop = asyncio.get_running_loop()  # tasks of a loop that is gone are gone with it
    return {task for task in tasks if task.get_loop() is loop}


async def _wait_for(task: asyncio.Task[object], deadline: Deadline) -> None:
    """Wait until a task is over, but not for longer than the deadline; the task goes on."""
    await asyncio.wait({task}, timeout=max(deadline.left(), 0.0))


def _still_open(pending: PendingOutcome, case: Case | None) -> OutcomeUnknown:
    reason = obstacle(pending) or (case.reason if case else None)
    error = OutcomeUnknown(f"the outcome of {pending.operation} is still open: {reason}", pending=pending)
    error.fate = Fate.UNKNOWN
    return error
