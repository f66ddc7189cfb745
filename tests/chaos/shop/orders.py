"""The shop's own database: its orders, as `docs/orders.md` recommends, each change in one transaction."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

import attrs

from voucher_async import Charge

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS orders (
    number TEXT PRIMARY KEY,
    total TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending',
    charges TEXT NOT NULL DEFAULT '[]',
    card TEXT NOT NULL DEFAULT '0.00',
    refunds TEXT NOT NULL DEFAULT '{}'
)
"""


@attrs.frozen(kw_only=True)
class Row:
    """An order as the shop has it.

    Attributes:
        number: its number.
        total: its price, in currency units.
        state: `pending`, then `paid` or `unpaid`.
        charges: of its vouchers; a refund needs them whole.
        card: what was paid by card.
        refunds: what was given back to vouchers, by the refund's id.
    """

    number: str
    total: Decimal
    state: str
    charges: tuple[Charge, ...]
    card: Decimal
    refunds: dict[str, Decimal]

    @property
    def amounts(self) -> dict[str, Decimal]:
        """What was taken from vouchers, by the charge's id."""
        return {each.id: each.amount for each in self.charges}


class Orders:
    """The orders of a shop, in a file that all its workers share.

    Args:
        path: the file.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = path

    @contextlib.contextmanager
    def _begin(self) -> Iterator[sqlite3.Connection]:
        db = sqlite3.connect(self._path, timeout=60.0, isolation_level=None)
        with contextlib.closing(db):
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")

    def place(self, orders: Iterable[tuple[str, Decimal]]) -> None:
        """Store new orders: their numbers and prices."""
        with self._begin() as db:
            db.execute(_TABLE)
            rows = [(number, str(total)) for number, total in orders]
            db.executemany("INSERT INTO orders (number, total) VALUES (?, ?)", rows)

    def read(self, number: str) -> Row:
        """One order."""
        return next(each for each in self._rows(" WHERE number = ?", number))

    def all(self) -> list[Row]:
        """All orders."""
        return list(self._rows(""))

    def _rows(self, where: str, *values: str) -> Iterator[Row]:
        columns = ", ".join(field.name for field in attrs.fields(Row))
        with self._begin() as db:
            found = db.execute(f"SELECT {columns} FROM orders{where}", values).fetchall()
        for number, total, state, charges, card, refunds in found:
            yield Row(
                number=number,
                total=Decimal(total),
                state=state,
                charges=tuple(Charge.from_dict(each) for each in json.loads(charges)),
                card=Decimal(card),
                refunds={id: Decimal(amount) for id, amount in json.loads(refunds).items()},
            )

    def pay(self, number: str, charges: Sequence[Charge], card: Decimal) -> None:
        """Mark an order as paid."""
        values = (json.dumps([each.to_dict() for each in charges]), str(card), number)
        with self._begin() as db:
            db.execute("UPDATE orders SET state = 'paid', charges = ?, card = ? WHERE number = ?", values)

    def refuse(self, number: str) -> None:
        """Mark an order as unpaid, unless another click has paid it."""
        with self._begin() as db:
            db.execute("UPDATE orders SET state = 'unpaid' WHERE number = ? AND state = 'pending'", (number,))

    def give_back(self, number: str, refund: str, amount: Decimal) -> None:
        """Store a refund."""
        change = "UPDATE orders SET refunds = json_set(refunds, '$.' || json_quote(?), ?) WHERE number = ?"
        with self._begin() as db:
            db.execute(change, (refund, str(amount), number))
