"""The journal in a file, without a thread of its own: a virtual loop waits for none."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from voucher_async.clock import Clock
from voucher_async.journals.sql import SqlJournal
from voucher_async.journals.sqlite_file import SqliteFile, Work
from voucher_async.payments.journal import Journal
from voucher_async.payments.memory import MemoryJournal

__all__ = ["journal_at"]


class _Inline:
    """Batches of one, done in the loop's own thread."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    async def ask(self, work: Work) -> Any:
        await asyncio.sleep(0)
        try:
            (outcome,) = self._file.do([work])
        finally:
            await asyncio.sleep(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def _journal(path: Path, clock: Clock) -> tuple[SqlJournal, SqliteFile]:
    journal = SqlJournal(f"sqlite:///{path}", clock=clock)
    store: Any = journal._store
    store.batches = _Inline(store.file)
    return journal, store.file


@pytest.fixture(params=["memory", "file"])
def journal_at(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[Clock], Journal]]:
    """A maker of journals of each kind, which is given their clock."""
    if request.param == "memory":
        yield MemoryJournal
        return
    with contextlib.ExitStack() as stack:

        def at(clock: Clock) -> Journal:
            journal, file = _journal(tmp_path / "journal.db", clock)
            stack.callback(file.close)
            return journal

        yield at
