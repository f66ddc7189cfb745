"""The journal in a file, without a thread of its own: a virtual loop waits for none."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from tests.journals.sqlite import SqliteJournal
from voucher_async.clock import Clock
from voucher_async.payments.journal import Journal
from voucher_async.payments.memory import MemoryJournal

__all__ = ["KINDS", "kept"]

T = TypeVar("T")

KINDS = ("memory", "file")


class _Inline(SqliteJournal):
    async def _run(self, work: Callable[[sqlite3.Connection], T], *, durable: bool = False) -> T:
        await asyncio.sleep(0)
        try:
            return self._transaction(work, durable)
        finally:
            await asyncio.sleep(0)

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()


@contextlib.contextmanager
def kept(kind: str, folder: Path, clock: Clock) -> Iterator[Journal]:
    """A journal of one of the kinds."""
    if kind == "memory":
        yield MemoryJournal(clock)
        return
    journal = _Inline(folder / "journal.db", clock)
    try:
        yield journal
    finally:
        journal.close()
