"""The journal in SQLite, for the workers of one machine.

A thread of the journal's own has the only connection of its process. What many tasks ask at once is done in
one transaction, which begins with the write lock if anything in it writes, so that processes decide one after
the other. SQLAlchemy has made the statements once; the standard driver runs them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from voucher_async.journals import sqlite_statements as statements
from voucher_async.journals import sqlite_turns as lines
from voucher_async.journals.batches import Batches
from voucher_async.journals.rows import UNKNOWN, microseconds
from voucher_async.journals.sqlite_file import SqliteFile, Work
from voucher_async.journals.sqlite_tokens import FORGET_TOKENS, SqliteTokens
from voucher_async.journals.store import Claimed
from voucher_async.payments.call import CallState

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from voucher_async.clock import Clock
    from voucher_async.journals.rows import Row
    from voucher_async.journals.store import Cursor, Due, Page, Wanted

__all__ = ["SqliteStore"]

_SECOND: Final = 1_000_000  # microseconds
_DAY: Final = 86_400 * _SECOND


class SqliteStore:
    """Rows in a file; see `Store`.

    Args:
        path: the file.
        clock: measures leases.
        create: make file and tables where there are none.
        lock_timeout: seconds that a write waits for those of other processes.
    """

    def __init__(self, path: str, clock: Clock, *, create: bool, lock_timeout: float) -> None:
        self._clock = clock
        self.file: SqliteFile = SqliteFile(path, create=create, lock_timeout=lock_timeout)
        self.batches: Batches[Work, Any] = Batches(self.file.do, self.file.close)
        self.tokens: SqliteTokens = SqliteTokens(self.batches, self._now)

    def _now(self) -> int:
        return microseconds(self._clock.now())

    async def digest_key(self) -> bytes:
        """The digest key; opens the file where that has not happened yet."""
        key: bytes = await self.batches.ask(Work(lambda _: self.file.digest_key))
        return key

    async def claim(self, row: Row, digest: str | None, *, durable: bool) -> Claimed:
        """Insert a row; see `Store.claim`."""
        given = {**row, "digest": digest, "of_charge": row["charge_id"]}
        claimed: Claimed = await self.batches.ask(
            Work(lambda db: _claim(db, given), writes=True, durable=durable)
        )
        return claimed

    async def save(self, row: Row, *, durable: bool, is_erased: bool = False) -> bool:
        """Update a row; see `Store.save`."""
        given = {**row, "of_version": _before(row), "of_charge": row["charge_id"]}
        statement = statements.SAVE_ERASED if is_erased else statements.SAVE
        return await self._changed(statement, given, durable=durable) == 1

    async def get(self, scope: str, record_id: str) -> str | None:
        """A record by its id."""
        return await self._one(statements.GET, scope=scope, id=record_id)

    async def find(self, scope: str, keys: Sequence[str]) -> str | None:
        """The record that holds one of two keys."""
        return await self._one(statements.FIND, scope=scope, key=keys[0], digest=keys[1])

    async def children(self, scope: str, parent: str) -> Sequence[str]:
        """The records with this parent, by number."""
        return await self._texts(statements.CHILDREN, scope=scope, parent=parent)

    async def alike(self, scope: str, like: tuple[str, str, str]) -> Sequence[str]:
        """The records that may be alike; see `Store.alike`."""
        given = dict(zip(("like_operation", "like_amount", "like_voucher"), like, strict=True))
        known = [name for name, value in given.items() if value != UNKNOWN and name != "like_operation"]
        return await self._texts(statements.alike(*known), scope=scope, **given)

    async def owner_of(self, scope: str, charge_id: str) -> str | None:
        """The id of the record that has a charge."""
        return await self._one(statements.OWNER_OF, scope=scope, of_charge=charge_id)

    async def beat(self, owner: str, lease: float) -> bool:
        """Begin or renew a lease; False when the owner is buried."""
        ends = self._now() + round(lease * _SECOND)
        return await self._changed(statements.BEAT, {"owner": owner, "ends": ends}) == 1

    async def is_alive(self, owner: str) -> bool:
        """True while a lease runs, and its owner is not buried."""
        return await self._one(statements.ALIVE, owner=owner, now=self._now()) is not None

    async def bury(self, owner: str) -> bool:
        """Bury an owner, known or not; False while its lease runs."""
        given = {"owner": owner, "ends": self._now()}

        def run(db: sqlite3.Connection) -> bool:
            is_new = db.execute(statements.BURY, given).rowcount == 1
            return is_new or db.execute(statements.BURIED, given).fetchone() is not None

        buried: bool = await self.batches.ask(Work(run, writes=True))
        return buried

    async def line_up(self, turn: str, ticket: str, owner: str, lease: float) -> int:
        """Take or keep a place in the line for a turn; how many are ahead."""
        now, seconds = self._now(), round(lease * _SECOND)
        given = {"turn": turn, "ticket": ticket, "owner": owner, "now": now}
        given |= {"lapses_at": now + seconds, "due": now + seconds // 2}
        count: int | None = await self.batches.ask(Work(lambda db: lines.ahead(db, given)))
        if count is not None:
            return count
        taken: int = await self.batches.ask(Work(lambda db: lines.take(db, given), writes=True))
        return taken

    async def leave_line(self, turn: str, ticket: str) -> None:
        """Give a place back, and drop those of the line that have lapsed."""
        await self._changed(lines.LEAVE, {"turn": turn, "ticket": ticket, "now": self._now()})

    async def left(self, scope: str, limit: int) -> Page:
        """The records that are not ended and whose owners' leases do not run, by number."""
        return await self._rows(statements.LEFT, scope=scope, now=self._now(), limit=limit)

    async def page(self, wanted: Wanted, after: int) -> Page:
        """The next records of a history."""
        given: dict[str, Any] = {"scope": wanted.scope, "after": after}
        given |= dict(zip(("order", "order_digest"), wanted.orders, strict=False))
        given |= dict(zip(("key", "digest"), wanted.keys, strict=False))
        statement = statements.history(
            has_order=bool(wanted.orders), has_key=bool(wanted.keys), told=wanted.told, ended=wanted.ended
        )
        return await self._rows(statement, **given)

    async def ended_of(self, order_number: str, after: int) -> Page:
        """The next ended records of an order, in every scope."""
        return await self._rows(statements.ENDED_OF, order=order_number, after=after)

    async def unshrunk(self, before: int, after: Cursor) -> Due:
        """The next ended records that are not shrunk and were changed before a moment."""
        moment, number = after
        rows = await self._rows(statements.UNSHRUNK, before=before, moment=moment, after=number)
        return [((moment, number), text) for moment, number, text in rows]

    async def drop(self, before: int) -> int:
        """Delete ended records that were changed before a moment; how many."""
        dropped = some = await self._changed(statements.DROP, {"before": before})
        while some:  # by pages, so that others get the lock in between
            some = await self._changed(statements.DROP, {"before": before})
            dropped += some
        return dropped

    async def forget(self) -> None:
        """Delete owners that are dead for a day and own nothing that is not ended, and what has lapsed."""
        before = {"before": self._now() - _DAY}
        await self._changed(statements.FORGET, before)
        await self._changed(FORGET_TOKENS, before)
        await self._changed(lines.PRUNE, {"now": self._now()})

    async def aclose(self) -> None:
        """Close the file once what was asked for is done; a second call does nothing."""
        await self.batches.aclose()

    async def _changed(self, statement: str, given: dict[str, Any], *, durable: bool = False) -> int:
        """The number of rows that a statement has changed."""
        count: int = await self.batches.ask(
            Work(lambda db: db.execute(statement, given).rowcount, writes=True, durable=durable)
        )
        return count

    async def _rows(self, statement: str, **given: Any) -> list[Any]:
        rows: list[Any] = await self.batches.ask(Work(lambda db: db.execute(statement, given).fetchall()))
        return rows

    async def _texts(self, statement: str, **given: Any) -> list[str]:
        return [text for (text,) in await self._rows(statement, **given)]

    async def _one(self, statement: str, **given: Any) -> str | None:
        return next(iter(await self._texts(statement, **given)), None)


