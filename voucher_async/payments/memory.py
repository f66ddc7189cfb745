"""The journal in memory: the records of one process, for as long as it lives.

Threads. One journal may serve clients on several event loops. A method changes several tables, so it holds a
lock while it does; it never waits for anything else meanwhile, so the lock is held for microseconds and no
loop is stopped. No method suspends its caller but `history`.

Forks. A child has the ended records. Calls of the parent that are under way go on there, and the child never
hears of their ends: they belong to the parent's owners, who are alive for the child as long as that process
is. Only then may they be taken over: in a copy of the journal nothing can be fenced.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import os
import threading
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final

import attrs

from voucher_async.bounded import BoundedMap
from voucher_async.cancelling import quietly
from voucher_async.clock import Clock, SystemClock
from voucher_async.forks import renew_in_children
from voucher_async.payments.call import CallRecord, CallState
from voucher_async.payments.erasing import digest_of, erased, restored
from voucher_async.payments.indexes import Indexes
from voucher_async.payments.journal import Claim
from voucher_async.payments.leases import Leases

__all__ = ["MemoryJournal"]

_KEPT: Final = 131_072
_DAY: Final = 86_400.0  # seconds
_PAGE: Final = 1024  # records of the history that are read before other tasks get a turn

_logger: Final = logging.getLogger("voucher_async")


class MemoryJournal:
    """The records of money calls of one process; keys are kept as long as it lives.

    Calls that are not ended are never forgotten, of ended ones the latest are kept.

    Args:
        clock: measures leases; default: the system's.
        keep: ended records that are kept.
    """

    def __init__(self, clock: Clock | None = None, *, keep: int = _KEPT) -> None:
        self._clock = clock or SystemClock()
        self._keep = keep
        self._lock = threading.Lock()
        self._digest_key = os.urandom(32)
        self._leases = Leases(self._clock)
        self._records: dict[str, CallRecord] = {}  # in the order of their claims
        self._indexes = Indexes()
        self._ended: BoundedMap[str, float] = BoundedMap(keep)  # record id -> when it ended
        self._has_erased = False
        self._has_warned = False
        renew_in_children(self)

    def after_fork(self) -> None:
        """Go on with a copy: another thread may have been about to change it."""
        self._lock = threading.Lock()
        self._leases.inherit()
        records = list(self._records.values())
        self._indexes = Indexes(records)
        now, since, self._ended = self._clock.monotonic(), self._ended, BoundedMap(self._keep)
        for record in records:
            if record.ended:
                self._end(record.id, since.get(record.id, now))

    @property
    def durable(self) -> bool:
        """False: the records are gone with their process."""
        return False

    async def digest_key(self) -> bytes:
        """The key that voucher codes are digested with: 32 random bytes."""
        return self._digest_key

    async def claim(self, record: CallRecord, *, durable: bool = False) -> Claim:  # noqa: ARG002 - no disk
        """Store a record that is new, and give it its key; see `Journal.claim`."""
        with self._lock:
            stored = self._records.get(record.id)
            if stored is not None:
                return self._claimed_before(stored, record)
            held = None if record.key is None else self._find(record.scope, record.key)
            if held is not None and held.state is not CallState.NOT_DONE:
                return Claim(record=self._shown(held, record), won=False)
            rival = self._indexes.rival(record)
            if rival is not None:
                return Claim(record=self._records[rival], won=False)
            if held is not None:
                self._indexes.take_key(held)
            self._records[record.id] = record
            self._indexes.add(record)
            is_due = record.ended and self._end(record.id, self._clock.monotonic())
        if is_due:
            self._warn()
        return Claim(record=record, won=True, earlier=held and self._shown(held, record))

    def _claimed_before(self, stored: CallRecord, record: CallRecord) -> Claim:
        keys = self._spellings(record.key)
        if stored != record:
            held = self._shown(stored, record) if stored.key in keys else stored
            return Claim(record=held, won=False)
        others = (each for each in self._records.values() if each.scope == record.scope and each.key in keys)
        earlier = [each for each in others if each.id != record.id and each.state is CallState.NOT_DONE]
        return Claim(record=record, won=True, earlier=self._shown(earlier[-1], record) if earlier else None)

    async def save(self, record: CallRecord, *, durable: bool = False) -> bool:  # noqa: ARG002 - no disk
        """Store the successor of a record; see `Journal.save`."""
        with self._lock:
            stored = self._records.get(record.id)
            if stored is None or stored.scope != record.scope or record.version != stored.version + 1:
                return False
            if self._indexes.rival(record) is not None:
                return False
            is_due = self._replace(stored, record)
        if is_due:
            self._warn()
        return True

    def _replace(self, stored: CallRecord, record: CallRecord) -> bool:
        self._records[record.id] = record
        self._indexes.change(stored, record)
        if not record.ended:
            self._ended.pop(record.id, None)
            return False
        return not stored.ended and self._end(record.id, self._clock.monotonic())

    def _end(self, record_id: str, since: float) -> bool:
        """Drop the oldest of too many ended records; True when somebody has to be warned of it."""
        dropped = self._oldest_of_too_many(record_id, since)
        if dropped is None:
            return False
        oldest, ended_at = dropped
        record = self._records.pop(oldest)
        self._indexes.discard(record)
        is_young = record.key is not None and self._clock.monotonic() - ended_at < _DAY
        if not is_young or self._has_warned:
            return False
        self._has_warned = True
        return True

    def _oldest_of_too_many(self, record_id: str, since: float) -> tuple[str, float] | None:
        dropped = self._ended.put(record_id, since)
        for _ in range(len(self._ended)):
            if dropped is None or not self._is_part_of_live(self._records[dropped[0]]):
                break
            dropped = self._ended.put(*dropped)  # as the latest
        return dropped

    def _is_part_of_live(self, record: CallRecord) -> bool:
        """True for a part of a call that has not ended, and goes by what its parts have done."""
        whole = None if record.parent is None else self._records.get(record.parent)
        return whole is not None and not whole.ended

    def _warn(self) -> None:
        quietly(
            _logger.warning,
            "the journal in memory is full (%d ended calls): it has forgotten an idempotency key that was "
            "used less than a day ago, so a call with it would be carried out again",
            self._keep,
        )

    def _find(self, scope: str, key: str) -> CallRecord | None:
        holder = self._indexes.holder(scope, key)
        if holder is None and self._has_erased:
            holder = self._indexes.holder(scope, self._digest(key))
        return None if holder is None else self._records[holder]

    def _digest(self, text: str) -> str:
        return digest_of(text, self._digest_key)

    def _spellings(self, text: str | None) -> Sequence[str]:
        """A key or an order number as it is in records, erased or not."""
        return () if text is None else (text, self._digest(text))

    def _shown(self, held: CallRecord, asking: CallRecord) -> CallRecord:
        return restored(held, asking.key, asking.parameters.order_number, self._digest)

    async def get(self, scope: str, record_id: str) -> CallRecord | None:
        """A record by its id."""
        record = self._records.get(record_id)  # one read of one dict needs no lock
        return record if record is not None and record.scope == scope else None

    async def find(self, scope: str, key: str) -> CallRecord | None:
        """The record that has a key."""
        with self._lock:
            held = self._find(scope, key)
        return held and restored(held, key, None, self._digest)

    async def children(self, scope: str, parent: str) -> Sequence[CallRecord]:
        """The records of the money calls of a checkout, the oldest first."""
        with self._lock:
            return [self._records[each] for each in self._indexes.children(scope, parent)]

    async def alike(self, record: CallRecord) -> Sequence[CallRecord]:
        """Other records that could be taken for this one in a list of charges; see `Journal.alike`."""
        with self._lock:
            return [self._records[each] for each in self._indexes.alike(record) if each != record.id]

    async def owner_of(self, scope: str, charge_id: str) -> str | None:
        """The id of the record that a charge belongs to."""
        with self._lock:
            return self._indexes.owner(scope, charge_id)

    async def beat(self, owner: str, lease: float) -> bool:
        """Begin or renew the lease of an owner; False when it was buried."""
        with self._lock:
            return self._leases.beat(owner, lease)

    async def is_alive(self, owner: str) -> bool:
        """Tell whether the lease of an owner runs, and it was not buried."""
        with self._lock:
            return self._leases.is_running(owner)

    async def bury(self, owner: str) -> bool:
        """Declare an owner dead whose lease is over; False when it runs."""
        with self._lock:
            return self._leases.bury(owner)

    async def left(self, scope: str, limit: int = 100) -> Sequence[CallRecord]:
        """Records that are not ended and whose owners' leases do not run, the oldest first."""
        with self._lock:
            live = (self._records[each] for each in self._indexes.live)
            found = [each for each in live if each.scope == scope and not self._leases.is_running(each.owner)]
        return found[:limit]

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
        with self._lock:
            ids = list(self._indexes.live if ended is False else self._records)
        orders, keys = self._spellings(order_number), self._spellings(key)
        for number, record_id in enumerate(ids, 1):
            if number % _PAGE == 0:
                await asyncio.sleep(0)
            record = self._records.get(record_id)
            if record is None or record.scope != scope:
                continue
            if ended is not None and record.ended != ended:
                continue
            is_of = (not orders or record.order_number in orders) and (not keys or record.key in keys)
            if is_of and (told is None or (record.state is CallState.DONE and record.told == told)):
                yield restored(record, key, order_number, self._digest)

    async def acknowledge(self, scope: str, record_id: str) -> bool:
        """Note that somebody was told how a record ended; False when none has ended that has the id."""
        with self._lock:
            record = self._records.get(record_id)
            if record is None or record.scope != scope or not record.ended:
                return False
            if not record.told:
                self._replace(record, attrs.evolve(record, told=True, version=record.version + 1))
        return True

    async def erase(self, order_number: str) -> int:
        """Replace the order number and the keys of an order by digests; see `Journal.erase`."""
        with self._lock:
            found = [each for each in self._all_ended() if each.order_number == order_number]
            for record in found:
                had_key = self._indexes.take_key(record)
                changed = erased(record, self._digest_key)
                self._replace(record, changed)
                if had_key:
                    self._indexes.give_key(changed)
            self._has_erased = self._has_erased or bool(found)
        return len(found)

    async def purge(self, shrink_before: dt.datetime, drop_before: dt.datetime) -> int:
        """Shrink ended records, and drop those that are older still; see `Journal.purge`."""
        changed = 0
        with self._lock:
            for record in list(self._all_ended()):
                if record.changed_at < drop_before and not self._is_part_of_live(record):
                    del self._records[record.id], self._ended[record.id]
                    self._indexes.discard(record)
                elif record.changed_at < shrink_before and not record.is_shrunk:
                    self._replace(record, record.shrunk())
                else:
                    continue
                changed += 1
            self._leases.forget(self._records[each].owner for each in self._indexes.live)
        return changed

    def _all_ended(self) -> Iterable[CallRecord]:
        return (self._records[each] for each in self._ended)

    async def aclose(self) -> None:
        """Do nothing: what is in memory is kept as long as the journal is."""
