"""The journal of a worker, which writes down what the database refuses it: its late writes."""

from __future__ import annotations

import time

from tests.chaos.records import Journal, Refused
from tests.chaos.watcher import CALL
from tests.journals.around import Around
from voucher_async.journals.sql import SqlJournal
from voucher_async.payments.call import CallRecord

__all__ = ["Noting"]


class Noting(Around):
    """Notes each save that came back False, and each lease that was not renewed.

    Args:
        journal: answers.
        records: where to.
    """

    def __init__(self, journal: SqlJournal, records: Journal) -> None:
        super().__init__(journal)
        self._records = records

    async def begin(self) -> int:
        return 0

    async def end(self, number: int) -> None:
        del number

    async def save(self, record: CallRecord, *, durable: bool = False) -> bool:
        """Store a record's successor; somebody else may have changed the record."""
        is_taken: bool = await self._journal.save(record, durable=durable)
        if not is_taken:
            self._note(record.id, str(record.state))
        return is_taken

    async def beat(self, owner: str, lease: float) -> bool:
        """Renew a lease; its owner may have been declared dead."""
        is_alive: bool = await self._journal.beat(owner, lease)
        if not is_alive:
            self._note(owner, "lease")
        return is_alive

    def _note(self, owned: str, what: str) -> None:
        self._records.write(Refused(call=CALL.get(), owned=owned, what=what, at=time.monotonic()))
