"""Retention: old records are shrunk to what a replay of their keys needs.

None is dropped by itself, as a worker whose clock is years ahead would free the keys of all; `purge` drops.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from voucher_async.payments.ownership import ask_journal

if TYPE_CHECKING:
    from voucher_async.payments.ownership import Ownership

__all__ = ["Retention"]

WHOLE: Final = dt.timedelta(days=30)
"""The age at which an ended record is shrunk."""

_NEVER: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_PAUSE: Final = 6 * 3600.0  # seconds between two purges of one client


class Retention:
    """One per client.

    Args:
        ownership: the journal, and the clock.
    """

    def __init__(self, ownership: Ownership) -> None:
        self._ownership = ownership
        self._due = 0.0

    async def tidy(self) -> None:
        """Shrink what is old, unless that was done some hours ago.

        Raises:
            JournalFailed: the journal cannot be written.
        """
        clock = self._ownership.clock
        if clock.monotonic() < self._due:
            return
        await ask_journal(self._ownership.journal.purge(clock.now() - WHOLE, _NEVER))
        self._due = clock.monotonic() + _PAUSE
