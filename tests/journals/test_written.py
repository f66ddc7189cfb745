"""The benchmark counts those transactions of a journal that have changed something."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bench.databases import written_in
from tests.bench.postgres import WRITTEN
from tests.journals.postgres import Server
from tests.journals.records import SCOPE, begun, sent
from voucher_async.journals.sql import SqlJournal

CALLS = 20
Counter = Callable[[], int]


@pytest.fixture(params=["sqlite", "postgresql"])
def counted(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Counter]:
    """The URL of an empty journal, and what counts its transactions."""
    if request.param == "sqlite":
        path = tmp_path / "journal.db"
        return f"sqlite:///{path}", lambda: written_in(path)
    server: Server = request.getfixturevalue("server")
    database: str = request.getfixturevalue("database")
    return server.url(database), lambda: int(server.run(WRITTEN))


async def test_what_changes_something_is_counted(counted: tuple[str, Counter]) -> None:
    url, count = counted
    journal = SqlJournal(url)
    await journal.digest_key()
    before = count()
    for number in range(CALLS):
        record = begun(f"k-{number}")
        await journal.claim(record)
        assert await journal.save(sent(record), durable=True)
        assert await journal.get(SCOPE, record.id) == sent(record)
    apart = count()
    await asyncio.gather(*(journal.claim(begun(f"l-{number}")) for number in range(CALLS)))
    together = count()
    await journal.aclose()
    assert apart - before == 2 * CALLS
    assert 1 <= together - apart < CALLS / 2
