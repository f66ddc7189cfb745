"""A journal in PostgreSQL, as the check looks at it."""

from __future__ import annotations

import statistics
import time
import uuid
from typing import TYPE_CHECKING, Final

from voucher_async.cancelling import to_the_end
from voucher_async.cli.checking.journal_kinds import LOCKS, NoJournalYet
from voucher_async.journals import postgresql_statements as sql
from voucher_async.journals.connections import Connection, Connections, Server
from voucher_async.journals.postgresql import check_version
from voucher_async.masking import conceal

if TYPE_CHECKING:
    from voucher_async.cli.checking.findings import Fact
    from voucher_async.clock import Clock

__all__ = ["measure"]

_WRITES: Final = 3
_DURABLY: Final = """
SELECT set_config('synchronous_commit', CASE
    WHEN current_setting('synchronous_commit') = 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true)"""
_BEGIN: Final = "INSERT INTO voucher_owners (owner, lease_ends, buried) VALUES ($1, 0, false)"
_END: Final = "DELETE FROM voucher_owners WHERE owner = $1"


async def measure(place: str, clock: Clock, facts: dict[str, Fact]) -> float:
    """Milliseconds of a durable write; see `journaling`."""
    del clock  # the database has its own
    server = Server(conceal(place), LOCKS)
    connections = Connections(server)
    await connections.open()
    try:
        await _look(connections)
        facts["pooled"] = server.pooled
        return statistics.median([await _write(connections) for _ in range(_WRITES)])
    finally:
        await to_the_end(connections.aclose())


async def _look(connections: Connections) -> None:
    """Look for the tables, and their version.

    Raises:
        JournalFailed: the database is not reached, or they are of another version.
        NoJournalYet: there are none, or some are missing.
    """
    if not (await connections.fetch(sql.FOUND))[0][0]:
        raise NoJournalYet("the database has no tables of a journal yet; the first payment makes them")
    check_version(await connections.fetch(sql.ABOUT))
    missing = [str(row[0]) for row in await connections.fetch(sql.MISSING, list(sql.WANTED))]
    if missing:
        raise NoJournalYet(f"the journal lacks {', '.join(missing)}; the first payment makes them")


async def _write(connections: Connections) -> float:
    """Write an owner that nobody is, and take it back, in one transaction."""
    own = f"check-{uuid.uuid4().hex}"

    async def run(connection: Connection) -> None:
        await connection.fetch(_DURABLY)
        await connection.fetch(_BEGIN, own)
        await connection.fetch(_END, own)

    began = time.perf_counter()
    await connections.transact(run)
    return round((time.perf_counter() - began) * 1000, 2)
