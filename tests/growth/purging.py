"""A purge of many records while others pay: what it holds, and the one that follows a `kill -9`."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import statistics
import time
from collections.abc import AsyncGenerator
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]
import attrs

from tests.growth.processes import started
from tests.journals.postgres import Server
from tests.journals.records import begun
from voucher_async.journals.rows import microseconds
from voucher_async.journals.sql import SqlJournal
from voucher_async.payments.call import CallState

__all__ = ["Purged", "purged"]

_SCOPE: Final = "shop-de"
_EVERY: Final = 0.02  # seconds
_WATCH: Final = """
SELECT (SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float
        FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
            AND xact_start IS NOT NULL AND backend_type = 'client backend'),
    (SELECT count(*) FROM pg_locks WHERE NOT granted),
    ARRAY(SELECT DISTINCT mode FROM pg_locks WHERE locktype = 'relation'
        AND relation = 'voucher_records'::regclass AND pid <> pg_backend_pid())
"""
_DUE: Final = """
SELECT count(*) FILTER (WHERE changed_at >= $2), count(*) FILTER (WHERE changed_at < $2)
FROM voucher_records WHERE ended AND (NOT shrunk OR changed_at < $2) AND changed_at < $1
"""


@attrs.define
class _Watched:
    """Samples of the server while something goes on.

    Attributes:
        longest: seconds of the longest transaction that was seen.
        waits: the most locks that were waited for at a time.
        modes: the locks on the table of records.
        seconds: of each claim with its save.
    """

    longest: float = 0.0
    waits: int = 0
    modes: set[str] = attrs.field(factory=set[str])
    seconds: list[float] = attrs.field(factory=list[float])

    def shown(self) -> dict[str, Any]:
        """The figures."""
        seconds = sorted(self.seconds)
        return {
            "claims": len(seconds),
            "p50": statistics.median(seconds) * 1e3,
            "p99": seconds[len(seconds) * 99 // 100] * 1e3,
            "max": seconds[-1] * 1e3,
            "longest transaction": self.longest * 1e3,
            "locks waited for": self.waits,
            "locks": sorted(self.modes),
        }


@attrs.frozen
class Purged:
    """What a purge has done.

    Attributes:
        due: records that were to be shrunk, and to be dropped.
        left_by_kill: those of them that a killed purge had left.
        left: those that the next purge had left.
        told: what that one said of itself.
        alone: claims before it, with figures.
        beside: claims beside it.
    """

    due: tuple[int, int]
    left_by_kill: tuple[int, int]
    left: tuple[int, int]
    told: dict[str, Any]
    alone: dict[str, Any]
    beside: dict[str, Any]


async def purged(
    server: Server, database: str, shrink_before: dt.datetime, drop_before: dt.datetime, *, alone: float = 5.0
) -> Purged:
    """Purge by a process that is killed when a tenth is done, then by another, while others claim and save.

    Args:
        server: the server.
        database: its database with a journal.
        shrink_before: see `SqlJournal.purge`.
        drop_before: see `SqlJournal.purge`.
        alone: seconds for which claims are measured before that.
    """
    url = server.url(database)
    moments = shrink_before.isoformat(), drop_before.isoformat()
    connection = await asyncpg.connect(url)

    async def due() -> tuple[int, int]:
        row = await connection.fetchrow(_DUE, microseconds(shrink_before), microseconds(drop_before))
        return row[0], row[1]

    try:
        first = await due()
        async with _claiming(url) as before:
            await asyncio.sleep(alone)
        with started("tests.growth.purger", url, *moments) as purger:
            assert await asyncio.to_thread(purger.told) == "begun"
            await _until_a_part_is_done(connection, purger_of=sum(first), due=due)
            purger.kill()
        killed = await due()
        async with _claiming(url) as beside:
            with started("tests.growth.purger", url, *moments) as purger:
                await asyncio.to_thread(purger.told)
                told = await asyncio.to_thread(purger.told)
        return Purged(first, killed, await due(), told, before.shown(), beside.shown())
    finally:
        await connection.close()


async def _until_a_part_is_done(connection: Any, *, purger_of: int, due: Any) -> None:
    while sum(await due()) > 0.9 * purger_of:
        await asyncio.sleep(_EVERY)


@contextlib.asynccontextmanager
async def _claiming(url: str) -> AsyncGenerator[_Watched]:
    """Somebody who claims and saves, one payment after the other, and somebody who watches the server."""
    watched = _Watched()
    journal, watcher = (
        SqlJournal(url),
        await asyncpg.connect(url, server_settings={"application_name": "watch"}),
    )
    await journal.digest_key()
    tasks = [asyncio.create_task(_claim(journal, watched)), asyncio.create_task(_watch(watcher, watched))]
    try:
        yield watched
    finally:
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        await journal.aclose()
        await watcher.close()
    for outcome in outcomes:
        assert isinstance(outcome, asyncio.CancelledError), outcome


async def _claim(journal: SqlJournal, watched: _Watched) -> None:
    while True:
        record = begun(f"beside-{time.monotonic_ns()}", scope=_SCOPE)
        start = time.perf_counter()
        assert (await journal.claim(record)).won
        sent = record.step(CallState.SENT, at=record.begun_at, by=record.owner)
        assert await journal.save(sent, durable=True)
        watched.seconds.append(time.perf_counter() - start)
        await asyncio.sleep(_EVERY)


async def _watch(connection: Any, watched: _Watched) -> None:
    while True:
        longest, waits, modes = await connection.fetchrow(_WATCH)
        watched.longest = max(watched.longest, longest)
        watched.waits = max(watched.waits, waits)
        watched.modes |= set(modes)
        await asyncio.sleep(_EVERY)
