"""Comparing the records of a day with lists of charges: pure."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from voucher_async.models import Charge, ChargeType
from voucher_async.money import total
from voucher_async.payments.call import CallRecord, CallState
from voucher_async.payments.erasing import is_digest
from voucher_async.payments.likeness import Likeness, compare
from voucher_async.reconciliation.days import APART
from voucher_async.reconciliation.entries import (
    KINDS,
    made_by,
    may_have_made,
    names_an_order,
    sums_of_order,
    vouchers_of,
)
from voucher_async.reconciliation.records import is_of
from voucher_async.reconciliation.report import Difference, DifferenceGround, DifferenceReason
from voucher_async.reconciliation.wholes import parts_of_day, untold_among

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from voucher_async.reconciliation.days import Day
    from voucher_async.reconciliation.lists import VoucherList

__all__ = ["Comparison"]


class Comparison:
    """The records and the lists of a day.

    Args:
        day: the day.
        records: the records that matter for it.
        lists: the lists, by voucher.
        own: the client id of the journal's client.
        list_lag: seconds within which an effect shows in lists.

    Attributes:
        made: the entries that records know to be made, by id.
        listed: the entries of the lists, by id.
    """

    def __init__(
        self,
        day: Day,
        records: list[CallRecord],
        lists: Mapping[str, VoucherList],
        *,
        own: str,
        list_lag: float,
    ) -> None:
        self._day = day
        self._records = records
        self._lists = lists
        self._own = own
        self._lag = dt.timedelta(seconds=list_lag)
        self.made: dict[str, tuple[Charge, CallRecord]] = made_by(records)
        self.listed: dict[str, Charge] = {
            charge.id: charge for each in lists.values() for charge in each.charges
        }
        self._parts = parts_of_day(records, day)
        self._claimed: set[str] = set()  # open records beside which an entry was named

    def unknown(self) -> list[Charge]:
        """The listed entries that no record knows: of the day, or like an open call of the day.

        What was sent before midnight may have made an entry after it.
        """
        calls = [each for each in self._records if not each.ended and is_of(each, self._day)]
        unknown = (each for each in self.listed.values() if each.id not in self.made)
        return [
            charge
            for charge in unknown
            if self._day.has(charge.created_at) or any(self._is_rival(each, charge) for each in calls)
        ]

    def missing(self) -> list[Charge]:
        """The entries of the day that records know, and no list shows."""
        known = (charge for charge, _ in self.made.values() if self._day.has(charge.created_at))
        read = (each for each in known if each.id not in self.listed and each.voucher_id in self._lists)
        return [each for each in read if not self._lists[each.voucher_id].is_gone]

    def differences(self, by_id: Mapping[str, bool | None]) -> list[Difference]:
        """All differences, those of one voucher together.

        Args:
            by_id: for each entry that is missing, whether the API shows it by its id.
        """
        found = [
            *self._unread(),
            *(self._of_unknown(each) for each in self.unknown()),
            *self._of_known(),
            *self._not_listed(by_id),
            *self._untold(),
            *self._open(),
            *self._over_refunded(),
        ]
        return sorted(found, key=lambda each: each.voucher_id or "")

    def _unread(self) -> Iterator[Difference]:
        for each in self._lists.values():
            if not each.is_whole:
                words = f"the list of voucher {each.voucher_id} could not be read whole"
                yield Difference(
                    reason=DifferenceReason.UNREAD, what=words, grounds=(), voucher_id=each.voucher_id
                )

    def _of_unknown(self, charge: Charge) -> Difference:
        words = f"the API lists a {charge.type} of {charge.amount:.2f}, and no record of the journal knows it"
        if charge.client_id not in {None, self._own}:
            words += f": the client {charge.client_id} made it"
        rivals = [each for each in self._records if self._is_rival(each, charge)]
        reason = DifferenceReason.UNKNOWN
        if rivals:
            is_open = any(not each.ended for each in rivals)
            reason = DifferenceReason.OPEN_LISTED if is_open else DifferenceReason.NOT_DONE_LISTED
            self._claimed.update(each.id for each in rivals)
            words += "".join(
                f"; record {each.id}, a {_called(each)} like it, is {each.state}" for each in rivals
            )
        record_id = rivals[0].id if len(rivals) == 1 else None
        return _difference(
            reason, words, charge, DifferenceGround.LISTED, DifferenceGround.NO_RECORD, record_id=record_id
        )

    def _is_rival(self, record: CallRecord, charge: Charge) -> bool:
        sent_at = record.sent_at or record.begun_at
        return (
            may_have_made(record, charge)
            and abs(charge.created_at - sent_at) <= APART
            and compare(record.order_number, charge.order_number) is not Likeness.OTHER
        )

    def _of_known(self) -> Iterator[Difference]:
        for charge_id, (known, record) in self.made.items():
            shown = self.listed.get(charge_id)
            if shown is None or not (self._day.has(shown.created_at) or self._day.has(known.created_at)):
                continue
            yield from _contradictions(shown, known, record)

    def _not_listed(self, by_id: Mapping[str, bool | None]) -> Iterator[Difference]:
        for charge, record in self.made.values():
            at = self._lists.get(charge.voucher_id)
            if charge.id in self.listed or at is None or not self._day.has(charge.created_at):
                continue
            words = f"the journal has the {charge.type} {charge.id} of {charge.amount:.2f}"
            facts: dict[str, Any] = {"record": record, "listed": None, "recorded": charge.amount}
            if at.is_gone:
                words += f", and the API knows no voucher {charge.voucher_id}"
                grounds = (DifferenceGround.RECORD, DifferenceGround.NO_VOUCHER)
                yield _difference(DifferenceReason.NOT_LISTED, words, charge, *grounds, **facts)
                continue
            lacks = DifferenceGround.NOT_IN_LIST if at.is_whole else DifferenceGround.NOT_IN_PART
            lag = (DifferenceGround.WITHIN_LAG,) if at.asked_at - charge.created_at < self._lag else ()
            if by_id.get(charge.id):
                words += ", and the API shows it by its id, but not in the list of its voucher"
                yield _difference(
                    DifferenceReason.NOT_LISTED_YET,
                    words,
                    charge,
                    lacks,
                    DifferenceGround.BY_ID,
                    *lag,
                    **facts,
                )
                continue
            is_unknown = by_id.get(charge.id) is False
            place = "the list of its voucher" if at.is_whole else "what could be read of its voucher's list"
            words += f", and the API shows it neither in {place} nor by its id"
            if not is_unknown:
                words += ", to which a 404 that is not in its words answers"
            grounds = (
                DifferenceGround.RECORD,
                lacks,
                *((DifferenceGround.NOT_BY_ID,) if is_unknown else ()),
                *lag,
            )
            yield _difference(DifferenceReason.NOT_LISTED, words, charge, *grounds, **facts)

    def _untold(self) -> Iterator[Difference]:
        for whole, parts in untold_among(self._parts, {each.id: each for each in self._records}):
            charges = [each.charge for each in parts if each.charge is not None]
            shown = [self.listed[each.id] for each in charges if each.id in self.listed]
            is_listed = len(shown) == len(charges)
            vouchers = {each.voucher_id for each in charges}
            made = [f"the {each.type} {each.id} of {each.amount:.2f}" for each in charges]
            words = f"{made[0]} was made, and no caller was told"
            if whole.charge is None:
                words = f"the {_called(whole)} of record {whole.id} was carried out, and no caller was told: "
                words += ", ".join(made)
            yield Difference(
                reason=DifferenceReason.UNTOLD,
                what=words,
                grounds=(DifferenceGround.RECORD, *((DifferenceGround.LISTED,) if is_listed else ())),
                voucher_id=charges[0].voucher_id if len(vouchers) == 1 else None,
                charge_id=charges[0].id if len(charges) == 1 else None,
                record_id=whole.id,
                order_number=charges[0].order_number or whole.order_number,
                listed=total(each.amount for each in shown) if is_listed else None,
                recorded=total(each.amount for each in charges),
            )

    def _open(self) -> Iterator[Difference]:
        for record in self._records:
            # what has moved money on the day is not silent: it may have been sent on another one
            is_here = is_of(record, self._day) or record.id in self._parts
            if record.ended or record.id in self._claimed or not is_here:
                continue
            if record.state is CallState.BEGUN:
                continue  # nothing that moves money was sent
            named = dict.fromkeys(vouchers_of(record))
            words = f"the {_called(record)} of record {record.id} is under way, or its process is gone"
            if record.state is CallState.OPEN:
                words = f"nobody knows how the {_called(record)} of record {record.id} has ended"
            grounds: tuple[DifferenceGround, ...] = (DifferenceGround.RECORD_SAYS,)
            if record.parameters.operation in KINDS:
                words += "; nothing like it is in the lists that were read"
                words += ", which does not prove that it was not carried out"
                grounds = (*grounds, *self._lacking(named))
            yield Difference(
                reason=DifferenceReason.OPEN,
                what=words,
                grounds=grounds,
                voucher_id=next(iter(named), None),
                record_id=record.id,
                order_number=record.order_number,
                recorded=record.parameters.amount or record.view.amount,
            )

    def _lacking(self, named: Mapping[str, object]) -> tuple[DifferenceGround, ...]:
        at = [self._lists[each] for each in named if each in self._lists]
        if not at or any(each.is_gone for each in at):
            return ()
        return (
            DifferenceGround.NOT_IN_LIST
            if all(each.is_whole for each in at)
            else DifferenceGround.NOT_IN_PART,
        )

    def _over_refunded(self) -> Iterator[Difference]:
        for each in self._lists.values():
            if not each.is_whole:
                continue  # its charges may be in what it lacks
            recorded = (charge for charge, _ in self.made.values() if charge.voucher_id == each.voucher_id)
            orders: dict[str, list[Charge]] = {}
            for charge in {one.id: one for one in (*recorded, *each.charges)}.values():
                if names_an_order(charge):
                    orders.setdefault(charge.order_number or "", []).append(charge)
            for number, entries in orders.items():
                refunds = [each for each in entries if each.type == ChargeType.REFUND]
                charged, refunded = sums_of_order(entries)
                if refunded <= charged or not any(self._day.has(each.created_at) for each in refunds):
                    continue
                words = f"{refunded:.2f} was refunded for order {number}, and {charged:.2f} charged"
                yield Difference(
                    reason=DifferenceReason.OVER_REFUNDED,
                    what=words,
                    grounds=(DifferenceGround.LISTED,),
                    voucher_id=each.voucher_id,
                    order_number=number,
                )


def _contradictions(shown: Charge, known: Charge, record: CallRecord) -> Iterator[Difference]:
    facts: dict[str, Any] = {"record": record, "listed": shown.amount, "recorded": known.amount}
    grounds = (DifferenceGround.LISTED, DifferenceGround.RECORD)
    if shown.type != known.type:
        words = f"{shown.id} is a {shown.type} for the API, and a {known.type} for the journal"
        yield _difference(DifferenceReason.KIND, words, shown, *grounds, **facts)
    if shown.amount != known.amount:
        words = (
            f"the {shown.type} {shown.id} is of {shown.amount:.2f} for the API, and of {known.amount:.2f} for"
        )
        yield _difference(DifferenceReason.AMOUNT, f"{words} the journal", shown, *grounds, **facts)
    number = record.order_number
    if shown.type == ChargeType.REFUND or number is None or is_digest(number):
        return  # a refund shows the number of its charge, and an erased one tells nothing
    if compare(number, shown.order_number) is not Likeness.EQUAL:
        named = f"the order {shown.order_number!r}" if names_an_order(shown) else "no order"
        words = f"the {shown.type} {shown.id} names {named} for the API, and is of {number!r} for the journal"
        yield _difference(DifferenceReason.ORDER, words, shown, *grounds, **facts)


def _called(record: CallRecord) -> str:
    asked = record.parameters
    amount = asked.amount or record.view.amount
    return asked.operation if amount is None else f"{asked.operation} of {amount:.2f}"


def _difference(
    reason: DifferenceReason,
    what: str,
    charge: Charge,
    *grounds: DifferenceGround,
    record: CallRecord | None = None,
    record_id: str | None = None,
    **amounts: Any,
) -> Difference:
    return Difference(
        reason=reason,
        what=what,
        grounds=grounds,
        voucher_id=charge.voucher_id,
        charge_id=charge.id,
        record_id=record_id if record is None else record.id,
        order_number=charge.order_number or (None if record is None else record.order_number),
        **{"listed": charge.amount, **amounts},
    )
