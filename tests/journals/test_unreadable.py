"""One record that cannot be read keeps nobody from those that can be."""

from __future__ import annotations

import datetime as dt
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import attrs
import pytest

from tests.journals.postgres import Server
from tests.journals.records import NOW, SCOPE, begun, done
from voucher_async import JournalFailed, Settings, VoucherClient
from voucher_async.journals.sql import SqlJournal
from voucher_async.payments.call import CallRecord
from voucher_async.testing import VoucherEmulator

NEWER = 'replace(record, \'"format":"1.\', \'"format":"2.\')'
DAMAGE = f"UPDATE voucher_records SET record = {NEWER} WHERE number <= "


@attrs.frozen
class Kept:
    """A journal of which some records can be damaged.

    Attributes:
        journal: the journal.
        run: runs a statement in its database.
    """

    journal: SqlJournal
    run: Callable[[str], object]

    async def fill(self, records: list[CallRecord], damaged: int) -> None:
        """Store records, the first of which cannot be read."""
        for record in records:
            assert (await self.journal.claim(attrs.evolve(record, version=1))).won
        self.run(f"{DAMAGE}{damaged}")


@pytest.fixture(params=["sqlite", "postgresql"])
async def kept(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kept]:
    if request.param == "sqlite":
        file = tmp_path / "journal.db"

        def run(statement: str) -> None:
            with closing(sqlite3.connect(file, isolation_level=None)) as db:
                db.execute(statement)

        made = Kept(SqlJournal(f"sqlite:///{file}"), run)
    else:
        server: Server = request.getfixturevalue("server")
        database: str = request.getfixturevalue("database")
        made = Kept(SqlJournal(server.url(database)), lambda statement: server.run(statement, database))
    yield made
    await made.journal.aclose()


async def test_what_the_dead_have_left_is_found_behind_it(
    kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    records = [begun() for _ in range(12)]
    await kept.fill(records, 7)
    # a page that is not full is taken for the last one
    for limit in (1, 3, 5, 6, 100):
        assert await kept.journal.left(SCOPE, limit) == records[7:][:limit]
    lines = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert len(lines) == len(set(lines)) == 7  # once each
    assert "row 1 of the journal's table voucher_records is left alone: " in lines[0]
    assert "2.0 is of another major version than 1.0" in lines[0]


async def test_a_client_recovers_the_others(kept: Kept) -> None:
    async with VoucherEmulator() as emulator:
        settings = Settings.make(**emulator.settings())
        records = [begun(scope="shop") for _ in range(3)]
        await kept.fill(records, 1)
        async with VoucherClient(settings=settings, journal=kept.journal, journal_scope="shop") as client:
            recovered = await client.recover()
    assert {record.id for record in recovered.not_done} == {record.id for record in records[1:]}


async def test_the_others_are_shrunk(kept: Kept) -> None:
    records = [done(begun(f"k-{number}")) for number in range(3)]
    await kept.fill(records, 1)
    later = NOW + dt.timedelta(days=1)
    assert await kept.journal.purge(later, NOW) == 2
    assert await kept.journal.purge(later, NOW) == 0


async def test_who_asks_for_it_is_told(kept: Kept) -> None:
    record = done(begun("k", order_number="A-1"))
    await kept.fill([record], 1)
    for asked in (
        kept.journal.get(SCOPE, record.id),
        kept.journal.erase("A-1"),
        anext(kept.journal.history(SCOPE)),
    ):
        with pytest.raises(JournalFailed, match="cannot be read"):
            await asked
