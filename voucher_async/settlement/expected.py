"""What an answer must say to be the answer to what was asked: money is compared, not taken on trust."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from voucher_async.models import Charge, ChargeType, Reservation

__all__ = ["charge_of", "reservation_of"]


def reservation_of(amount: Decimal) -> Callable[[Reservation], str | None]:
    """A check for the answer to a reservation.

    Args:
        amount: what was asked for, in currency units.
    """

    def check(reservation: Reservation) -> str | None:
        if reservation.amount != amount:
            return f"{amount} was to be reserved, {reservation.amount} was"
        return None

    return check


def charge_of(
    kind: ChargeType, amount: Decimal | None, voucher_id: str | None
) -> Callable[[Charge], str | None]:
    """A check for the answer to a charge, a refund or a recharge.

    Args:
        kind: which of the three.
        amount: what was asked for, in currency units; None when it is not known here.
        voucher_id: whose money; None when it is not known here.
    """

    def check(charge: Charge) -> str | None:
        if charge.type != kind:
            return f"a {kind} was asked for, this is a {charge.type}"
        if amount is not None and charge.amount != amount:
            return f"a {kind} of {amount} was asked for, this is one of {charge.amount}"
        if voucher_id is not None and charge.voucher_id != voucher_id:
            return "it belongs to another voucher"
        return None

    return check
