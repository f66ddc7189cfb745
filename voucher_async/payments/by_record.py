"""The end of a call as its record tells it: whoever joined a call knows no more of it than its id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from voucher_async.errors import OutcomeUnknown, VoucherError
from voucher_async.payments.call import CHECKOUT, DRIVEN, CallRecord, CallState
from voucher_async.payments.ownership import ask_journal
from voucher_async.pending import PendingOutcome, Settlement, SettlementState

if TYPE_CHECKING:
    from voucher_async.clock import Deadline
    from voucher_async.payments.ownership import Ownership
    from voucher_async.payments.pauses import Pauses

__all__ = ["by_record"]

_PAUSE: Final = 0.25  # seconds


async def by_record(
    ownership: Ownership, pending: PendingOutcome, deadline: Deadline, pauses: Pauses
) -> Settlement | PendingOutcome:
    """How a call ended, or what is known of it; a call that is under way is waited for.

    Args:
        ownership: where the records are.
        pending: the call.
        deadline: when to give up.
        pauses: waits between two looks at the record.

    Raises:
        OutcomeUnknown: it is still under way, or it is a checkout that was not finished.
    """
    while (record := await _read(ownership, pending)) is not None:
        if record.state not in DRIVEN:
            return _known(record, pending)
        if deadline.left() <= 0 or pauses.are_over:
            raise OutcomeUnknown("the outcome is still open: its call is under way", pending=pending)
        await pauses.wait(min(_PAUSE, deadline.left()))
    return pending


async def _read(ownership: Ownership, pending: PendingOutcome) -> CallRecord | None:
    """The record, unless nobody works on it; a journal that fails tells nothing, the voucher's list may."""
    try:
        record = await ask_journal(ownership.journal.get(ownership.scope, pending.id))
        is_left = record is not None and record.state in DRIVEN and not await ownership.is_alive(record)
    except VoucherError:
        return None
    return None if is_left else record


def _known(record: CallRecord, pending: PendingOutcome) -> Settlement | PendingOutcome:
    known = record.pending or pending
    if record.state is CallState.DONE and record.charge is not None:
        return Settlement(pending=known, state=SettlementState.DONE, charge=record.charge)
    if record.state is CallState.NOT_DONE and record.proof is not None:
        return Settlement(pending=known, state=SettlementState.NOT_DONE, proof=record.proof)
    if record.parameters.operation == CHECKOUT:
        raise OutcomeUnknown(
            f"a checkout is settled by its charges; this one is {record.state}: run it again with its key",
            pending=pending,
        )
    return known
