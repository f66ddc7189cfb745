"""Numbering of a client: order numbers as they are sent, and as the shop has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from voucher_async.references import format_of, make_reference

if TYPE_CHECKING:
    from voucher_async.models import Charge, ChargePage
    from voucher_async.outcomes import PendingOutcome, Settlement
    from voucher_async.references import OrderNumberFormat

__all__ = ["Numbering"]


class Numbering:
    """One per client.

    Args:
        text: the format of order numbers; None sends them as they are.
    """

    def __init__(self, text: str | None) -> None:
        self._format: OrderNumberFormat | None = None if text is None else format_of(text)

    @property
    def is_on(self) -> bool:
        """True when order numbers are sent with references."""
        return self._format is not None

    def formatted(self, pending: PendingOutcome) -> PendingOutcome:
        """A call whose entry carries the reference of another one, or one that is not known."""
        return (
            pending if self._format is None else attrs.evolve(pending, order_number_format=self._format.text)
        )

    def referenced(self, pending: PendingOutcome) -> PendingOutcome:
        """A call that is about to be sent, with a reference of its own."""
        if self._format is None:
            return pending
        return attrs.evolve(self.formatted(pending), reference=make_reference())

    def own(self, charge: Charge) -> Charge:
        """A charge with the shop's own order number."""
        if self._format is None:
            return charge
        number = self._format.strip(charge.order_number)
        return charge if number == charge.order_number else attrs.evolve(charge, order_number=number)

    def own_page(self, page: ChargePage, order_number: str | None) -> ChargePage:
        """A page of charges with the shop's own order numbers, and of one order alone.

        Args:
            page: the page.
            order_number: the order; None keeps all.
        """
        charges = map(self.own, page.data)
        kept = (charge for charge in charges if order_number in {None, charge.order_number})
        return attrs.evolve(page, data=tuple(kept))

    def own_settlement(self, settlement: Settlement) -> Settlement:
        """A settlement whose charges have the shop's own order numbers."""
        if self._format is None:
            return settlement
        return attrs.evolve(
            settlement,
            charge=None if settlement.charge is None else self.own(settlement.charge),
            surplus=tuple(map(self.own, settlement.surplus)),
            refunds=tuple(map(self.own, settlement.refunds)),
        )
