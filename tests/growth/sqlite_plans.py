"""The plans of the journal's statements in SQLite, and the work that each method costs there."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import attrs

from tests.growth.mix import Mix
from tests.growth.questions import Asking
from voucher_async.journals.sql import SqlJournal
from voucher_async.journals.sqlite import SqliteStore
from voucher_async.journals.sqlite_file import Work

__all__ = ["Step", "explained"]

_STEPS: Final = 100  # of SQLite's machine between two calls
_SCAN: Final = re.compile(
    r"SCAN (voucher_records|whole)\b(?! USING (COVERING )?INDEX voucher_records_(live|untold))"
)


@attrs.frozen
class Step:
    """A statement that a method has run.

    Attributes:
        asked: the method.
        statement: its text, with its values.
        plan: how SQLite finds the rows.
        work: instructions of SQLite's machine, in hundreds.
    """

    asked: str
    statement: str
    plan: tuple[str, ...]
    work: int

    @property
    def scans(self) -> bool:
        """True when it reads a whole table, or an index of all rows."""
        return any(_SCAN.search(each) for each in self.plan)


@attrs.define
class _Trace:
    """What a connection has run."""

    asked: str = ""
    ran: list[tuple[str, str, int]] = attrs.field(factory=list[tuple[str, str, int]])
    work: int = 0

    def begin(self, statement: str) -> None:
        """A statement begins; what was counted belongs to the one before."""
        self.count()
        self.ran.append((self.asked, statement, 0))

    def count(self) -> None:
        """Give what was counted to the statement that has ended."""
        if self.ran:
            asked, statement, work = self.ran[-1]
            self.ran[-1] = (asked, statement, work + self.work)
        self.work = 0

    def tick(self) -> int:
        """Count; 0 lets SQLite go on."""
        self.work += 1
        return 0


async def explained(path: Path, mix: Mix, *, rounds: int = 1) -> list[Step]:
    """Every statement of every method, with its plan and its work.

    Args:
        path: the file, which is filled.
        mix: what is in it.
        rounds: how often everything is asked.
    """
    journal, trace = SqlJournal(f"sqlite:///{path}"), _Trace()

    def watch(db: sqlite3.Connection) -> None:
        db.set_trace_callback(trace.begin)
        db.set_progress_handler(trace.tick, _STEPS)

    def told(name: str) -> None:
        trace.asked = name

    store: Any = vars(journal)["_store"]
    assert isinstance(store, SqliteStore)
    await journal.digest_key()
    await store.batches.ask(Work(watch))
    await Asking(journal, mix, told).all(rounds)
    await journal.aclose()
    trace.count()
    with closing(sqlite3.connect(path)) as db:
        return [Step(asked, text, _plan(db, text), work) for asked, text, work in trace.ran if _is_one(text)]


def _is_one(statement: str) -> bool:
    return statement.split(maxsplit=1)[0] in {"SELECT", "INSERT", "UPDATE", "DELETE"}


def _plan(db: sqlite3.Connection, statement: str) -> tuple[str, ...]:
    rows: Sequence[tuple[Any, ...]] = db.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
    return tuple(row[3] for row in rows)
