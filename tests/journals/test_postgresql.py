"""The journal in PostgreSQL keeps the protocol, with a real server."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from tests.journals.contract import DurableJournalContract
from tests.journals.postgres import Server
from voucher_async import ManualClock
from voucher_async.journals.sql import SqlJournal
from voucher_async.payments.journal import Journal

_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The server of all tests."""
    server = Server()
    yield server
    server.close()


@pytest.fixture
def database(server: Server) -> Iterator[str]:
    """An empty database, which is found without connections when the test has ended."""
    name = f"journal_{next(_NUMBERS)}"
    server.run(f"CREATE DATABASE {name}")
    yield name
    server.start()
    assert server.run(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'") == "0"
    server.run(f"DROP DATABASE {name} WITH (FORCE)")


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
    async def journal(self, server: Server, database: str) -> AsyncIterator[Journal]:
        journal = SqlJournal(server.url(database))
        yield journal
        await journal.aclose()

    @pytest.fixture
    def reopen(self, server: Server, database: str) -> Callable[[], Awaitable[Journal]]:
        async def reopen() -> Journal:
            return SqlJournal(server.url(database))

        return reopen
