"""Calls of other processes that look the same in a list of charges, as the journal knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from voucher_async.payments.call import CallRecord
from voucher_async.payments.evidence import RULES
from voucher_async.payments.ownership import ask_journal

if TYPE_CHECKING:
    from voucher_async.payments.evidence import Finding
    from voucher_async.payments.money_call import MoneyCall
    from voucher_async.payments.ownership import Ownership

__all__ = ["Rivals"]


class Rivals:
    """One per client.

    Args:
        ownership: reads the records, and knows which of them are this client's.
    """

    def __init__(self, ownership: Ownership) -> None:
        self._ownership = ownership

    async def taken(self, money_call: MoneyCall, finding: Finding) -> frozenset[str]:
        """The ids of the entries found that belong to other records.

        Raises:
            JournalFailed: the journal cannot be read, so the owner of no entry is certain.
        """
        journal, scope = self._ownership.journal, self._ownership.scope
        taken: set[str] = set()
        for charge in (*finding.certain, *finding.recognised, *finding.unclear):
            owner = await ask_journal(journal.owner_of(scope, charge.id))
            if owner is not None and owner != money_call.pending.id:
                taken.add(charge.id)
        return frozenset(taken)

    async def rivals(self, money_call: MoneyCall, finding: Finding) -> int:
        """Count other processes' calls that may have made the entries found, and have no known entry.

        Raises:
            JournalFailed: the journal cannot be read.
        """
        if money_call.charge is not None or not finding.ours:
            return 0
        # from the pending outcome: the stored record may be another owner's, or a later call's with the key
        scope, owner, at = self._ownership.scope, self._ownership.owner, self._ownership.clock.now()
        kinds = RULES if finding.is_of_any_kind else (money_call.pending.operation,)
        count = 0
        for kind in kinds:
            asked = attrs.evolve(money_call.pending, operation=kind)
            record = CallRecord.about(asked, scope=scope, owner=owner, at=at)
            alike = await ask_journal(self._ownership.journal.alike(record))
            count += sum(each.owner != owner for each in alike)
        return count
