"""The lists of charges that a reconciliation reads."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

import attrs

from voucher_async.api_errors import NotFound
from voucher_async.models import Charge, ChargeType
from voucher_async.payments.replies import is_missing
from voucher_async.watching.reading import is_untouched, read_whole

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from voucher_async.config import Timeout
    from voucher_async.models import VoucherDetails
    from voucher_async.reconciliation.days import Day
    from voucher_async.resources.vouchers import Vouchers
    from voucher_async.watching.dates import Dates

__all__ = ["Lists", "VoucherList"]

_WALKS: Final = 2  # a voucher that is deleted shifts another one past the page that is being read
PER_PAGE: Final = 100


@attrs.frozen(kw_only=True)
class VoucherList:
    """The list of one voucher.

    Attributes:
        voucher_id: the voucher.
        currency: ISO 4217; None where the voucher could not be read.
        charges: its entries that matter for the day, each with this voucher's id: some servers show another.
        is_whole: nothing is missing.
        is_gone: the API knows no such voucher.
        asked_at: when it was asked for, by the clock that shows the earliest time.
    """

    voucher_id: str
    currency: str | None
    charges: tuple[Charge, ...] = ()
    is_whole: bool = True
    is_gone: bool = False
    asked_at: dt.datetime


class Lists:
    """Reads lists of charges, each voucher's once.

    Args:
        vouchers: reads them.
        dates: the source of the time.
        timeout: seconds for each request, or a `Timeout`.
        day: the day.
        known: the ids of entries that are kept, whatever day they are of.

    Attributes:
        read: what was read, by voucher.
        are_all: the list of vouchers was read whole.
    """

    def __init__(
        self,
        vouchers: Vouchers,
        dates: Dates,
        timeout: float | Timeout | None,
        *,
        day: Day,
        known: Collection[str],
    ) -> None:
        self._vouchers = vouchers
        self._dates = dates
        self._timeout = timeout
        self._day = day
        self._known = known
        self.read: dict[str, VoucherList] = {}
        self.are_all: bool = True

    async def read_all(self) -> None:
        """Read the lists of all vouchers on which something may have moved."""
        for _ in range(_WALKS):
            walked = await read_whole(self._vouchers.list(per_page=PER_PAGE, timeout=self._timeout))
            self.are_all = self.are_all and walked.is_whole
            for voucher in walked.items:
                if not is_untouched(voucher) and voucher.id not in self.read:
                    await self._read(voucher)

    async def read_these(self, ids: Iterable[str]) -> None:
        """Read the lists of some vouchers that were not read yet."""
        for voucher_id in ids:
            if voucher_id in self.read:
                continue
            try:
                voucher = await self._vouchers.get(voucher_id, timeout=self._timeout)
            except NotFound as error:
                if not is_missing(error):
                    raise
                self._note_gone(voucher_id)
            else:
                await self._read(voucher)

    def _note_gone(self, voucher_id: str) -> None:
        asked_at = self._dates.at(self._dates.monotonic(), self._dates.now())
        gone = VoucherList(voucher_id=voucher_id, currency=None, is_gone=True, asked_at=asked_at)
        self.read[voucher_id] = gone

    async def _read(self, voucher: VoucherDetails) -> None:
        asked, noted = self._dates.monotonic(), self._dates.now()
        listing = self._vouchers.list_charges(voucher.id, per_page=PER_PAGE, timeout=self._timeout)
        try:
            read = await read_whole(listing)
        except NotFound as error:
            if not is_missing(error):
                raise
            self._note_gone(voucher.id)
            return
        self.read[voucher.id] = VoucherList(
            voucher_id=voucher.id,
            currency=voucher.currency,
            charges=_at(voucher.id, self._needed(read.items)),
            is_whole=read.is_whole,
            asked_at=self._dates.at(asked, noted),
        )

    def _needed(self, charges: Sequence[Charge]) -> list[Charge]:
        """The entries to compare: a list may go back for years, and all of them do not fit in memory."""
        refunds = (each for each in charges if each.type == ChargeType.REFUND)
        orders = {each.order_number for each in refunds if self._day.has(each.created_at)}
        return [
            each
            for each in charges
            if self._day.is_near(each.created_at) or each.id in self._known or each.order_number in orders
        ]


def _at(voucher_id: str, charges: Sequence[Charge]) -> tuple[Charge, ...]:
    return tuple(attrs.evolve(each, voucher_id=voucher_id) for each in charges)
