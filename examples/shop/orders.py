"""Orders, and how they go on: open, paying, paid, refunding, refunded.

Each step is one transaction that says which state it expects, so of two requests that want it at once one
gets it, and the other finds it done.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from .database import cards, carts, lines, orders, vouchers

__all__ = ["MOST_REFUSALS", "Order", "Orders", "Used", "same_code"]

MOST_REFUSALS: Final = 8  # of an order; who guesses codes is stopped by a limit for each address, too


def same_code(code: str) -> str:
    """The part of a code that counts: equal for equal codes, however they are written."""
    return re.sub(r"[\W_]+", "", code).casefold()


@dataclass(frozen=True)
class Used:
    """A voucher of an order.

    Attributes:
        id: the shop's own number for it.
        label: the end of its code, for the customer.
        code: its code; None once the payment has ended.
        pin: its pin, where it has one.
        cents: what is held of it, and then charged.
        held_until: when that ends, in seconds since 1970.
        charge: its charge as JSON, once it was made.
    """

    id: int
    label: str
    code: str | None
    pin: str | None
    cents: int
    held_until: float
    charge: str | None


@dataclass(frozen=True)
class Order:
    """An order, as it is at this moment.

    Attributes:
        number: its number, the key of its payment.
        state: open, paying, paid, refunding or refunded.
        cents: the sum of its goods.
        card: the authorisation that pays the rest.
        refusals: how many vouchers were refused.
        notice: what the customer has to know, by its name.
        lines: name, quantity and price of one, in cents.
        vouchers: its vouchers, in the order they were entered.
    """

    number: str
    state: str
    cents: int
    card: str | None
    refusals: int
    notice: str | None
    lines: tuple[tuple[str, int, int], ...]
    vouchers: tuple[Used, ...]

    @property
    def covered(self) -> int:
        """What the vouchers pay, in cents."""
        return sum(each.cents for each in self.vouchers)

    @property
    def rest(self) -> int:
        """What the card pays, in cents."""
        return self.cents - self.covered

    def seconds(self, now: float) -> int:
        """Seconds until the first of its vouchers is held no longer."""
        return max(int(min((each.held_until for each in self.vouchers), default=now) - now), 0)


class Orders:
    """The orders in the shop's database.

    Args:
        database: the shop's.
        now: seconds since 1970.
    """

    def __init__(self, database: sa.Engine, now: Callable[[], float]) -> None:
        self.database = database
        self.now = now

    def find(self, number: str, session: str | None = None) -> Order | None:
        """An order; with a session, only if it is that visitor's."""
        whose = sa.true() if session is None else orders.c.session == session
        with self.database.begin() as db:
            row = db.execute(sa.select(orders).where(orders.c.number == number, whose)).first()
            if row is None:
                return None
            columns = (lines.c.name, lines.c.quantity, lines.c.cents)
            bought = db.execute(sa.select(*columns).where(lines.c.number == number))
            used = db.execute(sa.select(vouchers).where(vouchers.c.number == number).order_by(vouchers.c.id))
            names = Used.__dataclass_fields__
            return Order(
                row.number,
                row.state,
                row.cents,
                row.card,
                row.refusals,
                row.notice,
                tuple((name, quantity, cents) for name, quantity, cents in bought),
                tuple(Used(**{name: getattr(each, name) for name in names}) for each in used),
            )

    def of(self, session: str) -> list[tuple[str, str, int]]:
        """Number, state and sum of a visitor's orders, the newest first."""
        columns = (orders.c.number, orders.c.state, orders.c.cents)
        asked = sa.select(*columns).where(orders.c.session == session).order_by(orders.c.id.desc())
        with self.database.begin() as db:
            return [(number, state, cents) for number, state, cents in db.execute(asked)]

    def unfinished(self, older_than: float) -> list[tuple[str, str]]:
        """Number and state of the orders that have been under way for longer than so many seconds."""
        is_under_way = orders.c.state.in_(("paying", "refunding"))
        is_due = is_under_way & (orders.c.since <= self.now() - older_than)
        with self.database.begin() as db:
            found = db.execute(sa.select(orders.c.number, orders.c.state).where(is_due))
            return [(number, state) for number, state in found]

    def state(self, number: str) -> str | None:
        """The state that an order is in."""
        with self.database.begin() as db:
            return db.scalar(sa.select(orders.c.state).where(orders.c.number == number))

    def note(self, number: str, notice: str | None, *, refused: bool = False) -> None:
        """Note what the customer has to know next, on an order that is still open."""
        is_open = (orders.c.number == number, orders.c.state == "open")
        changes = {"notice": notice, "refusals": orders.c.refusals + int(refused)}
        with self.database.begin() as db:
            db.execute(sa.update(orders).where(*is_open).values(changes))

    def hold(self, number: str, *, code: str, pin: str | None, cents: int, until: float) -> int:
        """Note what is held of a voucher: a new one, or one of the order's again.

        Returns:
            What was noted, in cents: never more than what is still to be paid, and nothing once the order is
            no longer open.
        """
        same = same_code(code)
        others = sa.select(sa.func.sum(vouchers.c.cents)).where(
            vouchers.c.number == number, vouchers.c.same != same
        )
        with self.database.begin() as db:
            row = db.execute(sa.select(orders).where(orders.c.number == number)).one()
            held: int = min(cents, row.cents - (db.scalar(others) or 0))
            if row.state != "open" or held <= 0:
                return 0
            again = {"cents": held, "held_until": until}
            new = {
                "number": number,
                "same": same,
                "label": code.strip()[-4:],
                "code": code,
                "pin": pin,
                **again,
            }
            adding = insert(vouchers).values(new)
            db.execute(adding.on_conflict_do_update(index_elements=["number", "same"], set_=again))
            return held

    def drop(self, number: str, id: int) -> None:
        """Take a voucher off an order that is still open, and forget its code."""
        is_open = sa.exists().where(orders.c.number == number, orders.c.state == "open")
        with self.database.begin() as db:
            db.execute(sa.delete(vouchers).where(vouchers.c.number == number, vouchers.c.id == id, is_open))

    def begin_paying(self, number: str, rest: int, card: str | None) -> bool:
        """Begin the payment, with the rest that the customer has seen and an authorisation for it.

        From here on the order has all that it takes to ask for its payment again, whoever does.

        Returns:
            False where the order is no longer open, or its sums are others.
        """
        covered = sa.func.coalesce(sa.func.sum(vouchers.c.cents), 0)
        paid_by_vouchers = sa.select(covered).where(vouchers.c.number == number).scalar_subquery()
        is_set_aside = sa.exists().where(
            cards.c.id == card, cards.c.state == "authorised", cards.c.cents == rest
        )
        return self._go_on(
            number,
            "open",
            "paying",
            orders.c.cents - paid_by_vouchers == rest,
            sa.true() if rest == 0 else is_set_aside,
            card=card,
            notice=None,
        )

    def end_paying(self, number: str, charges: Sequence[str]) -> bool:
        """Mark an order as paid: its charges are noted, its codes deleted, the cart is empty.

        Args:
            number: the order.
            charges: the charges of its vouchers as JSON, in their order.
        """
        with self.database.begin() as db:
            session = self._change(db, number, "paying", "paid")
            if session is None:
                return False
            db.execute(sa.delete(carts).where(carts.c.session == session))
            ids = db.scalars(
                sa.select(vouchers.c.id).where(vouchers.c.number == number).order_by(vouchers.c.id)
            )
            for id_, charge in zip(ids.all(), charges, strict=True):
                ended = {"charge": charge, "code": None, "pin": None, "same": f"charged/{id_}"}
                db.execute(sa.update(vouchers).where(vouchers.c.id == id_).values(ended))
        return True

    def stop_paying(self, number: str, notice: str) -> bool:
        """Open an order again: it is proved that nothing was charged."""
        return self._go_on(number, "paying", "open", notice=notice, card=None)

    def begin_refund(self, number: str) -> bool:
        """Begin to give all of an order's money back."""
        return self._go_on(number, "paid", "refunding")

    def end_refund(self, number: str) -> bool:
        """Mark an order as refunded."""
        return self._go_on(number, "refunding", "refunded")

    def _go_on(
        self, number: str, old: str, new: str, *where: sa.ColumnElement[bool], **values: str | None
    ) -> bool:
        with self.database.begin() as db:
            return self._change(db, number, old, new, *where, **values) is not None

    def _change(
        self,
        db: sa.Connection,
        number: str,
        old: str,
        new: str,
        *where: sa.ColumnElement[bool],
        **values: str | None,
    ) -> str | None:
        is_it = (orders.c.number == number, orders.c.state == old, *where)
        changing = sa.update(orders).where(*is_it).values(state=new, since=self.now(), **values)
        session: str | None = db.scalar(changing.returning(orders.c.session))
        return session
