"""The journal in SQLite keeps the protocol, and so do processes that share it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.journals.contract import DurableJournalContract
from tests.journals.racing import share
from tests.journals.records import SCOPE, begun, done, sent
from voucher_async import ManualClock
from voucher_async.journals.sql import SqlJournal
from voucher_async.payments.journal import Journal


def url_of(folder: Path) -> str:
    """The journal in a folder."""
    return f"sqlite:///{folder / 'journal.db'}"


class TestSqlite(DurableJournalContract):
    @pytest.fixture
    async def journal(self, clock: ManualClock, tmp_path: Path) -> AsyncIterator[Journal]:
        journal = SqlJournal(url_of(tmp_path), clock=clock)
        yield journal
        await journal.aclose()

    @pytest.fixture
    def reopen(self, clock: ManualClock, tmp_path: Path) -> Callable[[], Awaitable[Journal]]:
        async def reopen() -> Journal:
            return SqlJournal(url_of(tmp_path), clock=clock)

        return reopen


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[SqlJournal, SqlJournal]]:
    """Two connections to one journal."""
    clock = ManualClock()
    pair = SqlJournal(url_of(tmp_path), clock=clock), SqlJournal(url_of(tmp_path), clock=clock)
    yield pair
    for journal in pair:
        await journal.aclose()


async def test_of_two_connections_one_wins_each_key(pair: tuple[SqlJournal, SqlJournal]) -> None:
    for number in range(50):
        claims = await asyncio.gather(*(each.claim(begun(f"k-{number}")) for each in pair))
        assert [claim.won for claim in claims].count(True) == 1
        assert len({claim.record.id for claim in claims}) == 1


async def test_of_two_connections_one_writes_each_version(
    pair: tuple[SqlJournal, SqlJournal],
) -> None:
    record = begun("k")
    await pair[0].claim(record)
    for number in range(50):
        steps = [sent(record, f"v-{number}-{which}") for which in range(2)]
        taken = await asyncio.gather(*(each.save(step) for each, step in zip(pair, steps, strict=True)))
        assert taken.count(True) == 1
        record = steps[taken.index(True)]
    assert await pair[0].find(SCOPE, "k") == await pair[1].find(SCOPE, "k") == record


async def test_of_two_connections_one_gets_each_charge(pair: tuple[SqlJournal, SqlJournal]) -> None:
    for number in range(50):
        records = [begun(), begun()]
        for each, record in zip(pair, records, strict=True):
            await each.claim(record)
        ends = [done(record, f"c-{number}") for record in records]
        taken = await asyncio.gather(*(each.save(end) for each, end in zip(pair, ends, strict=True)))
        assert taken.count(True) == 1
        assert await pair[0].owner_of(SCOPE, f"c-{number}") == records[taken.index(True)].id


async def test_processes_share_a_journal(tmp_path: Path, root: Path) -> None:
    await share(url_of(tmp_path), root)
