"""The journal: the store of the records of money calls.

Theory of operation. A record is claimed by inserting it: of two claims of one key in one scope the journal
lets one win. It is changed by compare-and-swap on its version alone, so an owner that was replaced finds out
when it writes. `durable` writes are on disk when `save` returns; the others are visible to others.

A client in a process is an owner with one lease. It keeps its records as long as it renews the lease. A
client that finds an owner whose lease is over buries it (declares it dead) by compare-and-swap, and only then
takes its records over. A buried owner starts nothing more. The journal's own clock measures leases.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import attrs

from voucher_async.payments.call import CallRecord

__all__ = ["Claim", "HistoryByEnd", "Journal", "Line"]


@attrs.frozen(kw_only=True)
class Claim:
    """The result of claiming a key.

    Attributes:
        record: the record that has the key now, or the charge. An erased key is shown as in the claim, as is
            the order number if it is the same.
        won: True when that is the record of the claim.
        earlier: the record of an earlier call that was not carried out and left the key free; None where
            there is none, or `won` is False.
    """

    record: CallRecord
    won: bool
    earlier: CallRecord | None = None


class Line(Protocol):
    """Gives turns to processes that share a journal; a journal that has these two methods is asked for turns.

    Every method may raise `JournalFailed`; nothing else.
    """

    async def line_up(self, turn: str, ticket: str, owner: str, lease: float) -> int:
        """Take a place in the line for a turn, or stay there: asking again keeps a place that has not lapsed.

        Args:
            turn: stands for what one holder at a time may use.
            ticket: tells those in the line apart.
            owner: the owner of the ticket now; a ticket whose owner's lease does not run is passed over. An
                owner has one place in a line: it gives up an earlier one, which a crash of the database may
                have brought back.
            lease: seconds after which the ticket lapses unless it is asked for again; those who renew it in
                time keep their place.

        Returns:
            How many tickets are ahead. With 0 it has the turn, until it is given back or lapses.
        """
        ...

    async def leave_line(self, turn: str, ticket: str) -> None:
        """Give a turn or a place in the line back; a ticket that is not there is ignored."""
        ...


class HistoryByEnd(Protocol):
    """Reads a history by whether calls have ended; a journal whose `history` takes `ended` is asked so.

    Of any other journal all records are read, and those that are not wanted left out.
    """

    def history(
        self,
        scope: str,
        *,
        order_number: str | None = None,
        key: str | None = None,
        told: bool | None = None,
        ended: bool | None = None,
    ) -> AsyncIterator[CallRecord]:
        """Records, the oldest first; see `Journal.history`.

        Args:
            scope: see there, as for the others.
            order_number: limits the records to one order.
            key: limits the records to one key.
            told: limits the records to calls that are done.
            ended: limits the records: True to calls whose end is known, False to the others, which a journal
                finds without reading the ended ones.
        """
        ...


class Journal(Protocol):
    """Keeps the records of money calls. Every method may raise `JournalFailed`; nothing else.

    A journal may be shared by any number of clients, and one that is a database by many processes: scope is
    part of every lookup. The id, the scope, the key, the parameters and the parent of a record never change,
    but by `erase`. The order of records is that in which they were claimed.
    """

    @property
    def durable(self) -> bool:
        """True when records outlive their process, so that others recover what it left.

        A journal without this attribute counts as one that is not durable.
        """
        ...

    async def digest_key(self) -> bytes:
        """The digest key of voucher codes: 32 bytes, made once, the same for every user."""
        ...

    async def claim(self, record: CallRecord, *, durable: bool = False) -> Claim:
        """Store a record that is new, and give it its key.

        A key that no record of the scope has, or one whose record is `NOT_DONE`, goes to the new record;
        otherwise nothing is stored. A record without a key is stored. A record whose charge belongs to
        another record of the scope is not stored. Repeating a claim whose answer was lost, with the same
        record, changes nothing, and is won again.

        Args:
            record: the record, in whatever state it is.
            durable: wait until it is on disk, for one that is stored about to be sent.
        """
        ...

    async def save(self, record: CallRecord, *, durable: bool = False) -> bool:
        """Store the successor of a record.

        Args:
            record: the record, its version one above the stored one.
            durable: wait until it is on disk.

        Returns:
            False, and nothing was stored: the stored record has another version, it is gone, or a charge of
            the record belongs to another record of the scope.
        """
        ...

    async def get(self, scope: str, record_id: str) -> CallRecord | None:
        """A record by its id."""
        ...

    async def find(self, scope: str, key: str) -> CallRecord | None:
        """The record that has a key."""
        ...

    async def children(self, scope: str, parent: str) -> Sequence[CallRecord]:
        """The records of the money calls of a checkout, the oldest first.

        Args:
            scope: the scope.
            parent: the id of the record of the checkout.
        """
        ...

    async def alike(self, record: CallRecord) -> Sequence[CallRecord]:
        """Other records of the scope that could be taken for this one in a list of charges, in no order.

        Records that are sent or open, and whose signature may be the same, whatever the order: a `redeem` and
        a `chargeReservation` are alike, an unknown voucher or amount may be any. A record without a signature
        has none. Call it after reading the list: a record that is begun by then has made no entry in it.
        """
        ...

    async def owner_of(self, scope: str, charge_id: str) -> str | None:
        """The id of the record that a charge belongs to."""
        ...

    async def beat(self, owner: str, lease: float) -> bool:
        """Begin or renew the lease of a process.

        Args:
            owner: the process.
            lease: seconds from now.

        Returns:
            False when the owner was buried: it may start nothing more.
        """
        ...

    async def is_alive(self, owner: str) -> bool:
        """Tell whether the lease of an owner runs, and it was not buried."""
        ...

    async def bury(self, owner: str) -> bool:
        """Declare an owner dead whose lease is over; False when it runs, so nothing may be taken over.

        An owner that is dead already, or unknown, is dead then, too. One that has been dead for a day, and
        whose records have all ended, may be forgotten.
        """
        ...

    async def left(self, scope: str, limit: int = 100) -> Sequence[CallRecord]:
        """Records that are not ended and whose owners are dead, or whose lease is over; the oldest first."""
        ...

    def history(
        self,
        scope: str,
        *,
        order_number: str | None = None,
        key: str | None = None,
        told: bool | None = None,
    ) -> AsyncIterator[CallRecord]:
        """Records, the oldest first.

        Reading blocks no other call. Records claimed meanwhile may be missing; each other one comes once, as
        it is when it is read.

        Args:
            scope: the scope.
            order_number: limits the records to one order, erased or not; they show it.
            key: limits the records to one key, erased or not; they show it. Calls that were not carried out
                are included.
            told: limits the records to calls that are done: True to those whose charge was handed to a
                caller, False to those of which nobody was told.
        """
        ...

    async def acknowledge(self, scope: str, record_id: str) -> bool:
        """Note that a caller was told of a record's end; False when no such record has ended.

        The version counts this write, too.
        """
        ...

    async def erase(self, order_number: str) -> int:
        """Replace the order number and the keys of an order by digests, in every scope.

        The digest of a key keeps the key used: claims and `find` match it. Only ended records are changed, as
        the others are settled by their order number. Erase again when they have ended.

        Returns:
            How many records were changed.
        """
        ...

    async def purge(self, shrink_before: dt.datetime, drop_before: dt.datetime) -> int:
        """Shrink ended records to what a replay needs, and drop those that are older still, in every scope.

        `CallRecord.shrunk` keeps scope, key, parameters and charge, its refunds, and the plan of a checkout.

        Args:
            shrink_before: ended records that were last changed before are shrunk; aware.
            drop_before: ended records that were last changed before are dropped, their keys freed; aware.

        Returns:
            How many records were shrunk or dropped.
        """
        ...

    async def aclose(self) -> None:
        """Close files and connections; a second call does nothing."""
        ...
