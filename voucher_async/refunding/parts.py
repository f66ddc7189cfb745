"""The parts of an order's refund: a record for each refund of a charge, with an id that is taken once.

Theory of operation. The refund of an order is a record of its own, which has the idempotency key; each refund
of a charge is a child. The ids of children are numbered, without a gap, and derived from the record's. Who is
about to send one reads the children, which tells the number of the next, and then writes the record, which
fails where it was taken over meanwhile. Who takes the record over stores the next child as ended (a *fence*):
whatever the former owner was about to send has the same id, and cannot be stored, so it is never sent.
"""

from __future__ import annotations

import uuid
from collections import Counter
from typing import TYPE_CHECKING, Final

import attrs

from voucher_async.errors import JournalFailed, Proof
from voucher_async.money import ZERO, total
from voucher_async.operations import REFUND_CHARGE
from voucher_async.order_refunds import ChargeRefund, OrderRefund, RefundOutcome, RefundState
from voucher_async.payments.call import REFUND_ORDER, CallRecord, CallState, Parameters
from voucher_async.payments.known import earlier_of, parts_of
from voucher_async.payments.recording import Recorder
from voucher_async.payments.refunds import refund

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from voucher_async.checkout.kit import CheckoutKit
    from voucher_async.clock import Deadline
    from voucher_async.models import Charge
    from voucher_async.payments.money_call import CallContext
    from voucher_async.refunding.standing import Share

__all__ = ["Parts", "given_by", "order_refund_of", "outcomes_of", "proof_of", "weakest"]

_PARTS: Final = uuid.UUID("6b1b1c8e-59c4-5a55-9c0f-0d1a5fd1d7c2")


class Parts:
    """The parts of one refund of an order.

    Args:
        kit: refunds, and settles.
        recorder: writes its record.
    """

    def __init__(self, kit: CheckoutKit, recorder: Recorder) -> None:
        self._kit = kit
        self._ownership = kit.joining.ownership
        self._recorder = recorder

    @property
    def record(self) -> CallRecord:
        """The record of the order's refund."""
        return self._recorder.record

    async def read(self) -> Sequence[CallRecord]:
        """The parts that were begun, the oldest first, fences included."""
        return await parts_of(self._ownership, self.record)

    async def fence(self) -> None:
        """Let a former owner of the record begin no part any more."""
        number, is_stored = 0, False
        while not is_stored:
            new = self._ownership.new_record(Parameters(operation=REFUND_CHARGE.id), None, self._id(number))
            ended = new.step(
                CallState.NOT_DONE,
                at=new.begun_at,
                by=self._ownership.owner,
                why="another caller went on with the refund of its order",
                proof=Proof.NOT_SENT,
                version=1,
            )
            claim = await self._ownership.claim(attrs.evolve(ended, parent=self.record.id))
            is_stored, number = claim.won, number + 1

    def _id(self, number: int) -> str:
        return uuid.uuid5(_PARTS, f"{self.record.id}\n{number}").hex

    async def send(self, share: Share, deadline: Deadline) -> Charge:
        """Refund a share of a charge.

        Raises:
            StillRunning: the record was taken over; nothing was sent.
            OutcomeUnknown: what became of it could not be found out in time.
            VoucherError: it was certainly not refunded.
        """
        earlier = await self.read()
        await self._recorder.planned(())  # fails where it was taken over since the parts were read
        made = Counter(each.parameters.target for each in earlier if each.charge is not None)
        refunded = await refund(
            self._kit.supervisor.settler,
            share.charge,
            share.currency,
            amount=share.amount,
            key=f"{self.record.id}/refund/{share.charge.id}/{made[share.charge.id] + 1}",
            parent=self.record.id,
            record_id=self._id(len(earlier)),
            deadline=deadline,
        )
        refunded = self._kit.supervisor.settler.numbering.own(refunded)
        await self._ownership.note_refund(refunded, of=share.charge.id)
        return refunded

    async def earlier(self) -> Sequence[CallRecord]:
        """The parts of this refund, and of earlier ones with its key that gave nothing back."""
        runs = (*await earlier_of(self._ownership, self.record), self.record)
        parts: list[CallRecord] = []
        for each in runs:
            if each.parameters.operation == REFUND_ORDER:
                parts += await parts_of(self._ownership, self.record, each.id)
        return parts

    async def find_late(self, context: CallContext) -> None:
        """Look for parts that were refused, and may have been carried out since; each that was is a part.

        Raises:
            OutcomeUnknown: that cannot be told now.
            StillRunning: the record was taken over.
            JournalFailed: one that was carried out cannot be stored: it would be given back once more.
        """
        replay = self._kit.joining.replay
        for each in await self.earlier():
            found = await replay.look_again(each, context) if replay.may_be_late(each) else None
            if found is not None:
                context.begun = True  # whatever comes next, the key stays used
                number = self._id(len(await self.read()))
                await self._recorder.planned(())  # a record that is only begun has no parts: it may be freed
                new = self._ownership.new_record(each.parameters, None, number)
                recorder = Recorder(
                    self._ownership, attrs.evolve(new, parent=self.record.id), is_stored=False
                )
                await recorder.done(found, told=True, why="a refused request was carried out after all")
                if recorder.is_lost:
                    raise self._recorder.taken_over(None)
                if recorder.record.state is not CallState.DONE:
                    raise JournalFailed("a refund that was carried out late cannot be stored")
                await self._ownership.note_refund(found, of=each.parameters.target)


def given_by(parts: Sequence[CallRecord]) -> Decimal:
    """The amount that the parts gave back, in currency units."""
    return total(each.charge.amount for each in parts if each.charge is not None)


def order_refund_of(order_number: str, outcomes: Sequence[RefundOutcome]) -> OrderRefund:
    """The value that tells what a refund gave back.

    Args:
        order_number: the order.
        outcomes: those of its parts.
    """
    made = [
        ChargeRefund(charge_id=each.charge_id, currency=each.currency, refund=each.refund)
        for each in outcomes
        if each.refund is not None
    ]
    return OrderRefund(
        order_number=order_number,
        amount=total(each.refund.amount for each in made),
        currency=next((each.currency for each in made), None),
        refunds=tuple(made),
    )


def outcomes_of(parts: Sequence[CallRecord]) -> tuple[RefundOutcome, ...]:
    """The outcomes of the parts that were carried out, or may have been."""
    return tuple(
        RefundOutcome(
            charge_id=each.parameters.target,
            voucher_id=each.view.voucher_id or "" if each.charge is None else each.charge.voucher_id,
            amount=each.parameters.amount or ZERO,
            currency=each.parameters.currency or "",
            state=RefundState.UNKNOWN if each.charge is None else RefundState.REFUNDED,
            refund=each.charge,
        )
        for each in parts
        if each.state is not CallState.NOT_DONE
    )


def proof_of(parts: Sequence[CallRecord]) -> Proof | None:
    """The weakest proof of parts that were sent, and not carried out; None where there is none."""
    return weakest(*(each.proof for each in parts if each.sent_at is not None))


def weakest(*proofs: Proof | None) -> Proof | None:
    """The proof that says the least: a refusal, which says nothing of a copy; None where there is none."""
    return Proof.REFUSED if Proof.REFUSED in proofs else next(filter(None, proofs), None)
