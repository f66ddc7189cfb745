"""The journal in PostgreSQL: one statement per kind and batch, each in a transaction of its own.

A journal may be used on several event loops; each has connections and batches of its own. In a forked child
those of the parent are left alone.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Final, TypeVar

import attrs

from voucher_async.errors import JournalFailed
from voucher_async.journals import postgresql_statements as sql
from voucher_async.journals.connections import Connection, Connections, Rows, Server
from voucher_async.journals.lanes import Lane
from voucher_async.journals.postgresql_tokens import FORGET_TOKENS, PostgresqlTokens
from voucher_async.journals.postgresql_turns import FORGET_PLACES, Place, Places
from voucher_async.journals.postgresql_writes import Writes, Writing
from voucher_async.journals.refusals import LOCKED, Refused
from voucher_async.journals.rows import UNKNOWN
from voucher_async.journals.store import FIRST
from voucher_async.journals.tables import MAJOR, MINOR
from voucher_async.loops import PerLoop
from voucher_async.masking import SecretBytes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from voucher_async.journals.rows import Row
    from voucher_async.journals.store import Claimed, Cursor, Due, Page, Wanted

__all__ = ["PostgresqlStore", "check_version"]

T = TypeVar("T")

_DURABLE: Final = True  # takers-over rely on a burial


class _Loop:
    """The parts of a store that belong to one event loop."""

    def __init__(self, server: Server) -> None:
        self.connections = Connections(server)
        writes = Writes(self.connections)
        self.claims = Lane(writes.claim)
        self.saves = Lane(writes.save)
        places = Places(self.connections)
        self.lining_up = Lane(places.line_up)
        self.leaving = Lane(places.leave)
        self.beats = Lane(writes.beat)
        self.opening = asyncio.Lock()

    async def open(self) -> None:
        await self.connections.open()

    async def aclose(self) -> None:
        await self.claims.end()
        await self.saves.end()
        await self.lining_up.end()
        await self.leaving.end()
        await self.beats.end()
        await self.connections.aclose()


class PostgresqlStore:
    """Keeps rows in PostgreSQL; its methods are those of `Store`.

    Args:
        url: the URL, which may have a password.
        create: make the tables where there are none.
        lock_timeout: seconds that a statement waits for locks.

    Raises:
        ConfigurationError: the URL cannot be read.
    """

    def __init__(self, url: str, *, create: bool, lock_timeout: float) -> None:
        self._server = Server(url, lock_timeout)
        self._create = create
        self._digest_key: bytes | None = None
        self._loops = PerLoop(lambda: _Loop(self._server))
        self.tokens: PostgresqlTokens = PostgresqlTokens(self._rows)

    async def _here(self) -> _Loop:
        """The parts on this event loop, once the tables are known to be there."""
        if self._loops.is_closed:
            raise JournalFailed("the journal was closed")
        here = await self._loops.here()
        if self._digest_key is None:
            async with here.opening:
                if self._digest_key is None:
                    self._digest_key = await _opened(here.connections, create=self._create)
        return here

    async def _rows(self, statement: str, *values: object) -> Rows:
        return await (await self._here()).connections.fetch(statement, *values)

    async def _read(self, statement: str, *values: object) -> list[str]:
        return [row[0] for row in await self._rows(statement, *values)]

    async def _one(self, statement: str, *values: object) -> str | None:
        return next(iter(await self._read(statement, *values)), None)

    async def _page(self, statement: str, *values: object) -> Page:
        return _page_of(await self._rows(statement, *values))

    async def _written(self, lane_of: Callable[[_Loop], Lane[Writing, T]], asked: Writing) -> T:
        """Have a row written. While it is locked its caller waits, and the others of its batch do not."""
        now = asyncio.get_running_loop().time
        ends = now() + self._server.patience
        while True:
            try:
                return await lane_of(await self._here()).ask(asked)
            except Refused as error:
                if error.code != LOCKED or now() >= ends:
                    raise
            asked = attrs.evolve(asked, is_locked=True)

    async def digest_key(self) -> bytes:
        """The digest key; makes the tables where there are none."""
        await self._here()
        assert self._digest_key is not None  # noqa: S101 - or `_here` had raised
        return self._digest_key

    async def claim(self, row: Row, digest: str | None, *, durable: bool) -> Claimed:  # noqa: ARG002 - in `row`
        """Insert a row; see `Store.claim`."""
        return await self._written(lambda here: here.claims, Writing(row=row, durable=durable))

    async def save(self, row: Row, *, durable: bool, is_erased: bool = False) -> bool:
        """Update a row; see `Store.save`."""
        writing = Writing(row=row, durable=durable, is_erased=is_erased)
        return await self._written(lambda here: here.saves, writing)

    async def get(self, scope: str, record_id: str) -> str | None:
        """A record by its id."""
        return await self._one(sql.GET, scope, record_id)

    async def find(self, scope: str, keys: Sequence[str]) -> str | None:
        """The record that holds a key: in plain, and as a digest."""
        return await self._one(sql.FIND, scope, *keys)

    async def children(self, scope: str, parent: str) -> Sequence[str]:
        """The records with this parent, by number."""
        return await self._read(sql.CHILDREN, scope, parent)

    async def alike(self, scope: str, like: tuple[str, str, str]) -> Sequence[str]:
        """The records whose signature may be this one; see `Store.alike`."""
        operation, amount, voucher = like
        statement = sql.alike(amount=amount != UNKNOWN, voucher=voucher != UNKNOWN)
        known = [each for each in (amount, voucher) if each != UNKNOWN]
        return await self._read(statement, scope, operation, *known)

    async def owner_of(self, scope: str, charge_id: str) -> str | None:
        """The id of the record that has a charge."""
        return await self._one(sql.OWNER_OF, scope, charge_id)

    async def beat(self, owner: str, lease: float) -> bool:
        """Begin or renew a lease; False when the owner is buried."""
        here = await self._here()
        return await here.beats.ask((owner, lease))

    async def is_alive(self, owner: str) -> bool:
        """True while a lease runs, and its owner is not buried."""
        return bool(await self._read(sql.IS_ALIVE, owner))

    async def bury(self, owner: str) -> bool:
        """Bury an owner, known or not; False while its lease runs."""
        return bool(await self._read(sql.BURY, _DURABLE, owner))

    async def line_up(self, turn: str, ticket: str, owner: str, lease: float) -> int:
        """Take or keep a place in the line for a turn; how many are ahead."""
        here = await self._here()
        return await here.lining_up.ask(Place(turn=turn, ticket=ticket, owner=owner, lease=lease))

    async def leave_line(self, turn: str, ticket: str) -> None:
        """Give a place back, and drop those of the line that have lapsed."""
        here = await self._here()
        await here.leaving.ask(Place(turn=turn, ticket=ticket))

    async def left(self, scope: str, limit: int) -> Page:
        """The records that are not ended and whose owners' leases do not run, by number."""
        return await self._page(sql.LEFT, scope, limit)

    async def page(self, wanted: Wanted, after: int) -> Page:
        """The next records of a history."""
        orders, keys = list(wanted.orders), list(wanted.keys)
        statement = sql.page(orders=bool(orders), keys=bool(keys), told=wanted.told, ended=wanted.ended)
        here = await self._here()
        # a scope may have most of the records, or next to none
        given = wanted.scope, after, *filter(None, (orders, keys))
        return _page_of(await here.connections.fetch_planned(statement, *given))

    async def ended_of(self, order_number: str, after: int) -> Page:
        """The next ended records of an order, in every scope."""
        return await self._page(sql.ENDED_OF, order_number, after)

    async def unshrunk(self, before: int, after: Cursor) -> Due:
        """The next ended records that are not shrunk and were changed before a moment."""
        rows = await self._rows(sql.UNSHRUNK, before, *after)
        return [((moment, number), record) for moment, number, record in rows]

    async def drop(self, before: int) -> int:
        """Delete ended records that were changed before a moment; how many."""
        return sum([await self._drop(before, is_shrunk=is_shrunk) for is_shrunk in (True, False)])

    async def _drop(self, before: int, *, is_shrunk: bool) -> int:
        dropped, is_more, place = 0, True, FIRST
        while is_more:
            rows = await self._rows(sql.DROP, before, is_shrunk, *place)
            dropped, is_more = dropped + len(rows), len(rows) == sql.DROPPED
            place = max(((moment, number) for moment, number in rows), default=place)
        return dropped

    async def forget(self) -> None:
        """Delete owners that are dead for a day and own nothing that is not ended, and what has lapsed."""
        await self._read(sql.FORGET)
        await self._read(FORGET_TOKENS)
        await self._read(FORGET_PLACES)

    async def aclose(self) -> None:
        """Close the connections once what was asked for is done; a second call does nothing."""
        await self._loops.aclose()


