"""The shop's goods, and amounts of money as a page shows them."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple

__all__ = ["CURRENCY", "GOODS", "Product", "in_cents", "in_units", "shown"]

CURRENCY: Final = "EUR"


class Product(NamedTuple):
    """One thing on the shelf.

    Attributes:
        sku: its number.
        name: its name.
        about: one sentence about it.
        cents: its price, in cents.
    """

    sku: str
    name: str
    about: str
    cents: int


GOODS: Final = {
    each.sku: each
    for each in (
        Product("cup", "Morning cup", "Stoneware, holds what a morning needs.", 1800),
        Product("bowl", "Soup bowl", "Wide and heavy, for winter evenings.", 2400),
        Product("vase", "Slim vase", "For one branch, or for none.", 3200),
        Product("pot", "Teapot", "Pours without a drop on the table.", 5400),
    )
}


def in_units(cents: int) -> Decimal:
    """An amount in currency units, as the SDK takes it."""
    return Decimal(cents).scaleb(-2)


def in_cents(amount: Decimal) -> int:
    """An amount in cents, as the database keeps it."""
    return int(amount.scaleb(2))


def shown(cents: int) -> str:
    """An amount for people."""
    return f"€{in_units(cents):,.2f}"
