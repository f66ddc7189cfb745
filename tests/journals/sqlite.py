"""A journal on the standard library's sqlite3: it proves that the protocol can be kept by a database.

A thread of its own has the only connection, and runs one transaction after the other. Each begins with the
write lock, so that processes decide one after the other, too.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import attrs

from voucher_async.clock import Clock, SystemClock
from voucher_async.errors import JournalFailed
from voucher_async.payments.call import CallRecord, CallState
from voucher_async.payments.erasing import digest_of, erased, restored
from voucher_async.payments.journal import Claim
from voucher_async.payments.stored import from_json, to_json

__all__ = ["SqliteJournal"]

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS digest_key (one INTEGER PRIMARY KEY CHECK (one = 1), value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS owners (owner TEXT PRIMARY KEY, ends REAL NOT NULL, buried INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS records (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, scope TEXT NOT NULL, key TEXT,
    holds INTEGER NOT NULL, version INTEGER NOT NULL, state TEXT NOT NULL, ended INTEGER NOT NULL,
    told INTEGER NOT NULL, shrunk INTEGER NOT NULL, changed REAL NOT NULL, owner TEXT NOT NULL, parent TEXT,
    order_number TEXT, operation TEXT, charge_id TEXT, text TEXT NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS keys ON records (scope, key) WHERE holds = 1 AND key IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS charges ON records (scope, charge_id) WHERE charge_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS children ON records (scope, parent) WHERE parent IS NOT NULL;
CREATE INDEX IF NOT EXISTS live ON records (scope, operation) WHERE ended = 0;
CREATE INDEX IF NOT EXISTS orders ON records (order_number);
"""
_RUNS = "SELECT 1 FROM owners WHERE owner = ? AND ends > ? AND buried = 0"
_UNLESS_BURIED = (
    "ON CONFLICT (owner) DO UPDATE SET ends = excluded.ends, buried = excluded.buried WHERE buried = 0"
)
_DAY = 86_400.0
_PAGE = 50


_TRIES = 1000
_PAUSE = 0.01  # seconds


