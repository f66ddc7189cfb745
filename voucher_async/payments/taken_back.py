"""Evidence in a voucher's list of charges that a charge was taken back: pure."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from voucher_async.models import Charge, ChargeType
from voucher_async.money import total
from voucher_async.payments.likeness import Likeness, compare

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["covers", "refunds_of"]

_SKEW: Final = dt.timedelta(days=1)  # no wrong clock explains a larger difference


def refunds_of(charge: Charge, charges: Iterable[Charge]) -> tuple[Charge, ...]:
    """The refunds that took all of a charge back; none where that cannot be told.

    A refund carries no link to its charge, only the order number. So it is told where the refunds of the
    order cover every charge of the order; a part of them may be of another charge of the same order.

    Args:
        charge: the charge.
        charges: all entries of its voucher, read from end to end.
    """
    alike = [
        each for each in charges if compare(charge.order_number, each.order_number) is not Likeness.OTHER
    ]
    taken = [each for each in alike if each.type == ChargeType.CHARGE]
    given = tuple(
        each
        for each in alike
        if each.type == ChargeType.REFUND and charge.created_at - each.created_at <= _SKEW
    )
    if charge.id not in {each.id for each in taken}:
        taken.append(charge)
    return (
        given
        if given and total(each.amount for each in given) >= total(each.amount for each in taken)
        else ()
    )


def covers(charge: Charge, refunds: Sequence[Charge]) -> bool:
    """True when refunds that are known to be of a charge take all of it back."""
    return bool(refunds) and total(refund.amount for refund in refunds) >= charge.amount
