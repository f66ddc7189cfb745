"""The shop's own database: one SQLite file, beside the journal of the vouchers."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

__all__ = ["cards", "carts", "lines", "metadata", "open_database", "orders", "vouchers"]

metadata = sa.MetaData()

carts = sa.Table(
    "carts",
    metadata,
    sa.Column("session", sa.Text, primary_key=True),
    sa.Column("sku", sa.Text, primary_key=True),
    sa.Column("quantity", sa.Integer, nullable=False),
)
orders = sa.Table(
    "orders",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("number", sa.Text, unique=True),
    sa.Column("session", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # open, paying, paid, refunding, refunded
    sa.Column("cents", sa.Integer, nullable=False),
    sa.Column("card", sa.Text),  # the authorisation that pays the rest; none where the vouchers pay all
    sa.Column("refusals", sa.Integer, nullable=False, default=0),
    sa.Column("notice", sa.Text),  # what the customer has to know, by its name in notices.py
    sa.Column("since", sa.Float, nullable=False),  # when the state began, in seconds since 1970
)
lines = sa.Table(
    "lines",
    metadata,
    sa.Column("number", sa.Text, sa.ForeignKey(orders.c.number), primary_key=True),
    sa.Column("sku", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("quantity", sa.Integer, nullable=False),
    sa.Column("cents", sa.Integer, nullable=False),  # of one
)
vouchers = sa.Table(
    "vouchers",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("number", sa.Text, sa.ForeignKey(orders.c.number), nullable=False),
    sa.Column("same", sa.Text, nullable=False),  # equal for equal codes, and deleted with the code
    sa.Column("label", sa.Text, nullable=False),  # for the customer: the end of the code
    # a code is as good as money: encrypt these two if others read your database; both are deleted when the
    # payment has ended
    sa.Column("code", sa.Text),
    sa.Column("pin", sa.Text),
    sa.Column("cents", sa.Integer, nullable=False),  # what is held, and then charged
    sa.Column("held_until", sa.Float, nullable=False),  # seconds since 1970
    sa.Column("charge", sa.Text),  # the charge as JSON, once it was made
    sa.UniqueConstraint("number", "same"),
)
cards = sa.Table(  # what a provider of card payments keeps, not a shop; see card.py
    "cards",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("cents", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # authorised, captured, voided, refunded
)


def open_database(url: str) -> sa.Engine:
    """Open the database, and make its tables where there are none.

    Args:
        url: such as `sqlite:////var/lib/shop/shop.db`.
    """
    engine = sa.create_engine(url)

    @sa.event.listens_for(engine, "connect")
    def set_up(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions begin below
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # who reads and then writes takes its turn at once, and not in the middle
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    with engine.begin() as db:
        for table in metadata.sorted_tables:
            db.execute(sa.schema.CreateTable(table, if_not_exists=True))
    return engine
