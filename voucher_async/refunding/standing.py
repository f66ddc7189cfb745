"""The part of an order's charges that stands, and the split of an amount over it: pure.

A refund in a list carries no link to its charge, only its voucher and its order number. So of two charges of
one order on one voucher nobody can tell which one a refund was of that somebody made by hand. What can be
refunded for certain is then less than what is left.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import attrs

from voucher_async.models import Charge
from voucher_async.money import ZERO, difference, rest_of, total

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Share", "Standing", "Taken", "shares_of", "standing_of"]


@attrs.frozen(kw_only=True)
class Taken:
    """A charge of the order.

    Attributes:
        charge: the charge; its voucher is that in whose list it stands.
        currency: ISO 4217.
        position: its place among those of the order, the oldest first, where their times are the same.
        refunded: the amount of the refunds that are known to be of it, in currency units.
        mark: its order number as it was sent, where that has a reference of its own; its refunds carry it.
    """

    charge: Charge
    currency: str
    position: int = 0
    refunded: Decimal = ZERO
    mark: str | None = None

    @property
    def left(self) -> Decimal:
        """The amount that its known refunds leave."""
        return rest_of(self.charge.amount, self.refunded)


@attrs.frozen(kw_only=True)
class Share:
    """A charge, and a part of it: what can be refunded for certain, or what is.

    Attributes:
        charge: the charge.
        currency: ISO 4217.
        amount: in currency units, above zero.
    """

    charge: Charge
    currency: str
    amount: Decimal


@attrs.frozen(kw_only=True)
class Standing:
    """The part of an order that is charged, and not refunded.

    Attributes:
        refundable: the charges of which something can be refunded, the latest first.
        left: all that is left, in currency units; more than `certain` where refunds cannot be told apart.
    """

    refundable: tuple[Share, ...] = ()
    left: Decimal = ZERO

    @property
    def certain(self) -> Decimal:
        """All that can be refunded, in currency units."""
        return total(each.amount for each in self.refundable)


def standing_of(taken: Iterable[Taken], refunds: Iterable[Charge]) -> Standing:
    """The part of an order that stands.

    Args:
        taken: its charges, with the refunds that are known to be of each.
        refunds: refunds in the lists of their vouchers, of this order, whose charges are not known.
    """
    by_voucher: dict[str, list[Taken]] = {}
    for each in taken:
        by_voucher.setdefault(each.charge.voucher_id, []).append(each)
    refundable: list[tuple[Taken, Decimal]] = []
    left = ZERO
    unknown = list(refunds)
    for voucher_id, charges in by_voucher.items():
        given = [each for each in unknown if each.voucher_id == voucher_id]
        attributed, others = _attributed(charges, given)
        rest = total(each.left for each in attributed)
        lost = min(total(each.amount for each in others), rest)
        left = total((left, difference(rest, lost)))
        # what nobody can attribute may be of any of them
        refundable += ((each, rest_of(each.left, lost)) for each in attributed)
    refundable.sort(key=lambda each: (each[0].charge.created_at, each[0].position), reverse=True)
    return Standing(
        refundable=tuple(
            Share(charge=each.charge, currency=each.currency, amount=amount)
            for each, amount in refundable
            if amount > ZERO
        ),
        left=left,
    )


def _attributed(charges: Sequence[Taken], refunds: Sequence[Charge]) -> tuple[list[Taken], list[Charge]]:
    """The charges of one voucher, each with the refunds that can be of it alone; and the others."""
    known, others = list(charges), list(refunds)
    has_changed = True
    while others and has_changed:
        has_changed = False
        for refund in tuple(others):
            fitting = _fitting(known, refund)
            if len(fitting) == 1:
                index = fitting[0]
                refunded = total((known[index].refunded, refund.amount))
                known[index] = attrs.evolve(known[index], refunded=refunded)
                others.remove(refund)
                has_changed = True
    return known, others


def _fitting(charges: Sequence[Taken], refund: Charge) -> list[int]:
    """The charges that a refund may be of: it has the mark of its charge, and takes no more than is left."""
    marked = [
        n for n, each in enumerate(charges) if each.mark is not None and each.mark == refund.order_number
    ]
    indexes = marked if len(marked) == 1 else range(len(charges))
    if len(charges) == 1 or len(marked) == 1:
        return list(indexes)
    return [index for index in indexes if charges[index].left >= refund.amount]


def shares_of(refundable: Sequence[Share], amount: Decimal | None) -> tuple[Share, ...]:
    """The split of an amount over the charges: from each as much as it has, until the amount is reached.

    Args:
        refundable: the charges, the first one first.
        amount: in currency units; None: all there is.
    """
    shares: list[Share] = []
    missing = total(each.amount for each in refundable) if amount is None else amount
    for each in refundable:
        part = min(each.amount, missing)
        if part > ZERO:
            shares.append(attrs.evolve(each, amount=part))
            missing = difference(missing, part)
    return tuple(shares)
