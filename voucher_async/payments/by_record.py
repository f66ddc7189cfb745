"""The end of a call as its record tells it: a caller that joined the call knows no more than its id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from voucher_async.cancelling import goes_on
from voucher_async.errors import VoucherError
from voucher_async.outcomes import OutcomeUnknown, PendingOutcome, Settlement, SettlementState
from voucher_async.payments.call import COMPOSED, DRIVEN, CallRecord, CallState
from voucher_async.payments.ownership import ask_journal
from voucher_async.payments.recording import Recorder

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from voucher_async.clock import Deadline
    from voucher_async.payments.money_call import MoneyCall
    from voucher_async.payments.ownership import Ownership
    from voucher_async.payments.pauses import Pauses
    from voucher_async.payments.registry import Registry

__all__ = ["by_record", "is_driven_here", "kept"]

T = TypeVar("T")

_PAUSE: Final = 0.25  # seconds


def is_driven_here(registry: Registry, pending_id: str) -> bool:
    """True when this client drives a call, or has ended it; the record of any other names its owner.

    Args:
        registry: knows what is open here.
        pending_id: the call.
    """
    money_call = registry.money_call(pending_id)
    if money_call is None:
        known = registry.settlement(pending_id)
        is_denied = known is not None and known.state is SettlementState.NOT_DONE  # and driven since, perhaps
        return registry.knows(pending_id) and not is_denied
    is_looked_after = money_call.task is not None and goes_on(money_call.task)
    return is_looked_after or not (money_call.foreign or money_call.is_cut_off)


def kept(registry: Registry, pending_id: str, recorder: Recorder | None) -> MoneyCall | None:
    """The open call; None where its record has changed since, so that its facts are out of date.

    Args:
        registry: knows what is open here.
        pending_id: the call.
        recorder: writes its record as it is stored now; None where there is none.
    """
    money_call = registry.money_call(pending_id)
    if money_call is None or recorder is None or is_driven_here(registry, pending_id):
        return money_call
    held = money_call.recorder
    if held is None or held.record.version != recorder.record.version:
        registry.close(pending_id)
        return None
    return money_call


async def by_record(
    ownership: Ownership, pending: PendingOutcome, deadline: Deadline, pauses: Pauses
) -> Settlement | Recorder | None:
    """The settlement of a call; where that is open, the recorder of its end; None where it has no record.

    A call that is under way is waited for. The record of a dead owner is not taken over: a caller with the
    key may take it over meanwhile, behind a fence, and then the recorder has lost it, and denies nothing.

    Args:
        ownership: reads the records.
        pending: the call.
        deadline: when to give up.
        pauses: waits between two looks at the record.

    Raises:
        OutcomeUnknown: it is still under way, it is a checkout that was not finished, or the journal fails.
    """
    journal, scope = ownership.journal, ownership.scope
    while (record := await _told(journal.get(scope, pending.id), pending, deadline)) is not None:
        if record.state not in DRIVEN or not await _told(ownership.is_alive(record), pending, deadline):
            return _known(ownership, record, pending)
        if deadline.left() <= 0 or pauses.are_over:
            raise OutcomeUnknown("the outcome is still open: its call is under way", pending=pending)
        await pauses.wait_within(_PAUSE, deadline)
    return None


async def _told(answer: Awaitable[T], pending: PendingOutcome, deadline: Deadline) -> T:
    """Wait for the journal; while it cannot be read the outcome is open."""
    try:
        return await ask_journal(answer, deadline)
    except VoucherError as error:
        words = "the outcome is still open: the journal cannot be read, and somebody may go on with the call"
        raise OutcomeUnknown(words, pending=pending) from error


def _known(ownership: Ownership, record: CallRecord, pending: PendingOutcome) -> Settlement | Recorder | None:
    known = record.pending or pending
    if record.state is CallState.DONE and record.charge is not None:
        return Settlement(pending=known, state=SettlementState.DONE, charge=record.charge)
    if record.state is CallState.NOT_DONE and record.proof is not None:
        return Settlement(pending=known, state=SettlementState.NOT_DONE, proof=record.proof)
    if record.parameters.operation in COMPOSED:
        raise OutcomeUnknown(
            f"a {record.parameters.operation} is settled by its parts; this one is {record.state}: "
            "run it again with its key",
            pending=pending,
        )
    return None if record.ended else Recorder(ownership, record, is_stored=True)
