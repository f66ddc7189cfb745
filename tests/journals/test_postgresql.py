"""The journal in PostgreSQL keeps the protocol, with a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.journals.contract import DurableJournalContract
from tests.journals.pooler import pooler
from tests.journals.postgres import DatabaseClock, Server
from tests.journals.racing import share
from tests.journals.records import SCOPE, begun, sent
from voucher_async import ManualClock
from voucher_async.journals.sql import SqlJournal
from voucher_async.payments.journal import Journal


class TestPostgresql(DurableJournalContract):
    @pytest.fixture
    def clock(self, server: Server, database: str) -> ManualClock:
        return DatabaseClock(server, database)

    @pytest.fixture
    def url(self, clock: ManualClock, server: Server, database: str) -> str:
        return server.url(database)

    @pytest.fixture
    async def journal(self, url: str) -> AsyncIterator[Journal]:
        journal = SqlJournal(url)
        yield journal
        await journal.aclose()

    @pytest.fixture
    def reopen(self, url: str) -> Callable[[], Awaitable[Journal]]:
        async def reopen() -> Journal:
            return SqlJournal(url)

        return reopen


class TestBehindAPooler(TestPostgresql):
    @pytest.fixture
    async def url(
        self, clock: ManualClock, server: Server, database: str, tmp_path: Path
    ) -> AsyncIterator[str]:
        async with pooler(tmp_path, server.socket, database) as made:
            yield server.url(database, host=str(made.folder))


async def test_a_pooler_that_ignores_settings_is_one(server: Server, database: str, tmp_path: Path) -> None:
    async with pooler(tmp_path, server.socket, database, ignores_settings=True) as made:
        pair = [SqlJournal(server.url(database, host=str(made.folder))) for _ in range(2)]
        records = [begun(f"k-{number}") for number in range(10)]
        for record in records:
            claims = await asyncio.gather(*(each.claim(record) for each in pair))
            assert all(claim.won for claim in claims)  # the same record
            assert await pair[0].save(sent(record))
            assert await pair[1].find(SCOPE, str(record.key)) == sent(record)
        for each in pair:
            await each.aclose()


async def test_processes_share_a_journal_and_none_has_to_be_stopped(
    server: Server, database: str, root: Path
) -> None:
    await share(server.url(database), root)
    assert server.run(f"SELECT deadlocks FROM pg_stat_database WHERE datname = '{database}'") == "0"


async def test_workers_that_start_at_once_make_one_journal(server: Server, database: str) -> None:
    journals = [SqlJournal(server.url(database)) for _ in range(6)]
    keys = await asyncio.gather(*(each.digest_key() for each in journals))
    assert len(set(keys)) == 1
    await asyncio.gather(*(each.aclose() for each in journals))
