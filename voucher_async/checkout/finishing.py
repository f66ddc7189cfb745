"""Finishing a checkout that its owner has left: its charges are completed, or refunded."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import attrs

from voucher_async.checkout.undo import failure_of, outcome, take_back
from voucher_async.errors import Proof, VoucherError
from voucher_async.models import Charge
from voucher_async.operations import CHARGE_RESERVATION, REFUND_CHARGE
from voucher_async.outcomes import HeldOutcome, HeldState, OutcomeUnknown
from voucher_async.payments.call import CallRecord, CallState, Parameters, Planned
from voucher_async.payments.ownership import ask_journal
from voucher_async.payments.taken_back import covers

if TYPE_CHECKING:
    from voucher_async.checkout.kit import CheckoutKit
    from voucher_async.clock import Deadline
    from voucher_async.payments.money_call import CallContext
    from voucher_async.payments.ownership import Ownership
    from voucher_async.payments.recording import Recorder

__all__ = ["child_of", "finish"]


def child_of(ownership: Ownership, record: CallRecord, planned: Planned) -> CallRecord:
    """The record of one charge of a checkout, not stored yet.

    Args:
        ownership: this client's, which writes it.
        record: the checkout's.
        planned: the voucher.
    """
    asked = record.parameters
    parameters = Parameters(
        operation=CHARGE_RESERVATION.id,
        amount=planned.reservation.amount,
        currency=asked.currency,
        order_number=asked.order_number,
        target=planned.reservation.id,
    )
    return attrs.evolve(ownership.new_record(parameters, None), id=planned.record, parent=record.id)


async def finish(kit: CheckoutKit, recorder: Recorder, context: CallContext) -> CallState:
    """Finish a checkout that may have charged something, and whose owner has left it.

    Each charge in doubt is settled. If all of the plan is charged, it is done; a part of it is refunded.

    Args:
        kit: settles and refunds.
        recorder: writes its record, which is this client's own, and `SENT`.
        context: the call, which outlives its caller once a money request is sent.

    Returns:
        `DONE` when all is charged, `NOT_DONE` when nothing is.

    Raises:
        CheckoutUnknown: a charge or refund is open, and so is the record.
        CheckoutFailed: a charge could not be refunded; the record is open.
        VoucherError: the journal failed, or the client was closed; the record is open.
    """
    try:
        state = await _Finishing(kit, recorder.record, context).run()
    except asyncio.CancelledError as error:
        await recorder.opened(error)
        if context.begun:
            raise OutcomeUnknown(
                "the checkout was cut short while its charges were taken back: ask again with its key",
                pending=context.pending,
            ) from error
        raise
    except BaseException as error:
        await recorder.opened(error)
        raise
    if state is CallState.DONE:
        await recorder.done(None, told=False, why="found")
    else:
        await recorder.released("nothing of it is charged any more")
    return state


@attrs.define
class _Child:
    """One voucher of the plan.

    Attributes:
        planned: the voucher.
        record: the record of its charge.
        refund: its refund.
        error: the reason why it is open.
    """

    planned: Planned
    record: CallRecord
    refund: Charge | None = None
    error: VoucherError | None = None

    @property
    def charge(self) -> Charge | None:
        """The charge that stands."""
        charge = self.record.charge
        if charge is None or self.refund is not None or covers(charge, self.record.refunds):
            return None
        return charge

    @property
    def outcome(self) -> HeldOutcome:
        """The outcome of the voucher."""
        charge, error = self.record.charge, self.error
        if error is not None:
            return outcome(self.planned, HeldState.UNKNOWN, charge=charge, error=error)
        if charge is None:
            return outcome(self.planned, HeldState.NOT_CHARGED)
        if self.charge is not None:
            return outcome(self.planned, HeldState.CHARGED, charge=charge)
        refund = self.refund or next(iter(self.record.refunds), None)
        return outcome(self.planned, HeldState.REFUNDED, charge=charge, refund=refund)


class _Finishing:
    """One checkout that is being finished."""

    def __init__(self, kit: CheckoutKit, record: CallRecord, context: CallContext) -> None:
        self._kit = kit
        self._ownership = kit.joining.ownership
        self._record = record
        self._context = context

    async def run(self) -> CallState:
        children = [await self._child(planned) for planned in self._record.plan]
        await asyncio.gather(*map(self._settle_child, children))
        await self._find_refunds(children)
        first = next((each.error for each in children if each.error is not None), None)
        if first is not None:
            raise failure_of(first, [each.outcome for each in children]) from first
        standing = [each for each in children if each.charge is not None]
        if children and len(standing) == len(children):
            return CallState.DONE
        await self._take_back(children)
        return CallState.NOT_DONE

    async def _child(self, planned: Planned) -> _Child:
        """The record of a charge; a missing one is stored as ended, so that no worker sends it any more."""
        new = child_of(self._ownership, self._record, planned)
        never = new.step(
            CallState.NOT_DONE,
            at=new.begun_at,
            by=self._ownership.owner,
            why="its checkout was finished before it was sent",
            proof=Proof.NOT_SENT,
        )
        claim = await self._ownership.claim(attrs.evolve(never, version=1))
        return _Child(planned, claim.record)

    async def _settle_child(self, child: _Child) -> None:
        try:
            child.record = await self._settled(child.record, self._context.deadline)
        except VoucherError as error:
            child.error = error

    async def _settled(self, record: CallRecord, deadline: Deadline) -> CallRecord:
        """A child, once its record has ended.

        Raises:
            OutcomeUnknown: its outcome is open.
        """
        if record.ended:
            return record
        await self._kit.joining.replay.settle(record, deadline)
        now = await ask_journal(self._ownership.journal.get(record.scope, record.id))
        if now is None or not now.ended:
            pending = record.pending or attrs.evolve(self._context.pending, id=record.id)
            raise OutcomeUnknown("what became of it could not be written down", pending=pending)
        return now

    async def _find_refunds(self, children: list[_Child]) -> None:
        """Settle the refunds that were begun, and note which charge each took back."""
        journal, record = self._ownership.journal, self._record
        by_charge = {each.record.charge.id: each for each in children if each.record.charge is not None}
        for refund in await ask_journal(journal.children(record.scope, record.id)):
            child = by_charge.get(refund.parameters.target)
            if refund.parameters.operation != REFUND_CHARGE.id or child is None:
                continue
            try:
                child.refund = (await self._settled(refund, self._context.deadline)).charge or child.refund
            except VoucherError as error:
                child.error = error
            else:
                await self._note(child)

    async def _note(self, child: _Child) -> None:
        if child.refund is not None and child.record.charge is not None:
            await self._ownership.note_refund(child.refund, of=child.record.charge.id)

    async def _take_back(self, children: list[_Child]) -> None:
        """Refund the charges that stand.

        Raises:
            CheckoutFailed: some could not be refunded.
        """
        outcomes: list[HeldOutcome] = []
        for child in children:
            charge = child.charge
            if charge is None:
                outcomes.append(child.outcome)
                continue
            self._context.begun = True
            outcomes.append(await take_back(self._kit, self._record, child.planned, charge))
        error = next((each.error for each in outcomes if isinstance(each.error, VoucherError)), None)
        if error is not None:
            raise failure_of(error, outcomes) from error
