"""The journal in PostgreSQL keeps the protocol, with a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.journals.contract import DurableJournalContract
from tests.journals.pooler import pooler
from tests.journals.postgres import Server
from voucher_async import ManualClock
from voucher_async.journals.sql import SqlJournal
from voucher_async.payments.journal import Journal

_FREEZE = """
CREATE SCHEMA frozen;
CREATE TABLE frozen.clock (now timestamptz NOT NULL);
INSERT INTO frozen.clock VALUES (now());
CREATE FUNCTION frozen.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS 'SELECT now FROM frozen.clock';
ALTER DATABASE {database} SET search_path = frozen, pg_catalog;
"""


class DatabaseClock(ManualClock):
    """A clock that the database has, too: there it has the name of the one that the journal asks."""

    def __init__(self, server: Server, database: str) -> None:
        super().__init__()
        self._server, self._database = server, database
        server.run(_FREEZE.format(database=database), database)

    def advance(self, seconds: float) -> None:
        super().advance(seconds)
        self._server.run(f"UPDATE frozen.clock SET now = now + interval '{seconds} s'", self._database)


class TestPostgresql(DurableJournalContract):
    @pytest.fixture
    def clock(self, server: Server, database: str) -> ManualClock:
        return DatabaseClock(server, database)

    @pytest.fixture
    async def url(self, clock: ManualClock, server: Server, database: str) -> AsyncIterator[str]:
        yield server.url(database)

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
    @pytest.fixture(params=[False, True], ids=["refuses settings", "ignores settings"])
    async def url(
        self,
        clock: ManualClock,
        server: Server,
        database: str,
        tmp_path: Path,
        request: pytest.FixtureRequest,
    ) -> AsyncIterator[str]:
        async with pooler(tmp_path, server.socket, database, ignores_settings=request.param) as folder:
            yield server.url(database, host=str(folder))
