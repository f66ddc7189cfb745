"""The journal: where the records of money calls are kept.

Theory of operation. A record is claimed by inserting it: of two claims of one key in one scope the journal
lets one win. It is changed by compare-and-swap on its version alone, so an owner that was replaced finds out
when it writes. `durable` writes are on disk when `save` returns; the others are visible to others.

A process is an owner with one lease. It keeps its records as long as it renews the lease; whoever finds an
owner whose lease is over buries it, by compare-and-swap, and only then takes its records over. An owner that
finds itself buried starts nothing more. The journal's own clock measures leases.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

from voucher_async.payments.call import CallRecord

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import AsyncIterator, Sequence

__all__ = ["Claim", "Journal"]


@attrs.frozen(kw_only=True)
class Claim:
    """The result of claiming a key.

    Attributes:
        record: the record that has the key now, or the charge; where its key was erased, it is shown with
            the key, and the order number if that is the same, of the record that was handed in.
        won: it is the one that was handed in.
        earlier: the record of an earlier call that was not carried out and left the key free; None where
            there is none, or `won` is False.
    """

    record: CallRecord
    won: bool
    earlier: CallRecord | None = None


class Journal(Protocol):
    """Keeps the records of money calls. Every method may raise `JournalFailed`; nothing else.

    A journal may be shared by any number of clients of one process: scope is part of every question. The id,
    the scope, the key, the parameters and the parent of a record never change, but by `erase`. The order of
    records is that in which they were claimed.
    """

    async def digest_key(self) -> bytes:
        """The key that voucher codes are digested with: 32 bytes, made once, the same for every user."""
        ...

    async def claim(self, record: CallRecord, *, durable: bool = False) -> Claim:
        """Store a record that is new, and give it its key.

        A key that no record of the scope has, or one whose record is `NOT_DONE`, goes to the new record;
        otherwise nothing is stored. A record without a key is stored. None is stored whose charge belongs to
        another record of the scope. To claim a record again that is stored as it was handed in, because the
        answer was lost, changes nothing and is won again.

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
            scope: whose.
            parent: the id of the record of the checkout.
        """
        ...

    async def alike(self, record: CallRecord) -> Sequence[CallRecord]:
        """Other records of the scope that could be taken for this one in a list of charges, in no order.

        Those that are sent or open, and whose signature may be the same, whatever the order: a `redeem` and a
        `chargeReservation` are alike, a voucher or an amount that is not known may be any. None of a record
        without a signature. Ask after reading the list: one that is only begun has made nothing before.
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
        """Tell whether the lease of a process runs, and it was not buried."""
        ...

    async def bury(self, owner: str) -> bool:
        """Declare a process dead whose lease is over; False when it runs, so nothing may be taken over.

        One that is dead already, or was never heard of, is dead then, too. What is dead for a day and owns
        nothing that is not ended may be forgotten.
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

        Reading holds nothing up. Those that are claimed meanwhile may be missing, others come once, as they
        are when they are read.

        Args:
            scope: whose.
            order_number: of one order, also of one that was erased.
            key: with one key, those that were not carried out included, also one that was erased.
            told: only those that are done and whose end somebody was told of, or nobody.
        """
        ...

    async def acknowledge(self, scope: str, record_id: str) -> bool:
        """Note that somebody was told how a record ended; False when there is no such record, or it has not.

        That is a write like others: the version counts it.
        """
        ...

    async def erase(self, order_number: str) -> int:
        """Replace the order number and the keys of an order by digests, in every scope.

        A digest of a key goes on to keep the key used: claims and `find` meet it. Only ended records are
        changed: what became of others is found out by their order number. Erase again when they have ended.

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
        """Let go of files and connections; a second call does nothing."""
        ...