class SqliteJournal:
    """The records of the processes of one machine, in a file.

    Args:
        path: the file; made where there is none.
        clock: measures leases; default: the system's.
    """

    durable = True

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        self._path = path
        self._clock = clock or SystemClock()
        self._thread = ThreadPoolExecutor(1)
        self._opened: sqlite3.Connection | None = None
        self._digest_key = b""
        self._is_closed = False

    async def _run(self, work: Callable[[sqlite3.Connection], T], *, durable: bool = False) -> T:
        if self._is_closed:
            raise JournalFailed("the journal was closed")
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, self._transaction, work, durable)
        except sqlite3.Error as error:
            raise JournalFailed(f"the journal failed: {error}") from error

    def _transaction(self, work: Callable[[sqlite3.Connection], T], durable: bool) -> T:  # noqa: FBT001
        connection = self._opened = self._opened or self._open()
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(connection)
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
        return result

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=20, isolation_level=None)
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        _to_wal(connection)
        # workers that start at once create the tables one after the other
        connection.execute("BEGIN IMMEDIATE")
        for statement in _SCHEMA.split(";"):
            connection.execute(statement)
        connection.execute("INSERT OR IGNORE INTO digest_key VALUES (1, ?)", (os.urandom(32),))
        self._digest_key = connection.execute("SELECT value FROM digest_key").fetchone()[0]
        connection.execute("COMMIT")

    async def digest_key(self) -> bytes:
        return await self._run(lambda _: self._digest_key)

    async def claim(self, record: CallRecord, *, durable: bool = False) -> Claim:
        return await self._run(lambda db: self._claim(db, record), durable=durable)

    def _claim(self, db: sqlite3.Connection, record: CallRecord) -> Claim:
        stored = _one(db, "id = ?", record.id)
        if stored is not None:
            earlier = (
                self._holder(db, record, "holds = 0 AND state = 'not done'") if stored == record else None
            )
            return Claim(record=stored, won=stored == record, earlier=earlier)
        held = self._holder(db, record, "holds = 1")
        if held is not None and held.state is not CallState.NOT_DONE:
            return Claim(record=held, won=False)
        if record.charge is not None:
            rival = _one(db, "scope = ? AND charge_id = ?", record.scope, record.charge.id)
            if rival is not None:
                return Claim(record=rival, won=False)
        if held is not None:
            db.execute("UPDATE records SET holds = 0 WHERE id = ?", (held.id,))
        row = {"id": record.id, "scope": record.scope, "parent": record.parent, "holds": 1, **_row(record)}
        marks = ", ".join(f":{name}" for name in row)
        db.execute(f"INSERT INTO records ({', '.join(row)}) VALUES ({marks})", row)
        return Claim(record=record, won=True, earlier=held)

    def _holder(self, db: sqlite3.Connection, record: CallRecord, which: str) -> CallRecord | None:
        if record.key is None:
            return None
        where = f"scope = ? AND key IN (?, ?) AND id != ? AND {which} ORDER BY number DESC"
        held = _one(db, where, record.scope, *self._spellings(record.key), record.id)
        return held and restored(held, record.key, record.parameters.order_number, self._digest)

    def _digest(self, text: str) -> str:
        return digest_of(text, self._digest_key)

    def _spellings(self, text: str) -> tuple[str, str]:
        return text, self._digest(text)

    async def save(self, record: CallRecord, *, durable: bool = False) -> bool:
        try:
            return await self._run(lambda db: _save(db, record), durable=durable)
        except JournalFailed as error:
            if isinstance(error.__cause__, sqlite3.IntegrityError):
                return False
            raise

    async def get(self, scope: str, record_id: str) -> CallRecord | None:
        return await self._run(lambda db: _one(db, "scope = ? AND id = ?", scope, record_id))

    async def find(self, scope: str, key: str) -> CallRecord | None:
        where = "scope = ? AND key IN (?, ?) AND holds = 1"
        held = await self._run(lambda db: _one(db, where, scope, *self._spellings(key)))
        return held and restored(held, key, None, self._digest)

    async def children(self, scope: str, parent: str) -> Sequence[CallRecord]:
        return await self._run(lambda db: _all(db, "scope = ? AND parent = ? ORDER BY number", scope, parent))

    async def alike(self, record: CallRecord) -> Sequence[CallRecord]:
        like = record.signature
        if like is None:
            return []
        where = "scope = ? AND operation = ? AND id != ? AND ended = 0"
        found = await self._run(lambda db: _all(db, where, record.scope, like.operation, record.id))
        return [each for each in found if each.signature is not None and each.signature.may_be(like)]

    async def owner_of(self, scope: str, charge_id: str) -> str | None:
        found = await self._run(lambda db: _one(db, "scope = ? AND charge_id = ?", scope, charge_id))
        return None if found is None else found.id

    def _now(self) -> float:
        return self._clock.now().timestamp()

    async def beat(self, owner: str, lease: float) -> bool:
        upsert = f"INSERT INTO owners VALUES (?, ?, 0) {_UNLESS_BURIED}"
        return await self._run(lambda db: db.execute(upsert, (owner, self._now() + lease)).rowcount == 1)

    async def is_alive(self, owner: str) -> bool:
        return await self._run(lambda db: db.execute(_RUNS, (owner, self._now())).fetchone() is not None)

    async def bury(self, owner: str) -> bool:
        upsert = f"INSERT INTO owners VALUES (?, ?, 1) {_UNLESS_BURIED}"

        def work(db: sqlite3.Connection) -> bool:
            if db.execute(_RUNS, (owner, self._now())).fetchone() is not None:
                return False
            db.execute(upsert, (owner, self._now()))
            return True

        return await self._run(work)

    async def left(self, scope: str, limit: int = 100) -> Sequence[CallRecord]:
        alive = "SELECT owner FROM owners WHERE ends > ? AND buried = 0"
        where = f"scope = ? AND ended = 0 AND owner NOT IN ({alive}) ORDER BY number LIMIT ?"
        return await self._run(lambda db: _all(db, where, scope, self._now(), limit))

    async def history(
        self,
        scope: str,
        *,
        order_number: str | None = None,
        key: str | None = None,
        told: bool | None = None,
    ) -> AsyncIterator[CallRecord]:
        await self.digest_key()  # the spellings need it
        where, values = "scope = ?", list[Any]((scope,))
        for name, text in (("order_number", order_number), ("key", key)):
            if text is not None:
                where, values = f"{where} AND {name} IN (?, ?)", [*values, *self._spellings(text)]
        if told is not None:
            where, values = f"{where} AND state = 'done' AND told = ?", [*values, told]
        statement = f"SELECT number, text FROM records WHERE {where} AND number > ? ORDER BY number LIMIT ?"
        page, number = await self._page(statement, *values, 0), 0
        while page:
            for number, text in page:  # noqa: B007 - the last number is the start of the next page
                yield from_json(text)
            page = await self._page(statement, *values, number)

    async def _page(self, statement: str, *values: Any) -> list[tuple[int, str]]:
        return await self._run(lambda db: db.execute(statement, (*values, _PAGE)).fetchall())

    async def acknowledge(self, scope: str, record_id: str) -> bool:
        def work(db: sqlite3.Connection) -> bool:
            record = _one(db, "scope = ? AND id = ? AND ended = 1", scope, record_id)
            if record is not None and not record.told:
                _save(db, attrs.evolve(record, told=True, version=record.version + 1))
            return record is not None

        return await self._run(work)

    async def erase(self, order_number: str) -> int:
        def work(db: sqlite3.Connection) -> int:
            found = _all(db, "order_number = ? AND ended = 1", order_number)
            return sum(_save(db, erased(record, self._digest_key)) for record in found)

        return await self._run(work)

    async def purge(self, shrink_before: dt.datetime, drop_before: dt.datetime) -> int:
        def work(db: sqlite3.Connection) -> int:
            drop = "DELETE FROM records WHERE ended = 1 AND changed < ?"
            dropped = db.execute(drop, (drop_before.timestamp(),)).rowcount
            where = "ended = 1 AND shrunk = 0 AND changed < ?"
            shrunk = sum(_save(db, each.shrunk()) for each in _all(db, where, shrink_before.timestamp()))
            needed = "SELECT owner FROM records WHERE ended = 0"
            db.execute(
                f"DELETE FROM owners WHERE ends < ? AND owner NOT IN ({needed})", (self._now() - _DAY,)
            )
            return dropped + shrunk

        return await self._run(work)

    async def aclose(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
            self._thread.shutdown()

    def _close(self) -> None:
        if self._opened is not None:
            self._opened.close()


def _to_wal(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log. Where another connection is about to, SQLite refuses without waiting."""
    for _ in range(_TRIES):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            time.sleep(_PAUSE)
        else:
            return
    raise sqlite3.OperationalError("the database stays locked")


def _row(record: CallRecord) -> dict[str, Any]:
    """The columns that a write may change."""
    return {
        "key": record.key,
        "version": record.version,
        "state": str(record.state),
        "ended": record.ended,
        "told": record.told,
        "shrunk": record.is_shrunk,
        "changed": record.changed_at.timestamp(),
        "owner": record.owner,
        "order_number": record.order_number,
        "operation": record.signature and record.signature.operation,
        "charge_id": None if record.charge is None else record.charge.id,
        "text": to_json(record),
    }


def _save(db: sqlite3.Connection, record: CallRecord) -> bool:
    row = _row(record)
    changes = ", ".join(f"{name} = :{name}" for name in row)
    where = "id = :id AND scope = :scope AND version = :version - 1"
    statement = f"UPDATE records SET {changes} WHERE {where}"
    return db.execute(statement, {**row, "id": record.id, "scope": record.scope}).rowcount == 1


def _all(db: sqlite3.Connection, where: str, *values: Any) -> list[CallRecord]:
    return [from_json(text) for (text,) in db.execute(f"SELECT text FROM records WHERE {where}", values)]


def _one(db: sqlite3.Connection, where: str, *values: Any) -> CallRecord | None:
    return next(iter(_all(db, f"{where} LIMIT 1", *values)), None)
