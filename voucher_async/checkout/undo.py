"""Refunding the charges of a checkout in which a later voucher failed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import attrs

from voucher_async.api_errors import ApiError
from voucher_async.errors import JournalFailed, ReservationAlreadyCharged, VoucherError
from voucher_async.outcomes import (
    CheckoutFailed,
    CheckoutUnknown,
    HeldOutcome,
    HeldState,
    OutcomeUnknown,
    StillRunning,
)
from voucher_async.payments.ownership import ask_journal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from voucher_async.checkout.kit import CheckoutKit
    from voucher_async.models import Charge
    from voucher_async.outcomes import PendingOutcome
    from voucher_async.payments.call import CallRecord, Planned

__all__ = ["failure_of", "outcome", "take_back", "undo"]


async def undo(
    kit: CheckoutKit, record: CallRecord, charges: Sequence[Charge], error: VoucherError
) -> tuple[HeldOutcome, ...]:
    """Refund the charges, and list the outcome of every voucher.

    Args:
        kit: refunds.
        record: the checkout's, with its plan.
        charges: the charges, in the order of the plan.
        error: the error of the next one.
    """
    outcomes: list[HeldOutcome] = []
    for index, planned in enumerate(record.plan):
        if index < len(charges):
            try:
                outcomes.append(await take_back(kit, record, planned, charges[index]))
            except asyncio.CancelledError:
                _leave(kit, record, charges[index:])
                raise
        elif index == len(charges):
            outcomes.append(outcome(planned, _state_after(error), error=error))
        else:
            outcomes.append(outcome(planned, HeldState.NOT_CHARGED))
    return tuple(outcomes)


def _open_in(error: Exception | None) -> PendingOutcome | None:
    """The open outcome of an error, also of a refusal after which no look could be made."""
    return error.pending if isinstance(error, (OutcomeUnknown, ApiError)) else None


def _state_after(error: VoucherError) -> HeldState:
    if _open_in(error) is not None:
        return HeldState.UNKNOWN
    # another caller charged the reservation: this checkout did not, and it is charged all the same
    return HeldState.CHARGED if isinstance(error, ReservationAlreadyCharged) else HeldState.NOT_CHARGED


def _leave(kit: CheckoutKit, record: CallRecord, charges: Sequence[Charge]) -> None:
    """Report the charges as not refunded: the client was closed, or the loop ends."""
    under_way = {pending.charge_id for pending in kit.supervisor.pending}
    for charge in charges:
        if charge.id not in under_way:  # a refund in doubt is listed as open, not as failed
            _report_failed(kit, record, charge, None)


async def take_back(kit: CheckoutKit, record: CallRecord, planned: Planned, charge: Charge) -> HeldOutcome:
    """Refund one charge of a checkout, at most once among all workers, and tell the hooks.

    Args:
        kit: refunds.
        record: the checkout's.
        planned: the voucher.
        charge: its charge.
    """
    currency, key = record.parameters.currency or "", f"{planned.record}/refund"
    # some servers give a charge another voucher id than its reservation
    charge = attrs.evolve(charge, voucher_id=planned.reservation.voucher_id)
    try:
        refund = await kit.charges.take_back(charge, currency=currency, key=key, parent=record.id)
    except VoucherError as error:
        elsewhere = await _refunded_elsewhere(kit, planned, charge, key, error)
        if elsewhere is not None:
            return elsewhere
        if _open_in(error) is not None:
            return outcome(planned, HeldState.UNKNOWN, charge=charge, error=error)
        _report_failed(kit, record, charge, error)
        return outcome(planned, HeldState.CHARGED, charge=charge, error=error)
    kit.report.refunded(charge, **_of(record))
    return outcome(planned, HeldState.REFUNDED, charge=charge, refund=refund)


def _report_failed(kit: CheckoutKit, record: CallRecord, charge: Charge, error: VoucherError | None) -> None:
    kit.report.refund_failed(charge, error, **_of(record))


def _of(record: CallRecord) -> dict[str, str]:
    asked = record.parameters
    return {"order_number": asked.order_number or "", "currency": asked.currency or ""}


async def _refunded_elsewhere(
    kit: CheckoutKit, planned: Planned, charge: Charge, key: str, error: VoucherError
) -> HeldOutcome | None:
    """The outcome of a charge that another worker refunds; None where none does, or that is not known."""
    ownership = kit.joining.ownership
    try:
        other = await ask_journal(ownership.journal.find(ownership.scope, key))
    except JournalFailed:
        return None
    if other is None:
        return None
    if other.charge is not None:
        return outcome(planned, HeldState.REFUNDED, charge=charge, refund=other.charge)
    if other.ended or other.pending is None or not isinstance(error, (JournalFailed, StillRunning)):
        return None
    unknown = OutcomeUnknown("another worker is taking the charge back", pending=other.pending)
    return outcome(planned, HeldState.UNKNOWN, charge=charge, error=unknown)


def outcome(
    planned: Planned,
    state: HeldState,
    *,
    charge: Charge | None = None,
    refund: Charge | None = None,
    error: VoucherError | None = None,
) -> HeldOutcome:
    """The outcome of one voucher.

    Args:
        planned: the voucher.
        state: its state.
        charge: its charge.
        refund: the refund of that.
        error: the reason why it was not charged, not refunded, or is unknown.
    """
    return HeldOutcome(
        voucher_id=planned.reservation.voucher_id,
        amount=planned.reservation.amount,
        state=state,
        charge=charge,
        refund=refund,
        error=error,
    )


def failure_of(error: VoucherError, outcomes: Sequence[HeldOutcome]) -> CheckoutFailed:
    """The error of a checkout with these outcomes."""
    counts = [f"{count} {state}" for state in HeldState if (count := sum(o.state is state for o in outcomes))]
    message = f"the checkout failed ({', '.join(counts)}): {error.args[0]}"
    pending = next(filter(None, (_open_in(each.error) for each in outcomes)), None)
    if pending is None:
        return CheckoutFailed(message, outcomes=outcomes, facts=error.facts)
    return CheckoutUnknown(message, outcomes=outcomes, pending=pending, facts=error.facts)
