"""The counts that the pages of a list show while it is read.

Pages may be of several moments: replicas lag differently, a cache keeps one page and not the next. Where the
newest entries come first, an older page after a newer one leaves out what lies between them, and its own
count, which is smaller, does not tell. So no page's count is taken alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from voucher_async.models import PageMeta

__all__ = ["Counts"]


@attrs.define
class Counts:
    """The size of a list, as the pages of one reading show it.

    Attributes:
        agree: every page showed as many entries and as many pages as the first one: the list was the same.
        largest: the most entries that a page showed. Charges are never deleted, so a list that has more holds
            all that one with fewer has: as many distinct entries as this are all of them, at each moment.
    """

    agree: bool = True
    largest: int = 0
    _first: tuple[int, int] | None = None

    def add(self, meta: PageMeta) -> None:
        """Note what one more page shows."""
        shown = (meta.total, meta.last_page)
        self._first = self._first or shown
        self.agree = self.agree and shown == self._first
        self.largest = max(self.largest, meta.total)
