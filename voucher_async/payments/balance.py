"""The sum of a voucher's movements, held against its balance."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final

from voucher_async.models import ChargeType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from voucher_async.models import Charge, VoucherDetails

__all__ = ["adds_up"]

_SIGNS: Final = {ChargeType.CHARGE: -1, ChargeType.RECHARGE: 1, ChargeType.REFUND: 1}


def adds_up(voucher: VoucherDetails, charges: Iterable[Charge]) -> bool:
    """True when the amount, with all that was added and taken, is what remains.

    Fractions are exact whatever the application's decimal context is.

    Args:
        voucher: the voucher, read after its charges.
        charges: all its charges, refunds and recharges; one of an unknown type never adds up.
    """
    balance = Fraction(voucher.amount)
    for charge in charges:
        sign = _SIGNS.get(charge.type)
        if sign is None:
            return False
        balance += sign * Fraction(charge.amount)
    return balance == Fraction(voucher.remaining_amount)
