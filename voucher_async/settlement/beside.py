"""Calls of other processes that look the same in a list of charges, as the journal knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voucher_async.settlement.recording import ask_journal

if TYPE_CHECKING:
    from voucher_async.payments.evidence import Finding
    from voucher_async.settlement.case import Case
    from voucher_async.settlement.recording import Ownership

__all__ = ["Beside"]


class Beside:
    """One per client.

    Args:
        ownership: where the records are, and which of them are this client's.
    """

    def __init__(self, ownership: Ownership) -> None:
        self._ownership = ownership

    async def taken(self, case: Case, finding: Finding) -> frozenset[str]:
        """The ids of what was found that belongs to other records.

        Raises:
            JournalFailed: the journal cannot be read, so nothing that was found is anybody's for sure.
        """
        journal, scope = self._ownership.journal, self._ownership.scope
        taken: set[str] = set()
        for charge in (*finding.certain, *finding.recognised, *finding.unclear):
            owner = await ask_journal(journal.owner_of(scope, charge.id))
            if owner is not None and owner != case.pending.id:
                taken.add(charge.id)
        return frozenset(taken)

    async def rivals(self, case: Case, finding: Finding) -> int:
        """How many calls of other processes may have made what was found, and have not said what they made.

        Raises:
            JournalFailed: the journal cannot be read.
        """
        if case.recorder is None or case.charge is not None or not finding.certain:
            return 0
        alike = await ask_journal(self._ownership.journal.alike(case.recorder.record))
        return sum(record.owner != self._ownership.owner for record in alike)