def _before(row: Row) -> int:
    version = row["version"]
    assert isinstance(version, int)  # noqa: S101 - for the type checkers
    return version - 1


def _claim(db: sqlite3.Connection, given: dict[str, Any]) -> Claimed:
    if db.execute(statements.CLAIM, given).rowcount == 1:
        return Claimed(won=True)
    own = db.execute(statements.OWN, given).fetchone()
    if own is not None:
        return _claimed_before(db, own[0], given)
    holder = db.execute(statements.HOLDER, given).fetchone()
    if holder is not None and holder[1] != CallState.NOT_DONE:
        return Claimed(won=False, holder=holder[2])
    rival = db.execute(statements.RIVAL, given).fetchone()
    if rival is not None:
        return Claimed(won=False, holder=rival[0])
    if holder is not None:
        db.execute(statements.FREE, {"of_id": holder[0]})
    db.execute(statements.CLAIM, given)
    return Claimed(won=True, earlier=holder and holder[2])


def _claimed_before(db: sqlite3.Connection, own: str, given: dict[str, Any]) -> Claimed:
    if own != given["record"]:
        return Claimed(won=False, holder=own)
    earlier = db.execute(statements.EARLIER, given).fetchone()
    return Claimed(won=True, earlier=earlier and earlier[0])
