"""Tables filled by what each database has for that, and the sizes that they have then."""

from __future__ import annotations

import datetime as dt
import itertools
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]

from tests.growth.mix import Mix
from tests.journals.postgres import Server
from voucher_async.journals.postgresql_statements import COLUMNS
from voucher_async.journals.rows import Row

__all__ = ["fill_postgresql", "fill_sqlite", "postgresql_sizes", "sqlite_sizes"]

_BATCH: Final = 10_000
_LEASE: Final = dt.timedelta(days=1)
_SIZES: Final = """
SELECT relname, pg_relation_size(oid), CASE relkind WHEN 'r' THEN pg_table_size(oid) ELSE 0 END, relkind
FROM pg_class WHERE relname LIKE 'voucher_%' AND relkind IN ('r', 'i') ORDER BY relname
"""


async def fill_postgresql(url: str, mix: Mix) -> int:
    """Copy the rows into the tables of a journal, without ANALYZE; how many."""
    connection = await asyncpg.connect(url)
    count = 0
    try:
        for batch in _batches(mix.rows()):
            await connection.copy_records_to_table(
                "voucher_records", records=map(_values, batch), columns=list(COLUMNS)
            )
            count += len(batch)
        await connection.copy_records_to_table("voucher_owners", records=_owners(mix))
    finally:
        await connection.close()
    return count


def fill_sqlite(path: Path, mix: Mix) -> int:
    """Insert the rows into the tables of a journal; how many."""
    names, marks = ", ".join(COLUMNS), ", ".join("?" * len(COLUMNS))
    count = 0
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous = OFF")
        for batch in _batches(mix.rows()):
            db.execute("BEGIN")
            db.executemany(f"INSERT INTO voucher_records ({names}) VALUES ({marks})", map(_values, batch))
            db.execute("COMMIT")
            count += len(batch)
        db.executemany("INSERT INTO voucher_owners VALUES (?, ?, ?)", _owners(mix))
    return count


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while batch := list(itertools.islice(rows, _BATCH)):
        yield batch


def _values(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in COLUMNS)


def _owners(mix: Mix) -> Iterable[tuple[str, int, bool]]:
    """Leases that run for the owners that are alive, and are over for a minute for the others."""
    now = round(dt.datetime.now(dt.UTC).timestamp() * 1e6)
    minute = 60_000_000
    for owner in mix.owners:
        is_alive = owner in mix.alive
        yield owner, now + (_LEASE.days * 1440 * minute if is_alive else -minute), not is_alive


def postgresql_sizes(server: Server, database: str) -> dict[str, int]:
    """Bytes by the names of tables and indexes; `NAME (with TOAST)` is a table with what is stored aside."""
    sizes: dict[str, int] = {}
    for line in server.run(_SIZES, database).splitlines():
        name, size, table, kind = line.split("|")
        sizes[name] = int(size)
        if kind == "r":
            sizes[f"{name} (with TOAST)"] = int(table)
    return sizes


def sqlite_sizes(path: Path) -> dict[str, int]:
    """Bytes by the names of tables and indexes."""
    with closing(sqlite3.connect(path)) as db:
        rows: Sequence[tuple[str, int]] = db.execute(
            "SELECT name, sum(pgsize) FROM dbstat WHERE name LIKE 'voucher_%' GROUP BY name"
        ).fetchall()
    return dict(rows)
