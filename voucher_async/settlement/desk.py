"""The desk of a client: money calls run here, outlive their callers, and are settled when they are open."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, TypeVar

from voucher_async.cancelling import goes_on
from voucher_async.errors import (
    CheckoutFailed,
    ConfigurationError,
    Fate,
    OutcomeUnknown,
    Proof,
    StillRunning,
    VoucherError,
)
from voucher_async.forks import keep, renew_in_children
from voucher_async.payments.evidence import obstacle
from voucher_async.pending import PendingOutcome, Settlement, SettlementState
from voucher_async.realtime import time_of
from voucher_async.settlement.by_record import by_record
from voucher_async.settlement.case import Case, Flow
from voucher_async.settlement.lines import Lines
from voucher_async.settlement.running import Running

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from voucher_async.clock import Deadline
    from voucher_async.models import Charge
    from voucher_async.settlement.engine import Engine
    from voucher_async.settlement.recording import Recorder

__all__ = ["Desk"]

T = TypeVar("T")

_GRACE: Final = 0.5  # seconds in which at least one call ends by itself


class Desk:
    """One per client.

    Args:
        engine: sends what moves money, and finds out what became of it.
        close_wait: seconds that closing waits for what is under way.
    """

    def __init__(self, engine: Engine, close_wait: float) -> None:
        self.engine = engine
        self._close_wait = close_wait
        self._calls: dict[asyncio.Task[Any], Flow] = {}
        self._closed = False
        renew_in_children(self)

    def after_fork(self) -> None:
        """Leave what is open or under way to the parent; in the child it is looked at when asked for."""
        engine = self.engine
        keep(self._calls, engine.watches)
        self._calls, engine.watches, engine.lines = {}, set(), Lines(engine.archive)
        for case in engine.archive.inherit():
            inherited = self._adopt(case.pending)
            inherited.key = case.key
            engine.archive.open(inherited)

    @property
    def pending(self) -> tuple[PendingOutcome, ...]:
        """What is open."""
        return self.engine.archive.pending

    async def run(
        self,
        flow: Flow,
        work: Callable[[Flow], Awaitable[T]],
        ended: Callable[[object], None] | None = None,
    ) -> T:
        """Run a call in a task of its own, which goes on when its caller is cancelled while money moves.

        Args:
            flow: what is known of it while it runs.
            work: the call.
            ended: called when it is over, in whatever way.
        """
        try:
            await self.check_open()
        except BaseException:
            if ended is not None:
                ended(None)
            raise
        running = self.begin(flow, work)
        if ended is not None:
            running.task.add_done_callback(ended)
        return await self.wait(running, flow.deadline)

    async def check_open(self) -> None:
        """Refuse to begin anything once the client was closed.

        Raises:
            ConfigurationError: it was closed; nothing was sent.
        """
        if self._closed:
            await asyncio.sleep(0)  # who tries again and again lets the others end
            raise _closed()

    def begin(self, flow: Flow, work: Callable[[Flow], Awaitable[T]]) -> Running[T]:
        """Begin a call in a task of its own.

        Args:
            flow: what is known of it while it runs.
            work: the call.
        """
        task = asyncio.create_task(self._work(flow, work))
        self._calls[task] = flow
        task.add_done_callback(self._calls.pop)
        return Running(flow, task)

    async def wait(self, running: Running[T], deadline: Deadline) -> T:
        """Wait for a call; it goes on when the last of its callers is cancelled while money moves.

        Args:
            running: the call.
            deadline: this caller's own.

        Raises:
            StillRunning: this caller's deadline passed; others wait on.
        """
        flow, task = running.flow, running.task
        try:
            is_over = await running.wait(deadline)
        except BaseException:  # cancelled, or interrupted from outside the loop
            if not running.is_waited_for:
                self._abandon(flow, task)
            raise
        if not is_over:
            if not running.is_waited_for:  # whoever had more time has left before
                self._abandon(flow, task)
            raise _goes_on(flow)
        if task.cancelled():
            raise _cut_off(flow)
        result = task.result()
        if flow.recalled is not None:
            self.engine.archive.delivered(flow.recalled.id)
        return result

    async def _work(self, flow: Flow, work: Callable[[Flow], Awaitable[T]]) -> T:
        try:
            result = await work(flow)
        except VoucherError as error:
            if flow.abandoned:
                self._tell_hooks(flow, error)
            raise
        except asyncio.CancelledError:
            if not flow.undoing:  # the client was closed, or the loop ends
                self._tell_finished(flow)
            raise
        if flow.abandoned:
            self._tell_hooks(flow, None)
        return result

    def _abandon(self, flow: Flow, task: asyncio.Task[T]) -> None:
        flow.abandoned = True
        if task.get_loop().is_closed():
            self.engine.open_what_was_cut_off()
            return
        task.add_done_callback(_read)  # or asyncio logs its exception as never retrieved
        if not flow.begun:
            task.cancel()
        elif not task.done():
            case = flow.case
            if case is not None and self.engine.archive.under_way(case.pending.id) is not None:
                case.running = task
                self.engine.archive.open(case)
        elif not task.cancelled():
            self._tell_hooks(flow, task.exception())

    def _tell_hooks(self, flow: Flow, error: BaseException | None) -> None:
        """The call is over and its caller gone: only the hooks are left to be told."""
        if error is None:
            self._tell_finished(flow)
        else:
            for finished in flow.finished:  # a checkout has refunded it, and told
                self._done(finished)
        case = flow.case
        if case is not None and case.charge is None and isinstance(error, VoucherError):
            # the error of a checkout is about all its vouchers, its cause about the one that failed
            cause = error.__cause__ if isinstance(error, CheckoutFailed) else error
            self._tell_end(case, cause if isinstance(cause, VoucherError) else error)

    def _tell_finished(self, flow: Flow) -> None:
        """What was carried out stands, and its caller will not be told."""
        for finished in flow.finished:
            self._done(finished)
            self.engine.archive.deliver_later(flow.key, finished.charge)
            self.engine.report.done(finished, finished.charge)

    def _tell_end(self, case: Case, error: VoucherError) -> None:
        """What became of the last charge of a call that failed; what was told before is not told again."""
        report = self.engine.report
        settlement = self.engine.archive.settlement(case.pending.id)
        if settlement is not None:
            report.ended(case, settlement, error)
        elif error.proof is not None:
            self._not_done(case, error.proof)
            report.not_done(case, error.proof, error)
        elif case.task is None:  # else it is told when that one is over
            report.left_open(case, error)

    def _done(self, case: Case) -> None:
        """Note that a call was carried out, unless it may have a surplus: whoever looks for that does."""
        if case.effects <= 1:
            state = SettlementState.DONE
            self.engine.archive.settled(Settlement(pending=case.pending, state=state, charge=case.charge))

    def _not_done(self, case: Case, proof: Proof) -> None:
        state = SettlementState.NOT_DONE
        self.engine.archive.settled(Settlement(pending=case.pending, state=state, proof=proof))

    async def settle_earlier(self, flow: Flow) -> None:
        """Look once more after an earlier payment with the same key that nobody looks after any more."""
        self.engine.open_what_was_cut_off()
        case = self.engine.archive.open_payment(flow.key or ())
        if case is None or (case.running is not None and goes_on(case.running)):
            return
        if case.task is None or not goes_on(case.task):
            await _wait_for((self.engine.watch(case),), flow.deadline)

    def recall(self, flow: Flow) -> Charge | None:
        """What an earlier payment with the same key has charged without anybody being told.

        Raises:
            OutcomeUnknown: what became of the earlier payment is open.
        """
        key = flow.key or ()
        case = self.engine.archive.open_payment(key)
        if case is None:
            flow.recalled = self.engine.archive.undelivered(key)
            return flow.recalled
        raise OutcomeUnknown(
            "an earlier payment of the same amount for the same order is open, so this one was not sent: "
            "settle that one first",
            pending=case.pending,
        )

    async def settle(
        self, pending: PendingOutcome, deadline: Deadline, recorder: Recorder | None = None
    ) -> Settlement:
        """Find out what became of an open outcome.

        Args:
            pending: the outcome.
            deadline: when to give up waiting; it is looked after all the same.
            recorder: writes its record, where it is another process's.

        Raises:
            ConfigurationError: it belongs to another environment, or to another client.
            OutcomeUnknown: that cannot be told, or not yet.
        """
        pending.check_place(self.engine.settings.base_url, self.engine.settings.client_id)
        archive = self.engine.archive
        self.engine.open_what_was_cut_off()
        case = archive.under_way(pending.id) or archive.case(pending.id)
        if case is not None:
            await _wait_for((case.over, case.running), deadline)
        if recorder is None and not archive.knows(pending.id):
            told = await by_record(self.engine.ownership, pending, deadline, self.engine.pauses)
            if isinstance(told, Settlement):
                return told
            pending = told
        if archive.settlement(pending.id) is None and archive.under_way(pending.id) is None:
            case = archive.case(pending.id) or self._adopt(pending, recorder)
            if case.running is None or not goes_on(case.running):
                await _wait_for((self.engine.watch(case),), deadline)
        settlement = archive.settlement(pending.id)
        if settlement is None:
            raise self._still_open(pending, case)
        if settlement.charge is not None:
            archive.delivered(settlement.charge.id)
        return settlement

    def _still_open(self, pending: PendingOutcome, case: Case | None) -> OutcomeUnknown:
        reason = obstacle(pending) or (case.reason if case else None)
        if self.engine.archive.under_way(pending.id) is not None:
            reason = "its call is under way"
        return OutcomeUnknown(f"the outcome of {pending.operation} is still open: {reason}", pending=pending)

    def forget(self, pending: PendingOutcome) -> None:
        """Keep an open outcome no longer: somebody knows by other means, or does not care."""
        case = self.engine.archive.close(pending.id)
        if case is not None and case.task is not None:
            case.task.cancel()

    def resolved(self, settlement: Settlement) -> None:
        """Take an operator's word for what became of an open outcome."""
        archive = self.engine.archive
        case = archive.case(settlement.pending.id)
        archive.settled(settlement)
        if case is not None:
            if case.on_end is not None:
                case.on_end(settlement)
            if case.task is not None:
                case.task.cancel()

    def _adopt(self, pending: PendingOutcome, recorder: Recorder | None = None) -> Case:
        """Take over an open outcome of another process."""
        # how old it is nobody knows for sure: the date it was sent at comes from a header that a proxy may
        # have written, so the whole window is waited for
        now = self.engine.clock.monotonic()
        return Case(pending=pending, foreign=True, recorder=recorder, doubts=pending.sends, last=now)

    def _tasks(self) -> set[asyncio.Future[Any]]:
        return set(filter(goes_on, (*self._calls, *self.engine.watches)))

    async def finish(self, wait: float | None = None) -> None:
        """Wait for what is under way, for so many seconds."""
        loop = asyncio.get_running_loop()
        ends = time_of(loop) + (self._close_wait if wait is None else wait)
        # a call that ends may leave something behind that is looked after
        while (tasks := self._tasks()) and (left := ends - time_of(loop)) > 0:
            await asyncio.wait(tasks, timeout=left)

    def close(self) -> None:
        """Begin nothing more, and let nobody pause."""
        self._closed = True
        self.engine.report.closing()
        self.engine.pauses.end()

    async def end(self) -> tuple[PendingOutcome, ...]:
        """End what is left after the connections were closed, and say what is still open."""
        # they fail by themselves now, and say what is known; many need more time than one
        while (tasks := self._tasks()) and (await asyncio.wait(tasks, timeout=_GRACE))[0]:
            for call, flow in self._calls.items():
                if call in tasks and not flow.begun:
                    call.cancel()  # it waits for a turn, which may never come
        # what does not end now may be taken over by others
        await self.engine.ownership.heart.end()
        while tasks := self._tasks():
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        self.engine.report.left_open_at_close(self.pending)
        return self.pending


def _closed() -> ConfigurationError:
    error = ConfigurationError("the client was closed; nothing was sent")
    error.fate, error.proof = Fate.NOT_SENT, Proof.NOT_SENT
    return error


def _cut_off(flow: Flow) -> VoucherError:
    if flow.begun and flow.case is not None:
        return OutcomeUnknown("the client was closed before the outcome was known", pending=flow.case.pending)
    return _closed()


def _goes_on(flow: Flow) -> StillRunning:
    """The error for a caller whose time is up while others wait on for the same call."""
    return StillRunning(
        "the call is still under way for another caller: ask again, with the same idempotency key",
        pending=flow.pending,
    )


def _read(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()


async def _wait_for(ends: Iterable[asyncio.Future[Any] | None], deadline: Deadline) -> None:
    """Wait until all of this is over, but not for longer than the deadline; it goes on all the same."""
    waiting = {end for end in ends if end is not None and goes_on(end)}
    if waiting:
        await asyncio.wait(waiting, timeout=max(deadline.left(), 0.0))
