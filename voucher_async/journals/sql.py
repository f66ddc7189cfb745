"""The durable journal: in SQLite for the workers of one machine, in PostgreSQL for many.

    journal = SqlJournal("sqlite:///vouchers.db")

Nothing is opened before the journal is first asked. Databases differ in their stores; here is what they have
in common: records are made to JSON and read from it, erased, shrunk and shown to those who have their keys.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final

import attrs

from voucher_async.cancelling import quietly
from voucher_async.clock import Clock, SystemClock
from voucher_async.errors import ConfigurationError, JournalFailed
from voucher_async.journals.rows import like_of, microseconds, row_of
from voucher_async.journals.store import FIRST, Page, Store, Wanted
from voucher_async.journals.urls import Address, address_of, shown
from voucher_async.masking import conceal
from voucher_async.payments.call import CallRecord
from voucher_async.payments.erasing import digest_of, erased, restored
from voucher_async.payments.journal import Claim
from voucher_async.payments.stored import from_json

__all__ = ["SqlJournal"]

_LOCK_TIMEOUT: Final = 10.0  # seconds
_TRIES: Final = 100  # of a change that others are faster with
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_NAMES: Final = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
_OF_EXTRAS: Final = {"sqlalchemy", "asyncpg"}

_logger: Final = logging.getLogger("voucher_async")


class SqlJournal:
    """The records of money calls in a database. Its methods are those of `Journal`.

    Args:
        url: `sqlite:///file.db`, relative to the working directory, `sqlite:////absolute/file.db` or
            `postgresql://user:password@host/database`, with the parameters that asyncpg knows, such as
            `sslmode`, or several hosts and `target_session_attrs`; a password is never shown. A connection
            pooler is noticed; `statement_cache_size=0` says that the URL leads to one.
        create: make the tables where there are none; False for one who may not, or uses migrations of
            `voucher_async.journals.tables.metadata`.
        clock: measures leases in SQLite, and must show the same time in all processes; default: the
            system's. PostgreSQL has its own.
        lock_timeout: seconds that a write waits for those of other processes.

    Raises:
        ConfigurationError: the URL is none of these, or the extra is not installed.
    """

    def __init__(
        self,
        url: str,
        *,
        create: bool = True,
        clock: Clock | None = None,
        lock_timeout: float = _LOCK_TIMEOUT,
    ) -> None:
        url = conceal(url)
        self._shown = shown(url)
        self._store = _store(
            address_of(url), clock or SystemClock(), create=create, lock_timeout=lock_timeout
        )
        self._digest_key: bytes | None = None
        self._unreadable: set[int] = set()  # the numbers of rows that were logged

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._shown!r})"

    @property
    def store(self) -> Store:
        """The database's part, for what keeps its rows beside the journal's: `SqlTokenStore`."""
        return self._store

    @property
    def durable(self) -> bool:
        """True: records outlive the process."""
        return True

    async def digest_key(self) -> bytes:
        """The key that voucher codes are digested with: 32 random bytes."""
        if self._digest_key is None:
            self._digest_key = await self._store.digest_key()
        return self._digest_key

    async def _digests(self) -> Callable[[str], str]:
        key = self._digest_key or await self.digest_key()
        return lambda text: digest_of(text, key)

    async def claim(self, record: CallRecord, *, durable: bool = False) -> Claim:
        """Store a record that is new, and give it its key; see `Journal.claim`."""
        digest = await self._digests()
        key_digest = None if record.key is None else digest(record.key)
        said = await self._store.claim(row_of(record, key_digest), key_digest, durable=durable)

        def read(text: str) -> CallRecord:
            held = from_json(text)
            is_same_key = record.key is not None and held.key in {record.key, digest(record.key)}
            return restored(held, record.key, record.order_number, digest) if is_same_key else held

        if not said.won:
            assert said.holder is not None  # noqa: S101 - or the store has broken its word
            return Claim(record=read(said.holder), won=False)
        return Claim(record=record, won=True, earlier=read(said.earlier) if said.earlier else None)

    async def save(self, record: CallRecord, *, durable: bool = False) -> bool:
        """Store the successor of a record; see `Journal.save`."""
        return await self._store.save(row_of(record), durable=durable)

    async def get(self, scope: str, record_id: str) -> CallRecord | None:
        """A record by its id."""
        if not _can_be_stored(scope, record_id):
            return None
        text = await self._store.get(scope, record_id)
        return None if text is None else from_json(text)

    async def find(self, scope: str, key: str) -> CallRecord | None:
        """The record that has a key."""
        if not _can_be_stored(scope, key):
            return None
        digest = await self._digests()
        text = await self._store.find(scope, (key, digest(key)))
        return None if text is None else restored(from_json(text), key, None, digest)

    async def children(self, scope: str, parent: str) -> Sequence[CallRecord]:
        """The records of the money calls of a checkout, the oldest first."""
        if not _can_be_stored(scope, parent):
            return []
        return list(map(from_json, await self._store.children(scope, parent)))

    async def alike(self, record: CallRecord) -> Sequence[CallRecord]:
        """Other records that could be taken for this one in a list of charges; see `Journal.alike`."""
        signature = record.signature
        if signature is None or not _can_be_stored(record.scope, signature.voucher_id):
            return []
        found = map(from_json, await self._store.alike(record.scope, like_of(signature)))
        return [
            each
            for each in found
            if each.id != record.id and each.signature is not None and signature.may_be(each.signature)
        ]

    async def owner_of(self, scope: str, charge_id: str) -> str | None:
        """The id of the record that a charge belongs to."""
        return await self._store.owner_of(scope, charge_id) if _can_be_stored(scope, charge_id) else None

    async def beat(self, owner: str, lease: float) -> bool:
        """Begin or renew the lease of an owner; False when it was buried."""
        return await self._store.beat(owner, lease)

    async def is_alive(self, owner: str) -> bool:
        """Tell whether the lease of an owner runs, and it was not buried."""
        return await self._store.is_alive(owner)

    async def bury(self, owner: str) -> bool:
        """Declare an owner dead whose lease is over; False when it runs."""
        return await self._store.bury(owner)

    async def line_up(self, turn: str, ticket: str, owner: str, lease: float) -> int:
        """Take a place in the line for a turn, or stay there; see `Line.line_up`."""
        return await self._store.line_up(turn, ticket, owner, lease)

    async def leave_line(self, turn: str, ticket: str) -> None:
        """Give a turn or a place in the line back."""
        await self._store.leave_line(turn, ticket)

    async def left(self, scope: str, limit: int = 100) -> Sequence[CallRecord]:
        """Records that are not ended and whose owners' leases do not run, the oldest first.

        One that cannot be read is logged once, and left alone.
        """
        asked = limit
        while True:
            page = await self._store.left(scope, asked)
            found = self._readable(page)
            if len(found) >= limit or len(page) < asked:
                return found[:limit]
            asked += limit - len(found)

    def _readable(self, page: Page) -> list[CallRecord]:
        """The records of a page but those that cannot be read."""
        found: list[CallRecord] = []
        for number, text in page:
            try:
                found.append(from_json(text))
            except JournalFailed as error:
                if number not in self._unreadable:
                    self._unreadable.add(number)
                    words = "row %d of the journal's table voucher_records is left alone: %s"
                    quietly(_logger.warning, words, number, error)
        return found

    async def history(
        self,
        scope: str,
        *,
        order_number: str | None = None,
        key: str | None = None,
        told: bool | None = None,
        ended: bool | None = None,
    ) -> AsyncIterator[CallRecord]:
        """Records, the oldest first; see `Journal.history` and `HistoryByEnd.history`."""
        if not _can_be_stored(scope, order_number or "", key or ""):
            return
        digest = await self._digests()
        orders, keys = (() if text is None else (text, digest(text)) for text in (order_number, key))
        wanted = Wanted(scope=scope, orders=orders, keys=keys, told=told, ended=ended)
        async for page in _pages(functools.partial(self._store.page, wanted)):
            for record in page:
                yield restored(record, key, order_number, digest)

    async def acknowledge(self, scope: str, record_id: str) -> bool:
        """Note that a caller was told how a record ended; False when none has ended that has the id."""

        def told(record: CallRecord) -> CallRecord | None:
            return None if record.told else attrs.evolve(record, told=True, version=record.version + 1)

        return await self._change(await self.get(scope, record_id), told) is not None

    async def erase(self, order_number: str) -> int:
        """Replace the order number and the keys of an order by digests; see `Journal.erase`."""
        if not _can_be_stored(order_number):
            return 0
        key = await self.digest_key()

        def clean(record: CallRecord) -> CallRecord | None:
            return erased(record, key) if record.order_number == order_number else None

        read = functools.partial(self._store.ended_of, order_number)
        return await self._change_all(_pages(read), clean, is_erased=True)

    async def purge(self, shrink_before: dt.datetime, drop_before: dt.datetime) -> int:
        """Shrink ended records, and drop those that are older still; see `Journal.purge`.

        One that cannot be read is logged once, and not shrunk.
        """

        def shrink(record: CallRecord) -> CallRecord | None:
            is_due = not record.is_shrunk and record.changed_at < shrink_before
            return record.shrunk() if is_due else None

        dropped = await self._store.drop(microseconds(drop_before))
        shrunk = await self._change_all(self._due(microseconds(shrink_before)), shrink)
        await self._store.forget()
        return dropped + shrunk

    async def _due(self, before: int) -> AsyncIterator[Sequence[CallRecord]]:
        """The ended records that are not shrunk and were changed before a moment, by pages."""
        page = await self._store.unshrunk(before, FIRST)
        while page:
            yield self._readable([(number, text) for (_, number), text in page])
            page = await self._store.unshrunk(before, page[-1][0])

    async def _change_all(
        self,
        pages: AsyncIterator[Sequence[CallRecord]],
        change: Callable[[CallRecord], CallRecord | None],
        *,
        is_erased: bool = False,
    ) -> int:
        """Change all ended records of some pages; how many were changed."""
        changed = 0
        async for page in pages:
            # asked at once, they share their commits
            done = await asyncio.gather(*(self._change(each, change, is_erased=is_erased) for each in page))
            changed += done.count(True)
        return changed

    async def _change(
        self,
        record: CallRecord | None,
        change: Callable[[CallRecord], CallRecord | None],
        *,
        is_erased: bool = False,
    ) -> bool | None:
        """Change an ended record, whatever others write; None for none, False when there was nothing to do.

        Raises:
            JournalFailed: others were faster again and again.
        """
        for _ in range(_TRIES):
            if record is None or not record.ended:
                return None
            changed = change(record)
            if changed is None:
                return False
            if await self._store.save(row_of(changed), durable=False, is_erased=is_erased):
                return True
            record = await self.get(record.scope, record.id)
        raise JournalFailed("a record of the journal is changed by others all the time; try again")

    async def aclose(self) -> None:
        """Close files and connections; a second call does nothing."""
        await self._store.aclose()


async def _pages(read: Callable[[int], Awaitable[Page]]) -> AsyncIterator[Sequence[CallRecord]]:
    """The records of some pages.

    Raises:
        JournalFailed: one of them cannot be read.
    """
    page = await read(0)
    while page:
        yield [from_json(text) for _, text in page]
        page = await read(page[-1][0])


def _can_be_stored(*texts: str | None) -> bool:
    """False for half of a surrogate pair: no record that is stored has one."""
    return all(text is None or text.isascii() or not _SURROGATE.search(text) for text in texts)


def _store(address: Address, clock: Clock, *, create: bool, lock_timeout: float) -> Store:
    try:
        if address.dialect == "sqlite":
            from voucher_async.journals.sqlite import SqliteStore  # noqa: PLC0415 - it needs an extra

            return SqliteStore(address.place, clock, create=create, lock_timeout=lock_timeout)
        from voucher_async.journals.postgresql import PostgresqlStore  # noqa: PLC0415 - as above

        return PostgresqlStore(address.place, create=create, lock_timeout=lock_timeout)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _OF_EXTRAS:
            raise
        raise ConfigurationError(
            f"a journal in {_NAMES[address.dialect]} needs {error.name}: "
            f'pip install "voucher-async[{address.dialect}]"'
        ) from None
