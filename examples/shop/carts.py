"""Carts: what a visitor has put aside, until an order is paid."""

from __future__ import annotations

import time
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from .database import carts, lines, orders
from .goods import GOODS, Product

__all__ = ["MOST", "Line", "add", "cart_of", "change", "place"]

MOST: Final = 20  # of one thing


class Line(NamedTuple):
    """Some of one product.

    Attributes:
        product: the product.
        quantity: how many.
    """

    product: Product
    quantity: int

    @property
    def cents(self) -> int:
        """The price of all of them."""
        return self.product.cents * self.quantity


def _read(db: sa.Connection, session: str) -> list[Line]:
    found = db.execute(sa.select(carts.c.sku, carts.c.quantity).where(carts.c.session == session))
    quantities = {sku: quantity for sku, quantity in found if sku in GOODS}
    return [Line(GOODS[sku], quantities[sku]) for sku in GOODS if sku in quantities]


def cart_of(database: sa.Engine, session: str) -> list[Line]:
    """A visitor's cart."""
    with database.begin() as db:
        return _read(db, session)


def add(database: sa.Engine, session: str, sku: str) -> None:
    """Put one more of a product into the cart; one that there is not changes nothing."""
    if sku not in GOODS:
        return
    one_more = sa.func.min(carts.c.quantity + 1, MOST)
    new = insert(carts).values(session=session, sku=sku, quantity=1)
    with database.begin() as db:
        db.execute(new.on_conflict_do_update(index_elements=["session", "sku"], set_={"quantity": one_more}))


def change(database: sa.Engine, session: str, sku: str, quantity: int) -> None:
    """Have that many of a product in the cart; none takes it out."""
    is_it = (carts.c.session == session, carts.c.sku == sku)
    with database.begin() as db:
        if quantity < 1:
            db.execute(sa.delete(carts).where(*is_it))
        else:
            db.execute(sa.update(carts).where(*is_it).values(quantity=min(quantity, MOST)))


def place(database: sa.Engine, session: str) -> str | None:
    """Make an order of the cart. Asked twice, or with the order still open, it is the same order.

    Returns:
        The order's number; None where the cart is empty.
    """
    with database.begin() as db:
        cart = _read(db, session)
        if not cart:
            return None
        wanted = {line.product.sku: line.quantity for line in cart}
        is_open = (orders.c.session == session, orders.c.state == "open")
        latest = db.scalar(sa.select(orders.c.number).where(*is_open).order_by(orders.c.id.desc()).limit(1))
        ordered = db.execute(sa.select(lines.c.sku, lines.c.quantity).where(lines.c.number == latest))
        if latest is not None and {line.sku: line.quantity for line in ordered} == wanted:
            return str(latest)
        return _make(db, session, cart)


def _make(db: sa.Connection, session: str, cart: list[Line]) -> str:
    order = {"session": session, "state": "open", "cents": sum(line.cents for line in cart)}
    made = sa.insert(orders).values(**order, since=time.time(), refusals=0).returning(orders.c.id)
    id_ = db.execute(made).scalar_one()
    number = f"L-{10_000 + id_}"
    db.execute(sa.update(orders).where(orders.c.id == id_).values(number=number))
    for line in cart:
        product = line.product
        row = {"sku": product.sku, "name": product.name, "cents": product.cents, "quantity": line.quantity}
        db.execute(sa.insert(lines).values(number=number, **row))
    return number
