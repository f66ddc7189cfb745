"""The tables of a journal in SQLite: checked before anything is written, made under one lock."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from voucher_async.errors import JournalFailed
from voucher_async.journals import sqlite_statements as statements
from voucher_async.journals.tables import MAJOR, MINOR, about, metadata

if TYPE_CHECKING:
    import sqlite3

__all__ = ["check_tables", "make_tables"]

_NAMES: Final = (
    "SELECT name FROM sqlite_master WHERE type IN ('table', 'index') AND name NOT LIKE 'sqlite~_%' ESCAPE '~'"
)
_COLUMNS: Final = "SELECT name FROM pragma_table_info(?)"
_WANTED: Final = {
    *metadata.tables,
    *(str(index.name) for table in metadata.tables.values() for index in table.indexes),
}


def check_tables(db: sqlite3.Connection, name: str) -> None:
    """Refuse a file that is not, and will not be, a journal of this version.

    Args:
        db: the connection.
        name: the journal's, for people.

    Raises:
        JournalFailed: the file holds something else; nothing was changed.
    """
    found = _names(db)
    if found and about.name not in found:
        raise JournalFailed(
            f"{name} is the database of another application (it has {', '.join(sorted(found)[:3])}); "
            "name another file, or make the journal's tables there with a migration"
        )
    for table in metadata.sorted_tables:
        columns = {column for (column,) in db.execute(_COLUMNS, (table.name,))}
        lacking = {column.name for column in table.columns} - columns if table.name in found else ()
        if lacking:
            raise JournalFailed(
                f"{name} has a table {table.name} without {', '.join(sorted(lacking))}: it is of another "
                "application, or a migration is missing"
            )
    row = db.execute(statements.ABOUT).fetchone() if about.name in found else None
    if row is not None and row[1] != MAJOR:
        raise JournalFailed(
            f"{name} has version {row[1]}.{row[2]}, and this voucher_async knows {MAJOR}.{MINOR}: "
            "use the same major version in all workers"
        )


def make_tables(db: sqlite3.Connection, name: str, *, create: bool) -> bytes:
    """Make what is missing; gives the digest key.

    Args:
        db: the connection.
        name: the journal's, for people.
        create: False: make no table and no index.

    Raises:
        JournalFailed: tables or indexes are missing and may not be made.
    """
    row = None if _missing(db) else db.execute(statements.ABOUT).fetchone()
    if row is None or row[2] < MINOR:
        db.execute("BEGIN IMMEDIATE")
        try:
            row = _make(db, name, create=create)
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
    key: bytes = row[0]
    return key


def _make(db: sqlite3.Connection, name: str, *, create: bool) -> tuple[bytes, int, int]:
    missing = _missing(db)
    if missing and not create:
        raise JournalFailed(
            f"{name} lacks {', '.join(sorted(missing))}: make them with a migration of "
            "voucher_async.journals.tables.metadata, or let create be True"
        )
    for statement in statements.SCHEMA if missing else ():
        db.execute(statement)
    new = {"key": os.urandom(32), "of_major": MAJOR, "of_minor": MINOR}
    db.execute(statements.DESCRIBE, new)
    db.execute(statements.RAISE, new)
    row: tuple[bytes, int, int] = db.execute(statements.ABOUT).fetchone()
    return row


def _names(db: sqlite3.Connection) -> set[str]:
    return {name for (name,) in db.execute(_NAMES)}


def _missing(db: sqlite3.Connection) -> set[str]:
    return _WANTED - _names(db)
