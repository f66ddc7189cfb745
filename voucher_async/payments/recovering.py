"""Recovering one record that a dead worker left.

Theory of operation. Nothing is charged, for nobody here has the voucher's code: a record ends by what it
says, or by what a look shows.

    begun             nothing that moves money was recorded, so nothing was sent, and nothing will be: whoever
                      wakes up has lost the record. It ends as "not done" at once. What an earlier record of
                      its key left in doubt stays with the key.
    sent              it becomes open, by compare-and-swap: from now on its owner records nothing. Then it is
                      looked for, as whatever is open; "not done" takes the window and `Limits.begin`.
    open              passed to this client, so that one client at a time looks for it.
    of a checkout     the checkout is finished: completed or refunded. Its charges and refunds are its
                      business until it has ended, and records like any other from then on.
    of a refundOrder  its refunds are settled; what is missing is left for a caller with its key.

By itself a client leaves two kinds alone for a while (`is_due`). A `redeem` that was sent is left for the
window: its customer may come back, and a caller with the key fences and charges sooner than a look is proof.
What is open is looked for again once it has been open for twice as long, or a day later, however many clients
there are.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Final

from voucher_async.calls import calling
from voucher_async.cancelling import goes_on, quietly
from voucher_async.errors import ConfigurationError, JournalFailed, Proof, VoucherError
from voucher_async.payments.call import CHECKOUT, COMPOSED, DRIVEN, CallRecord, CallState
from voucher_async.payments.evidence import obstacle
from voucher_async.payments.facts import OPERATIONS, Event, Facts, call_of
from voucher_async.payments.money_call import MoneyCall
from voucher_async.payments.ownership import ask_journal
from voucher_async.payments.recording import Recorder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from voucher_async.payments.ownership import Ownership
    from voucher_async.payments.supervisor import Supervisor

__all__ = ["Recoverer"]

_LONGEST: Final = 86_400.0  # seconds between two looks for what stays open

_logger: Final = logging.getLogger("voucher_async")


class Recoverer:
    """One per client.

    Args:
        supervisor: settles what is open.
        ownership: takes records over.
        finish: finishes a checkout, or the refund of an order, whose owner is dead; False when somebody else
            has it.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        ownership: Ownership,
        finish: Callable[[CallRecord], Awaitable[bool]],
    ) -> None:
        self._supervisor = supervisor
        self._ownership = ownership
        self._finish = finish

    def is_due(self, left: CallRecord) -> bool:
        """True when a record is to be recovered by a client that does so by itself.

        Args:
            left: the record.
        """
        settings = self._supervisor.settler.settings
        since = (self._ownership.clock.now() - left.changed_at).total_seconds()
        if left.state is CallState.OPEN:
            open_for = (left.changed_at - left.begun_at).total_seconds()
            return since >= min(max(open_for, settings.settle_for), _LONGEST)
        operation = OPERATIONS.get(left.parameters.operation)
        reserves = operation is not None and operation.reserves
        return left.state is CallState.BEGUN or not reserves or since >= settings.settle_window

    async def recover(self, left: CallRecord) -> CallRecord | None:
        """Settle a record that is not ended, and whose owner is dead.

        Args:
            left: the record as it was read.

        Returns:
            The record as it is then; None when it is somebody else's.

        Raises:
            JournalFailed: the journal cannot be read or written; the record stays as it is.
        """
        with calling(self._supervisor.settler.hooks, "recover.record", pending=left.view):
            if await self._is_others(left):
                return None
            if self._is_looked_after(left) or not self._can_be_settled(left):
                return left
            if left.state is CallState.BEGUN:
                is_taken = await self._end_unsent(left)
            elif left.parameters.operation in COMPOSED:
                is_taken = await self._finish_composed(left)
            else:
                is_taken = await self._settle(left)
            return await ask_journal(self._ownership.journal.get(left.scope, left.id)) if is_taken else None

    async def _is_others(self, left: CallRecord) -> bool:
        """True for a record that this client drives, or that a checkout has yet to see to."""
        ownership = self._ownership
        if left.state in DRIVEN and left.owner == ownership.owner and await ownership.is_alive(left):
            return True
        if left.parent is None:
            return False
        parent = await ask_journal(ownership.journal.get(left.scope, left.parent))
        return parent is not None and not parent.ended

    def _is_looked_after(self, left: CallRecord) -> bool:
        registry = self._supervisor.settler.registry
        money_call = registry.money_call(left.id)
        tasks = () if money_call is None else (money_call.task, money_call.running)
        is_settled_here = any(task is not None and goes_on(task) for task in tasks)
        return is_settled_here or registry.under_way(left.id) is not None

    def _can_be_settled(self, left: CallRecord) -> bool:
        """True when the record can be ended here: it is not of another client id, or open for good."""
        settings = self._supervisor.settler.settings
        sent = [each.reservation.client_id for each in left.plan]
        if left.pending is not None:
            try:
                left.pending.check_place(settings.base_url, settings.client_id)
            except ConfigurationError:
                return False
        if left.parameters.operation in COMPOSED:
            return all(client_id in {None, settings.client_id} for client_id in sent)
        return left.state is not CallState.OPEN or obstacle(left.view) is None

    async def _finish_composed(self, left: CallRecord) -> bool:
        try:
            return await self._finish(left)
        except JournalFailed:
            raise
        except VoucherError as error:
            words, operation = "a %s, id %s, is left open: %s", left.parameters.operation
            quietly(_logger.warning, words, operation, left.id, error, extra=left.named)
            return True

    async def _end_unsent(self, left: CallRecord) -> bool:
        state = self._after(left, Event.ABSENT, Proof.NOT_SENT)
        taken = await self._ownership.take_from_dead(left, state, proof=Proof.NOT_SENT)
        if taken is None:
            return False
        report = self._supervisor.settler.report
        if taken.parameters.operation == CHECKOUT:
            report.checkout_recovered(taken)
        else:
            report.not_done(MoneyCall.taken_up(taken.view, 0.0), Proof.NOT_SENT)
        return True

    def _after(self, left: CallRecord, event: Event, proof: Proof | None = None) -> CallState:
        """The state of a record once it was taken over, and something has come."""
        machine, owner = self._supervisor.settler.machine, self._ownership.owner
        facts = Facts(self._ownership.clock.monotonic(), owner=owner, proof=proof)
        taken = machine.advance(call_of(left), Event.TAKEN_OVER, facts)
        return machine.advance(taken, event, facts).state

    async def _settle(self, left: CallRecord) -> bool:
        registry, is_own = self._supervisor.settler.registry, left.owner == self._ownership.owner
        if not is_own:
            registry.reopen(left.id)
        before = registry.money_call(left.id)
        if before is None:  # a rival of other calls from here on: its record will name no other owner
            registry.open(MoneyCall.taken_up(left.view, 0.0))
        is_open = left.state is CallState.OPEN
        state = CallState.OPEN if is_open else self._after(left, Event.LEFT_OPEN)
        taken = await self._ownership.take_from_dead(left, state)
        if taken is None:
            if before is None:
                registry.close(left.id)
            return False
        recorder = Recorder(self._ownership, taken, is_stored=True)
        if before is not None and is_own and _is_current(before, left):
            before.recorder = recorder
        else:
            self._adopt(taken, recorder, before)
        await self._look(taken, recorder)
        return True

    def _adopt(self, taken: CallRecord, recorder: Recorder, before: MoneyCall | None) -> None:
        """Keep it as open here; its last request had ended by now, or is begun within `Limits.begin`."""
        settler = self._supervisor.settler
        settler.registry.close(taken.id)
        ended_at = settler.clock.monotonic() + settler.machine.limits.begin
        key = None if before is None else before.key
        settler.registry.open(MoneyCall.taken_up(taken.view, ended_at, recorder=recorder, key=key))

    async def _look(self, taken: CallRecord, recorder: Recorder) -> None:
        """Look until it is clear, or has been looked for long enough; the lease runs meanwhile."""
        settler, heartbeat = self._supervisor.settler, self._ownership.heartbeat
        deadline = settler.sender.deadline(settler.patience + settler.settings.settle_window)
        heartbeat.hold(taken.id)
        try:
            with contextlib.suppress(VoucherError):  # it stays open, which the hooks were told
                settlement = await self._supervisor.settle(taken.view, deadline, recorder)
                if not recorder.is_over:
                    await recorder.settled(settler.numbering.own_settlement(settlement))
        finally:
            heartbeat.release(taken.id)


def _is_current(money_call: MoneyCall, left: CallRecord) -> bool:
    """True when nobody has driven the record since this client did: what it knows of the call is all."""
    return money_call.recorder is not None and money_call.recorder.record.version == left.version
