"""The journal in a file, without a thread of its own: a virtual loop waits for none."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from tests.journals.sqlite import SqliteJournal
from voucher_async.clock import Clock
from voucher_async.payments.journal import Journal
from voucher_async.payments.memory import MemoryJournal

__all__ = ["journal_at"]

T = TypeVar("T")


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


@pytest.fixture(params=["memory", "file"])
def journal_at(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[Clock], Journal]]:
    """A maker of journals of each kind, which is given their clock."""
    if request.param == "memory":
        yield MemoryJournal
        return
    with contextlib.ExitStack() as stack:
        yield lambda clock: stack.enter_context(contextlib.closing(_Inline(tmp_path / "journal.db", clock)))
