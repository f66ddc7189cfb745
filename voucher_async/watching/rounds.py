"""The rounds of a watch: which lists are read, and when all of them were.

Theory of operation. The API lists charges per voucher alone. A *sweep* reads the list of every voucher, whole
and unfiltered; whatever is new to the position is given out. An entry that no list showed when the sweep
began was made later than `list_lag` before that; its `created_at` is off by `overlap` at most. So after a
sweep that was read whole, everything older than its beginning less both may be passed over, and only the ids
of what is younger are kept. Nothing else moves the position on: rounds between sweeps make entries come
sooner, and what they miss comes with the next sweep.

Between sweeps a watch of all vouchers goes through the list of vouchers, and reads the charges of those whose
balance or `updated_at` has changed: for `list_lag` on, since a list may show a charge later than a balance. A
charge and its refund between two rounds leave the balance as it was: on a server that keeps `updated_at`,
too, they wait for the sweep.
"""

from __future__ import annotations

import datetime as dt
from collections import deque
from typing import TYPE_CHECKING, Final

from voucher_async.errors import VoucherError
from voucher_async.payments.replies import is_missing
from voucher_async.watching.reading import in_order, is_untouched, read_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from voucher_async.models import Charge, VoucherDetails
    from voucher_async.resources.vouchers import Vouchers
    from voucher_async.watching.dates import Dates
    from voucher_async.watching.options import WatchOptions

__all__ = ["Round", "Stock"]

_RECENT: Final = 600.0  # seconds: a voucher that changed so shortly before it was first seen is read again
_SECOND: Final = dt.timedelta(seconds=1)
_FIRST: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)  # no entry is older
_WALKS: Final = 2


class Stock:
    """The vouchers, as far as a watch knows them.

    Args:
        vouchers: lists them, and their charges.
        options: those of the watch.
        dates: the source of the time.
        list_lag: seconds within which an effect shows in lists.
    """

    def __init__(
        self,
        vouchers: Vouchers,
        options: WatchOptions,
        dates: Dates,
        list_lag: float,
    ) -> None:
        self.options = options
        self.dates = dates
        self.list_lag = list_lag
        self._vouchers = vouchers
        self._known: dict[str, int] = {}
        self._changed: dict[str, float] = {}

    async def walk(self) -> tuple[list[VoucherDetails], bool]:
        """Read the list of vouchers, and note which have changed.

        Returns:
            The vouchers, and whether they are all.
        """
        moment, noted = self.dates.monotonic(), self.dates.now()
        per_page, timeout = self.options.per_page, self.options.timeout
        read = await read_whole(self._vouchers.list(per_page=per_page, timeout=timeout))
        recent = self.dates.at(moment, noted) - dt.timedelta(seconds=self.list_lag + _RECENT)
        for voucher in read.items:
            mark = hash((voucher.remaining_amount, voucher.updated_at))
            known = self._known.get(voucher.id)
            is_new = known != mark and (known is not None or voucher.updated_at >= recent)
            if is_new and not is_untouched(voucher):
                self._changed[voucher.id] = self.dates.monotonic() + self.list_lag
            self._known[voucher.id] = mark
        return list(read.items), read.is_whole

    def changed(self) -> list[str]:
        """The vouchers whose lists are read between sweeps."""
        return list(self._changed)

    def was_read(self, voucher_id: str, moment: float) -> None:
        """Note that a list was read in a round that began at a moment: what changed shows after the lag."""
        if self._changed.get(voucher_id, moment) < moment:
            del self._changed[voucher_id]

    def missing(self, walked: Iterable[VoucherDetails]) -> list[str]:
        """The vouchers that are known from earlier, and were not in the list of vouchers now."""
        shown = {each.id for each in walked}
        return [each for each in self._known if each not in shown]

    def forget(self, voucher_id: str) -> None:
        """Forget a voucher that is not there any more."""
        self._known.pop(voucher_id, None)
        self._changed.pop(voucher_id, None)

    async def charges(self, voucher_id: str, since: dt.datetime | None) -> tuple[Sequence[Charge], bool]:
        """Read a voucher's list: whole, or from a moment on, by a filter that a server may read otherwise.

        Args:
            voucher_id: the voucher.
            since: None reads the whole list; with a moment, what is missed comes with the next sweep.

        Returns:
            The entries, and whether they are all.
        """
        per_page, timeout = self.options.per_page, self.options.timeout
        if since is None:
            read = await read_whole(
                self._vouchers.list_charges(voucher_id, per_page=per_page, timeout=timeout)
            )
            return read.items, read.is_whole
        listing = self._vouchers.list_charges(
            voucher_id, created_from=max(since, _FIRST) - _SECOND, per_page=per_page, timeout=timeout
        )
        return await listing.to_list(), True


class Round:
    """One round: each of its steps can be repeated, after an error or a cancellation.

    Args:
        stock: knows the vouchers, and reads their lists.
        is_sweep: read every list.

    Attributes:
        is_sweep: it reads every list.
        began: the monotonic time in seconds at which it began.
        is_over: every list was read.
        doubtful: the lists that could not be read whole.
    """

    def __init__(self, stock: Stock, *, is_sweep: bool) -> None:
        self.is_sweep = is_sweep
        self.is_over: bool = False
        self.doubtful: list[str] = []
        self._stock = stock
        self.began: float = stock.dates.monotonic()
        self._began_at = stock.dates.now()
        self._walks = 0
        self._met: set[str] = set()
        self._left: deque[str] = deque()
        ids = stock.options.voucher_ids
        if ids is not None:
            self._walks = _WALKS
            self._plan(ids)

    @property
    def passed_over(self) -> dt.datetime:
        """The date before which nothing is new, once every list was read whole."""
        earlier = self._stock.options.overlap + self._stock.list_lag
        return self._stock.dates.at(self.began, self._began_at) - dt.timedelta(seconds=earlier)

    def _plan(self, ids: Iterable[str]) -> None:
        for each in ids:
            if each not in self._met:
                self._met.add(each)
                self._left.append(each)

    async def step(self, since: dt.datetime | None) -> tuple[str, Sequence[Charge]]:
        """Read one more list.

        Args:
            since: entries that are older are not needed.

        Returns:
            A voucher, and the entries of its list, the oldest first; none where the vouchers were listed.

        Raises:
            VoucherError: the list could not be read; the next step reads it.
        """
        if not self._left:
            await self._go_on()
            return "", ()
        voucher_id = self._left[0]
        try:
            charges, is_whole = await self._stock.charges(voucher_id, None if self.is_sweep else since)
        except VoucherError as error:
            if self._stock.options.voucher_ids is not None or not is_missing(error):
                raise
            self._stock.forget(voucher_id)
            charges, is_whole = (), True
        self._left.popleft()
        self._stock.was_read(voucher_id, self.began)
        if not is_whole:
            self.doubtful.append(voucher_id)
        return voucher_id, in_order(charges)

    async def _go_on(self) -> None:
        """Look for vouchers whose lists are to be read; a sweep looks twice, as deletions shift pages."""
        if self._walks >= (_WALKS if self.is_sweep else 1):
            self.is_over = True
            return
        walked, is_whole = await self._stock.walk()
        self._walks += 1
        if not self.is_sweep:
            self._plan(self._stock.changed())
            return
        if not is_whole:
            self.doubtful.append("that of the vouchers")
        self._plan(each.id for each in walked if not is_untouched(each))
        self._plan(self._stock.missing(walked))
