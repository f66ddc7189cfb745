"""A further run of a checkout whose idempotency key has charged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from voucher_async.checkout.held import ChargedReservation
from voucher_async.errors import IdempotencyMismatch
from voucher_async.models import Charge
from voucher_async.outcomes import ChargeRefunded, OutcomeUnknown
from voucher_async.payments.joined import as_joined
from voucher_async.payments.known import parts_of
from voucher_async.payments.ownership import ask_journal

if TYPE_CHECKING:
    from decimal import Decimal

    from voucher_async.clock import Deadline
    from voucher_async.payments.call import CallRecord
    from voucher_async.payments.joining import Joining

__all__ = ["Replayed"]


@attrs.frozen
class _Made:
    """One charge of the earlier run.

    Attributes:
        held: the reservation.
        charge: its charge.
        refunds: the refunds of all of it.
    """

    held: ChargedReservation
    charge: Charge
    refunds: tuple[Charge, ...]


class Replayed:
    """The charges of an earlier run. Made by `read`.

    Args:
        joining: idempotency keys.
        record: the checkout's.
        made: the charges, in the order of the plan.
    """

    def __init__(self, joining: Joining, record: CallRecord, made: tuple[_Made, ...]) -> None:
        self._joining = joining
        self._record = record
        self._made = made

    @classmethod
    async def read(cls, joining: Joining, record: CallRecord, deadline: Deadline) -> Replayed | None:
        """The charges of a record that is done; None when all were refunded.

        Args:
            joining: idempotency keys.
            record: the checkout's.
            deadline: for reading whether older charges were refunded.

        Raises:
            OutcomeUnknown: the journal keeps the charges no longer.
        """
        children = {each.id: each for each in await parts_of(joining.ownership, record)}
        made: list[_Made] = []
        for planned in record.plan:
            child = children.get(planned.record)
            if child is None or child.charge is None:
                raise _forgotten(record)
            refunds = await joining.replay.taken_back_by(child, deadline)
            made.append(_Made(ChargedReservation(planned), child.charge, refunds))
        return cls(joining, record, tuple(made)) if not all(each.refunds for each in made) else None

    def find(self, target: str, asked: Decimal) -> ChargedReservation:
        """The reservation of a voucher.

        Args:
            target: the digest of the voucher's code.
            asked: the amount, in currency units.

        Raises:
            IdempotencyMismatch: the earlier run did not charge the voucher, or with another amount.
        """
        held = next((each.held for each in self._made if each.held.target == target), None)
        if held is not None and held.asked == asked:
            return held
        name = "code" if held is None else "amount"
        raise IdempotencyMismatch(
            f"the checkout with this idempotency key was charged with another {name}; nothing was sent",
            differences=(name,),
        )

    async def charges(self) -> tuple[Charge, ...]:
        """The charges, in the order of the earlier run.

        Raises:
            ChargeRefunded: some of them were refunded, and others not.
        """
        for each in self._made:
            if each.refunds:
                raise ChargeRefunded(
                    "the checkout with this idempotency key was charged, and one of its charges was taken "
                    "back; the key stays used until all of them are",
                    charge=each.charge,
                    refunds=each.refunds,
                )
        if not self._record.told:
            journal = self._joining.ownership.journal
            await ask_journal(journal.acknowledge(self._record.scope, self._record.id))
        return tuple(as_joined(each.charge) for each in self._made)


def _forgotten(record: CallRecord) -> OutcomeUnknown:
    return OutcomeUnknown(
        "the checkout with this idempotency key was charged, and its charges are not known here any more",
        pending=record.view,
    )
