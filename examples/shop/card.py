"""A provider of card payments, pretended: it takes every card but one, and moves no money.

It has what a real one has, and what makes it safe to ask again: each call names its payment, and a repeated
call changes nothing. Its table stands for the provider's own; only `authorise` sees a card's number.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from .database import cards, orders

__all__ = ["ACCEPTED", "DECLINED", "Declined", "authorise", "capture", "give_back", "void"]

ACCEPTED: Final = "4242 4242 4242 4242"
DECLINED: Final = "4000 0000 0000 0002"
_DIGITS: Final = range(12, 20)


class Declined(Exception):
    """The card was not accepted."""


def authorise(database: sa.Engine, number: str, cents: int, card: str) -> str:
    """Set an amount aside on a card; nothing is taken yet.

    Args:
        database: the provider.
        number: the order.
        cents: the amount.
        card: the card's number.

    Returns:
        The authorisation; of two equal calls the same.

    Raises:
        Declined: the card was not accepted.
    """
    digits = "".join(card.split())
    if not digits.isdecimal() or len(digits) not in _DIGITS or digits == "".join(DECLINED.split()):
        raise Declined
    made = f"{number}/{cents}"
    new = insert(cards).values(id=made, cents=cents, state="authorised")
    again = new.on_conflict_do_update(
        index_elements=[cards.c.id], set_={"state": "authorised"}, where=cards.c.state == "voided"
    )
    with database.begin() as db:
        db.execute(again)
    return made


def capture(database: sa.Engine, authorisation: str | None) -> None:
    """Take what was set aside."""
    _change(database, authorisation, "authorised", "captured")


def give_back(database: sa.Engine, authorisation: str | None) -> None:
    """Give back what was taken."""
    _change(database, authorisation, "captured", "refunded")


def void(database: sa.Engine, authorisation: str | None) -> None:
    """Let go what was set aside, unless an order is being paid with it."""
    in_use = sa.exists().where(orders.c.card == authorisation, orders.c.state != "open")
    _change(database, authorisation, "authorised", "voided", ~in_use)


def _change(
    database: sa.Engine, authorisation: str | None, old: str, new: str, *where: sa.ColumnElement[bool]
) -> None:
    is_it = (cards.c.id == authorisation, cards.c.state == old, *where)
    with database.begin() as db:
        db.execute(sa.update(cards).where(*is_it).values(state=new))
