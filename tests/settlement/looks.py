"""What calls look like in a voucher's list of charges, read from the contract and not from the SDK."""

from __future__ import annotations

import datetime as dt

from voucher_async.operations import CHARGE_RESERVATION, RECHARGE_VOUCHER, REFUND_CHARGE
from voucher_async.outcomes import PendingOutcome
from voucher_async.testing import ChargeRecord

_KINDS = {CHARGE_RESERVATION.id: "charge", REFUND_CHARGE.id: "refund", RECHARGE_VOUCHER.id: "recharge"}
SKEW = dt.timedelta(seconds=3)  # the clocks of a server's machines differ by no more


def _look(pending: PendingOutcome) -> tuple[object, ...]:
    order = None if pending.operation == REFUND_CHARGE.id else pending.order_number
    return pending.operation, pending.voucher_id, pending.amount, order


def may_look_like(other: PendingOutcome, pending: PendingOutcome) -> bool:
    """Whether a call would look the same in the list; one whose voucher is not known may be of any."""
    known = (
        part if part is not None else mine for part, mine in zip(_look(other), _look(pending), strict=True)
    )
    return tuple(known) == _look(pending)


def may_be_taken_for(pending: PendingOutcome, charge: ChargeRecord) -> bool:
    """Whether a charge may be the effect of a call for all that servers rewrite: orders, stamps, amounts."""
    kind = _KINDS[pending.operation]
    same_order = charge.sent_order_number == pending.order_number
    return (
        charge.type == kind
        and charge.voucher_id == pending.voucher_id
        and charge.id not in (pending.known or ())
        and (charge.amount == pending.amount or (same_order and kind != "charge"))
    )


def looks_like(pending: PendingOutcome, charge: ChargeRecord) -> bool:
    """Whether a charge cannot be told from the effect of a call."""
    kind = _KINDS[pending.operation]
    order = charge.sent_order_number if kind != "refund" else None
    look = (pending.operation, charge.voucher_id, charge.amount, order)
    return (
        charge.type == kind
        and look == _look(pending)
        and charge.id not in (pending.known or ())
        and (pending.known is not None or pending.since is None or pending.since - SKEW <= charge.created_at)
        and (pending.until is None or charge.created_at <= pending.until)
    )
