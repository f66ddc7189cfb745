"""The records of the journal that a reconciliation compares with lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voucher_async.payments.call import COMPOSED, CallRecord, CallState
from voucher_async.payments.histories import records_of
from voucher_async.payments.ownership import ask_journal
from voucher_async.reconciliation.entries import KINDS, made_by, vouchers_of
from voucher_async.reconciliation.wholes import parts_of_day

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from voucher_async.models import Charge
    from voucher_async.payments.ownership import Ownership
    from voucher_async.reconciliation.days import Day

__all__ = ["Records", "is_of"]


def is_of(record: CallRecord, day: Day) -> bool:
    """True for a call that belongs to a day: by the entry it made, else by when it was sent or asked for."""
    if record.charge is not None:
        return day.has(record.charge.created_at)
    return day.has(record.sent_at or record.begun_at)


class Records:
    """Reads the journal.

    Args:
        ownership: knows the journal and the scope.
        day: the day.
        voucher_ids: the vouchers that are compared; None: all.

    Attributes:
        by_id: the records that matter for the day.
    """

    def __init__(self, ownership: Ownership, day: Day, voucher_ids: frozenset[str] | None) -> None:
        self._ownership = ownership
        self._day = day
        self._voucher_ids = voucher_ids
        self.by_id: dict[str, CallRecord] = {}

    @property
    def all(self) -> list[CallRecord]:
        """The records."""
        return list(self.by_id.values())

    async def read(self) -> None:
        """Read the journal, from its beginning.

        Raises:
            JournalFailed: it cannot be read.
        """
        async for record in self._history(ended=None):
            if self._matters(record):
                self.by_id[record.id] = record

    async def read_again(self, unknown: Iterable[Charge]) -> None:
        """Read what has changed while lists were read: calls that were open, and the owners of entries.

        And the calls that the day's entries are parts of, whose records say whether a caller was told.

        Args:
            unknown: entries of the day that no record knew.

        Raises:
            JournalFailed: the journal cannot be read.
        """
        async for record in self._history(ended=False):
            if self._matters(record):
                self.by_id[record.id] = record
        for record in self.all:
            if not record.ended:
                await self._renew(record.id)
        for charge in unknown:
            owner = await ask_journal(self._ownership.journal.owner_of(self._ownership.scope, charge.id))
            if owner is not None:
                await self._renew(owner)
        for whole in parts_of_day(self.all, self._day):
            if whole not in self.by_id:  # it has ended, or was begun on another day
                await self._renew(whole)

    async def _renew(self, record_id: str) -> None:
        record = await self.get(record_id)
        if record is not None:
            self.by_id[record_id] = record

    async def get(self, record_id: str) -> CallRecord | None:
        """A record by its id."""
        return await ask_journal(self._ownership.journal.get(self._ownership.scope, record_id))

    def _history(self, *, ended: bool | None) -> AsyncIterator[CallRecord]:
        journal, scope = self._ownership.journal, self._ownership.scope
        return records_of(journal, scope, order_number=None, key=None, told=None, ended=ended)

    def _matters(self, record: CallRecord) -> bool:
        named = vouchers_of(record)
        if self._voucher_ids is not None and named and not self._voucher_ids.intersection(named):
            return False
        if record.state is CallState.NOT_DONE:
            return record.parameters.operation in KINDS and self._day.is_near(record.sent_at)
        if not record.ended:
            return self._day.is_near(record.sent_at or record.begun_at)
        if record.parameters.operation in COMPOSED:
            return False  # its parts have records of their own, and lead to it
        entries = (charge for charge, _ in made_by([record]).values())
        return is_of(record, self._day) or any(self._day.has(each.created_at) for each in entries)
