"""Refunds of a whole order: the value that tells what was given back, and the errors that carry the rest."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from decimal import Decimal

import attrs

from voucher_async.errors import CallFacts, VoucherError
from voucher_async.models import Charge
from voucher_async.money import total
from voucher_async.outcomes import OutcomeUnknown, PendingOutcome
from voucher_async.values import Value, WithError

__all__ = [
    "ChargeRefund",
    "OrderRefund",
    "OrderRefundFailed",
    "OrderRefundUnknown",
    "RefundOutcome",
    "RefundState",
]


@attrs.frozen(kw_only=True)
class ChargeRefund(Value):
    """One refund of a charge of the order.

    Attributes:
        charge_id: the charge that was refunded, wholly or in part.
        currency: ISO 4217.
        refund: its refund, a charge of type `refund`, with its amount and its voucher.
    """

    charge_id: str
    currency: str
    refund: Charge


@attrs.frozen(kw_only=True)
class OrderRefund(Value):
    """The money that one `refund_order` gave back, all runs with its key together.

    Attributes:
        order_number: the order, the shop's own number.
        amount: the sum of the refunds, in currency units; 0.00 where nothing was left to refund.
        currency: ISO 4217; None where nothing was refunded.
        refunds: the refunds, in the order in which they were made.
    """

    order_number: str
    amount: Decimal
    currency: str | None = None
    refunds: tuple[ChargeRefund, ...] = ()


class RefundState(enum.StrEnum):
    """The state in which the refund of an order left one of its charges."""

    REFUNDED = "refunded"
    NOT_REFUNDED = "not refunded"
    UNKNOWN = "unknown"


@attrs.frozen(kw_only=True)
class RefundOutcome(WithError):
    """The outcome for one charge of an order whose refund failed. As JSON it has the text of its error.

    Attributes:
        charge_id: the charge.
        voucher_id: its voucher.
        amount: how much of it was to be refunded, in currency units.
        currency: ISO 4217.
        state: refunded, certainly not refunded, or not known.
        refund: the refund, where it was made.
        error: why it was not made, or is unknown; None where it was made, or was not begun.
    """

    charge_id: str
    voucher_id: str
    amount: Decimal
    currency: str
    state: RefundState
    refund: Charge | None = None
    error: Exception | None = None


class OrderRefundFailed(VoucherError):
    """Not all that was asked for was given back; asked again with the same key, the rest is.

    Attributes:
        outcomes: the outcome of each charge, those of earlier runs with the key first; empty where nothing
            was begun.
        amount: what was given back, in currency units, all runs with the key together.
        open_calls: calls of the order whose outcome is open, or which are under way, so that nothing was
            begun: settle them first.
    """

    def __init__(
        self,
        message: str,
        *,
        outcomes: Sequence[RefundOutcome] = (),
        open_calls: Sequence[PendingOutcome] = (),
        facts: CallFacts | None = None,
    ) -> None:
        VoucherError.__init__(self, message, facts=facts)  # `OrderRefundUnknown` has two bases
        self.outcomes: tuple[RefundOutcome, ...] = tuple(outcomes)
        self.open_calls: tuple[PendingOutcome, ...] = tuple(open_calls)

    @property
    def amount(self) -> Decimal:
        """The amount that was given back, in currency units."""
        return total(each.amount for each in self.outcomes if each.state is RefundState.REFUNDED)


class OrderRefundUnknown(OrderRefundFailed, OutcomeUnknown):
    """The refund of an order of which at least one refund may or may not have been made.

    Attributes:
        outcomes: the outcome of each charge, those of earlier runs with the key first.
        pending: the first open outcome; each open one is in `outcomes`.
    """

    def __init__(
        self,
        message: str,
        *,
        outcomes: Sequence[RefundOutcome],
        pending: PendingOutcome,
        facts: CallFacts | None = None,
    ) -> None:
        OrderRefundFailed.__init__(self, message, outcomes=outcomes, facts=facts)
        self.pending = pending
