"""The tables of the journal, for SQLite and PostgreSQL.

`metadata` is public: an application that creates tables with Alembic hands it over as `target_metadata`.

A version is major.minor. A minor version only adds columns, tables and indexes: a worker that does not know
them goes on, names the columns that it writes, and so keeps what is in the others. Moments are microseconds
since 1970, which are exact in both databases.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    true,
)

__all__ = ["MAJOR", "MINOR", "about", "metadata", "owners", "records", "tokens", "turns"]

MAJOR: Final = 1
MINOR: Final = 1

metadata: Final = MetaData()
"""All tables of the journal."""


def _number() -> Column[int]:
    """The column by which the rows of a table are in order."""
    return Column("number", BigInteger().with_variant(Integer(), "sqlite"), Identity(), primary_key=True)


records: Final = Table(
    "voucher_records",
    metadata,
    # the order in which records were claimed; in PostgreSQL, in which their claims began
    _number(),
    Column("id", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("key", Text),
    # of the key, erased or not; the unique index on it stays as it is while a key is being erased
    Column("key_digest", Text),
    Column("holds_key", Boolean, nullable=False),  # False: it has no key, or a later call was given it
    Column("version", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("ended", Boolean, nullable=False),
    Column("told", Boolean, nullable=False),
    Column("shrunk", Boolean, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("owner", Text, nullable=False),
    Column("parent", Text),
    Column("order_number", Text),
    # the signature; without one all three are null, with one an empty text is what is not known
    Column("like_operation", Text),
    Column("like_amount", Text),
    Column("like_voucher", Text),
    Column("charge_id", Text),
    Column("record", Text, nullable=False),  # JSON, see payments/stored.py
    sqlite_autoincrement=True,
)
"""One row per money call."""

owners: Final = Table(
    "voucher_owners",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("lease_ends", BigInteger, nullable=False),  # of a buried one: when it was buried
    Column("buried", Boolean, nullable=False),
)
"""One row per process."""

turns: Final = Table(
    "voucher_turns",
    metadata,
    _number(),
    Column("turn", Text, nullable=False),
    Column("ticket", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("lapses_at", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)
"""One row per place in a line, in the order in which they were taken."""

tokens: Final = Table(
    "voucher_tokens",
    metadata,
    Column("key", Text, primary_key=True),
    Column("access_token", Text),  # in plain text; null with the next two when there is none
    Column("lifetime", BigInteger),  # microseconds
    Column("expires_at", BigInteger),
    Column("lease", Text),  # null with the next one when nobody asks for a token
    Column("lease_ends", BigInteger),
)
"""One row per set of credentials whose workers share a token (since 1.1)."""

about: Final = Table(
    "voucher_journal",
    metadata,
    Column("one", SmallInteger, primary_key=True, autoincrement=False),
    Column("digest_key", LargeBinary, nullable=False),
    Column("major", Integer, nullable=False),
    Column("minor", Integer, nullable=False),
    CheckConstraint("one = 1"),  # of the table: Alembic does not write out those of a column
)
"""One row: the digest key, and the version of the tables."""


def _index(name: str, *columns: str, where: object = None, unique: bool = False) -> None:
    """Declare an index, of the rows alone that a condition is true of."""
    Index(
        f"voucher_records_{name}",
        *(records.c[column] for column in columns),
        unique=unique,
        sqlite_where=where,
        postgresql_where=where,
    )


# a condition has to be written as queries have it: SQLite compares their texts
_c = records.c
_index("id", "id", unique=True)
_index("key", "scope", "key", where=_c.holds_key == true(), unique=True)
_index("key_digest", "scope", "key_digest", where=_c.holds_key == true(), unique=True)
_index("lost_key", "scope", "key", where=~_c.holds_key & _c.key.is_not(None))
_index("charge", "scope", "charge_id", where=_c.charge_id.is_not(None), unique=True)
_index("history", "scope", "number")
_index("order", "order_number", "scope", "number", where=_c.order_number.is_not(None))
_index("parent", "scope", "parent", "number", where=_c.parent.is_not(None))
_index("untold", "scope", "number", where=(_c.state == "done") & ~_c.told)
_index("live", "scope", "number", "owner", where=~_c.ended)
_index("like", "scope", "like_operation", "like_voucher", "like_amount", where=_c.like_operation.is_not(None))
_index("old", "shrunk", "changed_at", where=_c.ended == true())

Index("voucher_turns_ticket", turns.c.ticket, unique=True)
Index("voucher_turns_turn", turns.c.turn, turns.c.number)