def _page_of(rows: Rows) -> Page:
    return [(row[0], row[1]) for row in rows]


async def _opened(connections: Connections, *, create: bool) -> bytes:
    """The digest key of a journal that is there, or is made.

    Raises:
        JournalFailed: there is none, and it may not be made; or it is of another version.
    """
    if not (await connections.fetch(sql.FOUND))[0][0]:
        if not create:
            raise JournalFailed(
                "the tables of the journal are missing: make them by your migrations (their description is "
                "voucher_async.journals.tables.metadata), or by a journal with create=True; or is "
                "search_path wrong?"
            )
        await connections.transact(_create)
    rows = await connections.fetch(sql.ABOUT)
    check_version(rows)
    await _complete(connections, create=create)
    if not rows:  # made by migrations
        await connections.fetch(sql.DESCRIBE, os.urandom(32))
        rows = await connections.fetch(sql.ABOUT)
    elif rows[0][2] < MINOR:
        await connections.fetch(sql.RAISE)
    return SecretBytes(rows[0][0])


def check_version(rows: Rows) -> None:
    """Refuse tables of another version.

    Args:
        rows: what `ABOUT` gives.

    Raises:
        JournalFailed: they are.
    """
    for _, major, minor in rows:
        if major != MAJOR:
            raise JournalFailed(
                f"the journal's tables are of version {major}.{minor}, this voucher_async knows "
                f"{MAJOR}.{MINOR}: update voucher_async everywhere, then migrate"
            )


async def _complete(connections: Connections, *, create: bool) -> None:
    """Make what is missing of the tables and indexes: without a unique one, two claims get one key."""
    missing = [row[0] for row in await connections.fetch(sql.MISSING, list(sql.WANTED))]
    if missing and not create:
        raise JournalFailed(
            f"the journal lacks {', '.join(missing)}: make them by a migration of "
            "voucher_async.journals.tables.metadata, or by a journal with create=True"
        )
    if missing:
        await connections.transact(_create)


async def _create(connection: Connection) -> None:
    await connection.execute(sql.LOCK)  # of processes that start at once, each waits for the first
    missing = [row[0] for row in await connection.fetch(sql.MISSING, list(sql.WANTED))]
    for statement in sql.ddl(missing):
        await connection.execute(statement)
