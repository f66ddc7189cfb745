"""A reconciliation: reading the journal and the lists, in the order in which they tell the truth.

The journal is read first: a list that is read afterwards shows what it has by then, but for the lag of lists.
Then the lists are read. Then the journal is asked again for the entries that no record knew, and for calls
that were open: an entry is made only once its record is stored, so a listed entry without one has none.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from voucher_async.models import Charge, ChargeType
from voucher_async.money import total
from voucher_async.payments.known import currency_in
from voucher_async.reconciliation.comparing import Comparison
from voucher_async.reconciliation.entries import is_there, made_by, vouchers_of
from voucher_async.reconciliation.lists import Lists
from voucher_async.reconciliation.records import Records
from voucher_async.reconciliation.report import (
    DayTotal,
    Difference,
    DifferenceGround,
    DifferenceReason,
    Reconciliation,
)

if TYPE_CHECKING:
    from voucher_async.config import Settings, Timeout
    from voucher_async.payments.ownership import Ownership
    from voucher_async.reconciliation.days import Day
    from voucher_async.resources.charges import Charges
    from voucher_async.resources.vouchers import Vouchers
    from voucher_async.watching.dates import Dates

__all__ = ["Reconciler"]

_UNREAD: Final = (
    "the list of vouchers could not be read whole: there may be entries of vouchers that it lacks"
)


class Reconciler:
    """One reconciliation.

    Args:
        vouchers: lists them, and their charges.
        charges: reads single ones.
        ownership: knows the journal.
        settings: the client's.
        dates: the source of the time.
        timeout: seconds for each request, or a `Timeout`.
    """

    def __init__(
        self,
        vouchers: Vouchers,
        charges: Charges,
        ownership: Ownership,
        settings: Settings,
        dates: Dates,
        *,
        timeout: float | Timeout | None = None,
    ) -> None:
        self._charges = charges
        self._ownership = ownership
        self._settings = settings
        self._dates = dates
        self._vouchers = vouchers
        self._timeout = timeout

    async def run(self, day: Day, voucher_ids: tuple[str, ...] | None) -> Reconciliation:
        """Compare the journal with the lists; see `VoucherClient.reconcile`."""
        records = Records(self._ownership, day, None if voucher_ids is None else frozenset(voucher_ids))
        await records.read()
        began, noted = self._dates.monotonic(), self._dates.now()
        known = frozenset(made_by(records.all))
        lists = Lists(self._vouchers, self._dates, self._timeout, day=day, known=known)
        await _read(lists, records, voucher_ids)
        await records.read_again(self._compare(day, records, lists).unknown())
        comparison = self._compare(day, records, lists)
        by_id = {each.id: await is_there(self._charges, each) for each in comparison.missing()}
        differences = comparison.differences(by_id)
        named = {each.voucher_id for each in differences}
        gone = (each for each in voucher_ids or () if each not in named and lists.read[each].is_gone)
        differences += map(_not_there, gone)
        if not lists.are_all:
            differences.insert(0, Difference(reason=DifferenceReason.UNREAD, what=_UNREAD, grounds=()))
        read_at = self._dates.at(began, noted)
        return Reconciliation(
            day=str(day.date),
            since=day.since,
            until=day.until,
            read_at=read_at,
            is_final=read_at - day.until > dt.timedelta(seconds=self._settings.list_lag),
            vouchers=sum(not each.is_gone for each in lists.read.values()),
            totals=_totals(day, comparison, lists),
            differences=tuple(differences),
        )

    def _compare(self, day: Day, records: Records, lists: Lists) -> Comparison:
        return Comparison(
            day,
            records.all,
            lists.read,
            own=self._settings.client_id,
            list_lag=self._settings.list_lag,
        )


async def _read(lists: Lists, records: Records, voucher_ids: tuple[str, ...] | None) -> None:
    if voucher_ids is not None:
        await lists.read_these(voucher_ids)
        return
    await lists.read_all()
    await lists.read_these(each for record in records.all for each in vouchers_of(record))


def _totals(day: Day, comparison: Comparison, lists: Lists) -> tuple[DayTotal, ...]:
    listed: dict[tuple[str, str], list[Charge]] = {}
    recorded: dict[tuple[str, str], list[Charge]] = {}
    for charge in comparison.listed.values():
        if day.has(charge.created_at):
            currency = lists.read[charge.voucher_id].currency or ""
            listed.setdefault((str(charge.type), currency), []).append(charge)
    for charge, record in comparison.made.values():
        if day.has(charge.created_at):
            at = lists.read.get(charge.voucher_id)
            currency = (at and at.currency) or currency_in(record) or ""
            recorded.setdefault((str(charge.type), currency), []).append(charge)
    return tuple(
        _total(kind, currency, listed.get((kind, currency), []), recorded.get((kind, currency), []))
        for kind, currency in sorted({*listed, *recorded})
    )


def _not_there(voucher_id: str) -> Difference:
    words = f"the API knows no voucher {voucher_id}, so there is no list to read"
    grounds = (DifferenceGround.NO_VOUCHER,)
    return Difference(reason=DifferenceReason.UNREAD, what=words, grounds=grounds, voucher_id=voucher_id)


def _total(kind: str, currency: str, listed: list[Charge], recorded: list[Charge]) -> DayTotal:
    return DayTotal(
        kind=ChargeType(kind),
        currency=currency or None,
        listed=len(listed),
        listed_amount=total(each.amount for each in listed),
        recorded=len(recorded),
        recorded_amount=total(each.amount for each in recorded),
    )
