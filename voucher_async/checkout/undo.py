"""Taking back what a checkout charged before one of its vouchers failed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from voucher_async.errors import (
    ApiError,
    CheckoutFailed,
    CheckoutUnknown,
    OutcomeUnknown,
    ReservationAlreadyCharged,
    VoucherError,
)
from voucher_async.pending import HeldOutcome, HeldState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from voucher_async.checkout.checkout import Checkout
    from voucher_async.checkout.held import HeldReservation
    from voucher_async.checkout.lifecycle import Lifecycle
    from voucher_async.models import Charge
    from voucher_async.pending import PendingOutcome

__all__ = ["failure_of", "undo"]


async def undo(
    parts: Lifecycle, checkout: Checkout, charges: Sequence[Charge], error: VoucherError
) -> tuple[HeldOutcome, ...]:
    """Refund what was charged, and say what became of every voucher.

    Args:
        parts: what to refund with.
        checkout: whose vouchers.
        charges: what was charged, in the order of the checkout's reservations.
        error: why the next one was not charged.
    """
    outcomes: list[HeldOutcome] = []
    for index, held in enumerate(checkout.held):
        if index < len(charges):
            try:
                outcomes.append(await _refund(parts, checkout, held, charges[index]))
            except asyncio.CancelledError:
                _leave(parts, checkout, charges[index:])
                raise
        elif index == len(charges):
            outcomes.append(_outcome(held, _state_after(error), error=error))
        else:
            outcomes.append(_outcome(held, HeldState.NOT_CHARGED))
    return tuple(outcomes)


def _open_in(error: Exception | None) -> PendingOutcome | None:
    """The open outcome that an error tells of; a refusal that could not be looked into tells of one, too."""
    return error.pending if isinstance(error, (OutcomeUnknown, ApiError)) else None


def _state_after(error: VoucherError) -> HeldState:
    if _open_in(error) is not None:
        return HeldState.UNKNOWN
    # somebody else charged the reservation: not this checkout, and charged all the same
    return HeldState.CHARGED if isinstance(error, ReservationAlreadyCharged) else HeldState.NOT_CHARGED


def _leave(parts: Lifecycle, checkout: Checkout, charges: Sequence[Charge]) -> None:
    """Nothing can be refunded any more: the client was closed, or the loop ends."""
    under_way = {pending.charge_id for pending in parts.desk.pending}
    for charge in charges:
        if charge.id not in under_way:  # what is in doubt is open, and listed as such
            _report_failed(parts, checkout, charge, None)


async def _refund(parts: Lifecycle, checkout: Checkout, held: HeldReservation, charge: Charge) -> HeldOutcome:
    try:
        refund = await parts.charges.take_back(charge, currency=checkout.currency)
    except VoucherError as error:
        if _open_in(error) is not None:
            return _outcome(held, HeldState.UNKNOWN, charge=charge, error=error)
        _report_failed(parts, checkout, charge, error)
        return _outcome(held, HeldState.CHARGED, charge=charge, error=error)
    parts.report.refunded(charge, order_number=checkout.order_number, currency=checkout.currency)
    return _outcome(held, HeldState.REFUNDED, charge=charge, refund=refund)


def _report_failed(parts: Lifecycle, checkout: Checkout, charge: Charge, error: VoucherError | None) -> None:
    parts.report.refund_failed(charge, error, order_number=checkout.order_number, currency=checkout.currency)


def _outcome(
    held: HeldReservation,
    state: HeldState,
    *,
    charge: Charge | None = None,
    refund: Charge | None = None,
    error: VoucherError | None = None,
) -> HeldOutcome:
    return HeldOutcome(
        voucher_id=held.voucher_id,
        amount=held.amount,
        state=state,
        charge=charge,
        refund=refund,
        error=error,
    )


def failure_of(error: VoucherError, outcomes: Sequence[HeldOutcome]) -> CheckoutFailed:
    """The error of a checkout whose vouchers came to these ends."""
    counts = [f"{count} {state}" for state in HeldState if (count := sum(o.state is state for o in outcomes))]
    message = f"the checkout failed ({', '.join(counts)}): {error.args[0]}"
    pending = next(filter(None, (_open_in(outcome.error) for outcome in outcomes)), None)
    if pending is None:
        return CheckoutFailed(message, outcomes=outcomes, facts=error.facts)
    return CheckoutUnknown(message, outcomes=outcomes, pending=pending, facts=error.facts)
