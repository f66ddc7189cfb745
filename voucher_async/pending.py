"""What is known about a call whose outcome is open, as plain values."""

from __future__ import annotations

import datetime as dt
import enum
from decimal import Decimal

import attrs

from voucher_async.models import Charge

__all__ = ["HeldOutcome", "HeldState", "PendingOutcome"]


@attrs.frozen(kw_only=True)
class PendingOutcome:
    """A call that may or may not have been carried out, with what is needed to find out. Holds no secret.

    Attributes:
        operation: the operation id, such as `chargeReservation`.
        voucher_id: the voucher; None when only its code is known (a recharge by code).
        reservation_id: the reservation that was charged.
        charge_id: the charge that was refunded.
        amount: the amount in currency units; None when the call names none.
        currency: ISO 4217.
        order_number: the order the call belongs to.
        sent_at: when the request went out, by the server's clock as far as it is known; aware.
    """

    operation: str
    voucher_id: str | None = None
    reservation_id: str | None = None
    charge_id: str | None = None
    amount: Decimal | None = None
    currency: str | None = None
    order_number: str | None = None
    sent_at: dt.datetime | None = None


class HeldState(enum.StrEnum):
    """What became of one voucher of a checkout."""

    NOT_CHARGED = "not charged"
    CHARGED = "charged"
    REFUNDED = "refunded"
    UNKNOWN = "unknown"


@attrs.frozen(kw_only=True)
class HeldOutcome:
    """What became of one voucher of a checkout that failed.

    Attributes:
        voucher_id: the voucher.
        amount: the amount that was reserved, in currency units.
        state: charged and refunded again, still charged, never charged, or not known.
        charge: the charge, when there was one.
        refund: its refund, when that worked.
        error: why it was not charged, not refunded, or is unknown.
    """

    voucher_id: str
    amount: Decimal
    state: HeldState
    charge: Charge | None = None
    refund: Charge | None = None
    error: Exception | None = None
