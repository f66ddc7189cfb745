"""Supervising money calls: they outlive their callers, and are settled when they are left open."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, TypeVar

from voucher_async.cancelling import goes_on, wait_for_ends
from voucher_async.errors import Proof, VoucherError
from voucher_async.forks import keep, renew_in_children
from voucher_async.outcomes import (
    CheckoutFailed,
    OutcomeUnknown,
    PendingOutcome,
    Settlement,
    SettlementState,
    StillRunning,
)
from voucher_async.payments.by_record import by_record, is_driven_here, kept
from voucher_async.payments.cut_off import drop_cut_off, ended_by, open_cut_off, recorder_of
from voucher_async.payments.equal_calls import EqualCalls
from voucher_async.payments.evidence import obstacle
from voucher_async.payments.money_call import CallContext, MoneyCall
from voucher_async.payments.running import Running, closed, ended_by_closing, goes_on_for_others
from voucher_async.realtime import time_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from voucher_async.clock import Deadline
    from voucher_async.models import Charge
    from voucher_async.payments.recording import Recorder
    from voucher_async.payments.settle import Settler

__all__ = ["Supervisor"]

T = TypeVar("T")

_GRACE: Final = 0.5  # seconds: closing waits on while at least one call ends within them


class Supervisor:
    """One per client.

    Args:
        settler: sends money requests, and settles them.
        close_wait: seconds that closing waits for calls under way.

    Attributes:
        settler: sends money requests, and settles them.
        on_begin: called as each call begins.
    """

    def __init__(self, settler: Settler, close_wait: float) -> None:
        self.settler = settler
        self._close_wait = close_wait
        self._calls: dict[asyncio.Task[Any], CallContext] = {}
        self._closed = False
        self.on_begin: Callable[[], None] = _nothing
        renew_in_children(self)

    def after_fork(self) -> None:
        """Leave open outcomes and calls under way to the parent; the child settles them on demand."""
        settler = self.settler
        keep(self._calls, settler.watch.tasks)
        self._calls, settler.watch.tasks, settler.equal_calls = {}, set(), EqualCalls(settler.registry)
        for money_call in settler.registry.inherit():
            settler.registry.open(self._adopt(money_call.pending, key=money_call.key))

    @property
    def pending(self) -> tuple[PendingOutcome, ...]:
        """The open outcomes."""
        return self.settler.registry.pending

    async def run(
        self,
        context: CallContext,
        work: Callable[[CallContext], Awaitable[T]],
        ended: Callable[[object], None] | None = None,
    ) -> T:
        """Run a call in a task of its own, which goes on when its caller is cancelled after a money request.

        Args:
            context: the facts known while it runs.
            work: the call.
            ended: called when it is over, in whatever way.
        """
        try:
            await self.check_open(is_alone=context.is_alone)
        except BaseException:
            if ended is not None:
                ended(None)
            raise
        return await self.wait(self.begin(context, work, ended), context.deadline)

    async def check_open(self, *, is_alone: bool = False) -> None:
        """Refuse to begin anything once the client was closed; see `closed` for what that proves.

        Raises:
            ConfigurationError: it was closed; nothing was sent.
        """
        if self._closed:
            await asyncio.sleep(0)  # yield, so that a caller retrying in a loop starves nobody
            raise closed(is_alone=is_alone)

    def begin(
        self,
        context: CallContext,
        work: Callable[[CallContext], Awaitable[T]],
        ended: Callable[[object], None] | None = None,
    ) -> Running[T]:
        """Begin a call in a task of its own; the arguments are those of `run`."""
        self.on_begin()
        task = asyncio.create_task(self._work(context, work))
        self.settler.registry.note_loop(task.get_loop())
        self._calls[task] = context
        running = Running(context, task)

        def over(_: object) -> None:
            self._calls.pop(task, None)
            running.over()
            if ended is not None:
                ended(None)

        task.add_done_callback(over)
        return running

    async def wait(self, running: Running[T], deadline: Deadline) -> T:
        """Wait for a call; it goes on when the last of its callers is cancelled after a money request.

        Args:
            running: the call.
            deadline: this caller's own.

        Raises:
            StillRunning: this caller's deadline passed; others wait on.
        """
        context, task = running.context, running.task
        try:
            is_over = await running.wait(deadline)
        except BaseException:  # cancelled, or interrupted from outside the loop
            if not (running.is_waited_for or running.told):
                self._abandon(context, task)
            raise
        if not is_over:
            if not running.is_waited_for:  # callers with later deadlines have left before
                self._abandon(context, task)
            raise goes_on_for_others(context)
        running.told = True
        if task.cancelled():
            raise ended_by_closing(context)
        result = task.result()
        if context.recalled is not None:
            self.settler.registry.delivered(context.recalled.id)
        return result

    async def _work(self, context: CallContext, work: Callable[[CallContext], Awaitable[T]]) -> T:
        self.settler.ownership.limit(context.deadline)
        try:
            result = await work(context)
        except VoucherError as error:
            self._forget_cut_off(context, is_told=False)
            if context.abandoned:
                self._tell_hooks(context, error)
            raise
        except asyncio.CancelledError:
            if not context.undoing:  # cancelled by closing the client, or with its loop
                self._tell_finished(context)
            raise
        self._forget_cut_off(context, is_told=True)
        if context.abandoned:
            self._tell_hooks(context, None)
        return result

    def _forget_cut_off(self, context: CallContext, *, is_told: bool) -> None:
        money_call = ended_by(context, self.settler.registry, is_told=is_told)
        if money_call is not None:
            self.forget(money_call.pending)

    def _abandon(self, context: CallContext, task: asyncio.Task[T]) -> None:
        context.abandoned = True
        if task.get_loop().is_closed():
            open_cut_off(self.settler)
            return
        task.add_done_callback(_read)  # retrieve the exception, or asyncio logs it as never retrieved
        if not context.begun:
            task.cancel()
        elif not task.done():
            money_call = context.money_call
            if money_call is not None and self.settler.registry.under_way(money_call.pending.id) is not None:
                money_call.running = task
                self.settler.registry.open(money_call)
        elif not task.cancelled():
            self._tell_hooks(context, task.exception())

    def _tell_hooks(self, context: CallContext, error: BaseException | None) -> None:
        """Report the end of a call whose caller is gone to the hooks."""
        if error is None:
            self._tell_finished(context)
        else:
            for finished in context.finished:  # the checkout has refunded and reported these
                self._done(finished)
        money_call = context.money_call
        if money_call is not None and money_call.charge is None and isinstance(error, VoucherError):
            # a checkout's error is about all its vouchers, its cause about the one that failed
            cause = error.__cause__ if isinstance(error, CheckoutFailed) else error
            self._tell_end(money_call, cause if isinstance(cause, VoucherError) else error)

    def _tell_finished(self, context: CallContext) -> None:
        """Report the charges of a call whose caller will not be told; they stand."""
        for finished in context.finished:
            self._done(finished)
            self.settler.registry.deliver_later(context.key, finished.charge)
            self.settler.report.done(finished, finished.charge)

    def _tell_end(self, money_call: MoneyCall, error: VoucherError) -> None:
        """Report the end of the last charge of a call that failed; what was told before is not told again."""
        report = self.settler.report
        if isinstance(error, StillRunning):  # the record, which another owner has, says how the call ends
            report.left_open(money_call, error)
            self.settler.registry.close(money_call.pending.id)
            return
        settlement = self.settler.registry.settlement(money_call.pending.id)
        if settlement is not None:
            report.ended(money_call, settlement, error)
        elif error.proof is not None:
            self._not_done(money_call, error.proof)
            report.not_done(money_call, error.proof, error)
        elif money_call.task is None:  # a background task reports the end when it is over
            report.left_open(money_call, error)

    def _done(self, money_call: MoneyCall) -> None:
        """Note that a call was carried out, unless it may have a surplus: the search for that notes it."""
        if money_call.effects <= 1:
            known, made = money_call.pending, money_call.charge
            self.settler.registry.settled(Settlement(pending=known, state=SettlementState.DONE, charge=made))

    def _not_done(self, money_call: MoneyCall, proof: Proof) -> None:
        state = SettlementState.NOT_DONE
        self.settler.registry.settled(Settlement(pending=money_call.pending, state=state, proof=proof))

    def open_cut_off(self) -> None:
        """Take the calls for open whose event loop is gone, and keep their tasks no longer."""
        registry = self.settler.registry
        if registry.has_lost_a_loop:
            open_cut_off(self.settler)
            drop_cut_off(self._calls)
            registry.forget_loops()

    async def settle_earlier(self, context: CallContext) -> None:
        """Settle an earlier payment with the same key that is settled in the background no more."""
        self.open_cut_off()
        money_call = self.settler.registry.open_payment(context.key or ())
        if money_call is None or (money_call.running is not None and goes_on(money_call.running)):
            return
        if money_call.task is None or not goes_on(money_call.task):
            await self._look_after(money_call, context.deadline)

    def recall(self, context: CallContext) -> Charge | None:
        """The charge of an earlier payment with the same key of which nobody was told.

        Raises:
            OutcomeUnknown: the outcome of the earlier payment is open.
        """
        key = context.key or ()
        money_call = self.settler.registry.open_payment(key)
        if money_call is None:
            context.recalled = self.settler.registry.undelivered(key)
            return context.recalled
        raise OutcomeUnknown(
            "an earlier payment of the same amount for the same order is open, so this one was not sent: "
            "settle that one first",
            pending=money_call.pending,
        )

    async def settle(
        self, pending: PendingOutcome, deadline: Deadline, recorder: Recorder | None = None
    ) -> Settlement:
        """Settle an open outcome.

        Args:
            pending: the outcome.
            deadline: when to give up waiting; settling goes on in the background.
            recorder: writes its record, where it is another process's.

        Raises:
            ConfigurationError: it belongs to another environment, or to another client.
            OutcomeUnknown: that cannot be told, or not yet.
        """
        pending.check_place(self.settler.settings.base_url, self.settler.settings.client_id)
        registry = self.settler.registry
        self.open_cut_off()
        money_call = registry.under_way(pending.id) or registry.money_call(pending.id)
        if money_call is not None:
            await wait_for_ends((money_call.over, money_call.running), deadline.left())
        elif recorder is None:  # a caller that joined may have it from before anything was sent
            calls = [task for task, context in self._calls.items() if context.pending.id == pending.id]
            await wait_for_ends(calls, deadline.left())
        if recorder is None and not is_driven_here(registry, pending.id):
            told = await by_record(self.settler.ownership, pending, deadline, self.settler.pauses)
            if isinstance(told, Settlement):
                self.resolved(told)
                return told
            if told is not None:
                registry.reopen(pending.id)
                recorder, pending = told, told.record.pending or pending
        is_hopeless = money_call is None and obstacle(pending) is not None
        if not is_hopeless and not (registry.settlement(pending.id) or registry.under_way(pending.id)):
            key = None if money_call is None else money_call.key
            money_call = kept(registry, pending.id, recorder) or self._adopt(pending, recorder, key)
            if money_call.running is None or not goes_on(money_call.running):
                money_call.recorder = money_call.recorder or recorder
                await self._look_after(money_call, deadline)
        settlement = registry.settlement(pending.id)
        if settlement is None:
            raise self._still_open(pending, money_call)
        if settlement.charge is not None:
            registry.delivered(settlement.charge.id)
        return settlement

    async def _look_after(self, money_call: MoneyCall, deadline: Deadline) -> None:
        if money_call.recorder is None and not money_call.foreign:  # the call was cut off
            money_call.recorder = await recorder_of(self.settler.ownership, money_call.pending)
        await wait_for_ends((self.settler.watch.begin(money_call),), deadline.left())

    def _still_open(self, pending: PendingOutcome, money_call: MoneyCall | None) -> OutcomeUnknown:
        reason = obstacle(pending) or (money_call.reason if money_call else None)
        if self.settler.registry.under_way(pending.id) is not None:
            reason = "its call is under way"
        return OutcomeUnknown(f"the outcome of {pending.operation} is still open: {reason}", pending=pending)

    def forget(self, pending: PendingOutcome) -> None:
        """Keep an open outcome no longer: somebody knows by other means, or does not care."""
        money_call = self.settler.registry.close(pending.id)
        if money_call is not None and money_call.task is not None:
            money_call.task.cancel()

    def resolved(self, settlement: Settlement) -> None:
        """Take an operator's word, or a record's, for what became of an open outcome."""
        registry = self.settler.registry
        money_call = registry.money_call(settlement.pending.id)
        registry.settled(settlement)
        self.settler.report.settled(settlement)
        if money_call is not None:
            if money_call.on_end is not None:
                money_call.on_end(settlement)
            if money_call.task is not None:
                money_call.task.cancel()

    def _adopt(
        self, pending: PendingOutcome, recorder: Recorder | None = None, key: tuple[str, ...] | None = None
    ) -> MoneyCall:
        """Take over an open outcome of another process."""
        # The age of the outcome is not certain: its date comes from a header that a proxy may have written.
        # So it waits for the whole window, and for a request that its owner may be about to begin.
        now = self.settler.clock.monotonic() + self.settler.machine.limits.begin
        return MoneyCall.taken_up(pending, now, recorder=recorder, key=key)

    def _tasks(self) -> set[asyncio.Future[Any]]:
        return set(filter(goes_on, (*self._calls, *self.settler.watch.tasks)))

    async def finish(self, wait: float | None = None) -> None:
        """Wait for what is under way, for so many seconds."""
        loop = asyncio.get_running_loop()
        ends = time_of(loop) + (self._close_wait if wait is None else wait)
        # a call that ends may leave a background task behind
        while (tasks := self._tasks()) and (left := ends - time_of(loop)) > 0:
            await asyncio.wait(tasks, timeout=left)

    def close(self) -> None:
        """Begin nothing more, and let nobody pause."""
        self._closed = True
        self.settler.report.closing()
        self.settler.pauses.end()

    async def end(self) -> tuple[PendingOutcome, ...]:
        """End what is left after the connections were closed, and say what is still open."""
        # with the connections closed the calls fail by themselves, and report what is known; many need longer
        # than one
        while (tasks := self._tasks()) and (await asyncio.wait(tasks, timeout=_GRACE))[0]:
            for call, context in self._calls.items():
                if call in tasks and not context.begun:
                    call.cancel()  # the call waits for a turn that may never come
        # a call that does not end now may be taken over by other processes
        await self.settler.ownership.heartbeat.end()
        while tasks := self._tasks():
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        self.settler.report.left_open_at_close(self.pending)
        return self.pending


def _nothing() -> None:
    """Do nothing."""


def _read(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()
