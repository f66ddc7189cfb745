"""An order as the journal and the API's lists have it, compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from voucher_async.api_errors import NotFound
from voucher_async.cli.journaling import called
from voucher_async.cli.lists import PER_PAGE
from voucher_async.masking import visible
from voucher_async.models import Charge, ChargeType
from voucher_async.operations import REFUND_CHARGE
from voucher_async.payments.likeness import Likeness, compare
from voucher_async.reconciliation.entries import (
    is_there,
    made_by,
    may_have_made,
    names_an_order,
    sums_of_order,
    vouchers_of,
)
from voucher_async.watching.reading import read_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from voucher_async.client import VoucherClient
    from voucher_async.journals.sql import SqlJournal
    from voucher_async.payments.call import CallRecord

__all__ = ["Compared", "Difference", "Entry", "compare_order"]


@attrs.frozen(kw_only=True)
class Entry:
    """An entry of the API's list of charges that is of the order, or may be.

    Attributes:
        charge: the charge, refund or recharge.
        record_id: the id of the record that knows it; None where no record does.
    """

    charge: Charge
    record_id: str | None


@attrs.frozen(kw_only=True)
class Difference:
    """A difference between the journal and the API.

    Attributes:
        what: a sentence.
        voucher_id: the voucher.
        charge_id: the charge, refund or recharge.
        record_id: the record.
    """

    what: str
    voucher_id: str
    charge_id: str | None = None
    record_id: str | None = None

    @property
    def shown(self) -> str:
        """The sentence, for a terminal."""
        return visible(self.what)

    def to_dict(self) -> dict[str, Any]:
        """The difference as JSON has it."""
        return attrs.asdict(self)


class Compared:
    """An order, by its records and by the lists of its vouchers.

    Args:
        number: the order number.
        records: the records of the order.
        extra: vouchers that the journal may not know.

    Attributes:
        number: the order number.
        records: the records of the order.
        vouchers: the vouchers whose lists are read.
        entries: what the lists show of it.
        differences: what one of them knows, and the other does not.
    """

    def __init__(self, number: str, records: list[CallRecord], *, extra: Sequence[str] = ()) -> None:
        self.number = number
        self.records = records
        known = [each for record in records for each in vouchers_of(record)]
        self.vouchers: tuple[str, ...] = tuple(dict.fromkeys([*known, *extra]))
        self.entries: list[Entry] = []
        self.differences: list[Difference] = []
        self.made: dict[str, tuple[Charge, CallRecord]] = made_by(records)

    def add(self, what: str, charge: Charge, record: CallRecord | None = None) -> None:
        """Note a difference."""
        self.differences.append(
            Difference(
                what=what,
                voucher_id=charge.voucher_id,
                charge_id=charge.id,
                record_id=None if record is None else record.id,
            )
        )


async def compare_order(compared: Compared, client: VoucherClient, journal: SqlJournal) -> None:
    """Read the lists of an order's vouchers, and compare them with its records.

    Args:
        compared: the order; gets entries and differences.
        client: reads the lists, whole: filters are not to be relied on.
        journal: tells the charges of other orders.

    Raises:
        VoucherError: a list, or the journal, cannot be read.
    """
    for voucher_id in compared.vouchers:
        try:
            read = await read_whole(client.charges.list(voucher_id, per_page=PER_PAGE))
        except NotFound:
            what = f"voucher {voucher_id} is not there (404), so its list could not be read"
            compared.differences.append(Difference(what=what, voucher_id=voucher_id))
            continue
        if not read.is_whole:
            what = f"the list of voucher {voucher_id} could not be read whole: more may be of this order"
            compared.differences.append(Difference(what=what, voucher_id=voucher_id))
        # some servers show another voucher id, or none, in the list of a voucher
        at = [attrs.evolve(each, voucher_id=voucher_id) for each in read.items]
        await _compare_list(compared, at, client.settings.client_id, journal)
        await _look_for_missing(compared, voucher_id, at, client)
        _compare_totals(compared, voucher_id)


async def _compare_list(compared: Compared, listed: Sequence[Charge], own: str, journal: SqlJournal) -> None:
    is_dropped = any(_is_without_its_number(compared, each) for each in listed)
    for charge in listed:
        known = compared.made.get(charge.id)
        if known is not None:
            compared.entries.append(Entry(charge=charge, record_id=known[1].id))
            _compare_one(compared, charge, *known)
            continue
        likeness = _likeness(compared, charge, is_dropped=is_dropped)
        if likeness is Likeness.OTHER or await _is_of_another(compared, charge, journal):
            continue
        compared.entries.append(Entry(charge=charge, record_id=None))
        compared.add(_unknown(compared, charge, likeness, own), charge)


def _is_without_its_number(compared: Compared, charge: Charge) -> bool:
    return charge.id in compared.made and charge.type != ChargeType.REFUND and not names_an_order(charge)


def _likeness(compared: Compared, charge: Charge, *, is_dropped: bool) -> Likeness:
    if names_an_order(charge) or charge.type == ChargeType.REFUND:  # refunds by hand may name none
        return compare(compared.number, charge.order_number)
    # one without a number may be of this order where the server drops numbers, or a call of it is in doubt
    in_doubt = (each for each in compared.records if not each.ended)
    is_suspect = is_dropped or any(may_have_made(each, charge) for each in in_doubt)
    return Likeness.RECOGNISABLE if is_suspect else Likeness.OTHER


async def _is_of_another(compared: Compared, charge: Charge, journal: SqlJournal) -> bool:
    """Tell whether the journal knows an entry as that of another order."""
    if not compared.records:
        return False
    record_id = await journal.owner_of(compared.records[0].scope, charge.id)
    return record_id is not None and record_id not in {each.id for each in compared.records}


def _unknown(compared: Compared, charge: Charge, likeness: Likeness, own: str) -> str:
    words = f"the API's list has a {charge.type} of {charge.amount:.2f} ({charge.id}), and no record knows it"
    if charge.client_id not in {None, own}:
        words += f": the client {charge.client_id} made it"
    if not names_an_order(charge):
        words += "; it names no order, so it may be another's"
    elif likeness is not Likeness.EQUAL:
        words += f"; it names the order {charge.order_number!r}, so it may be another's"
    for each in compared.records:
        if each.parameters.operation == REFUND_CHARGE.id and each.parameters.target == charge.id:
            words += f"; record {each.id} ({called(each)}), its refund, is {each.state}"
    rivals = [each for each in compared.records if may_have_made(each, charge)]
    return words + "".join(f"; record {each.id} ({called(each)}) is {each.state}" for each in rivals)


def _compare_one(compared: Compared, shown: Charge, known: Charge, record: CallRecord) -> None:
    if (shown.type, shown.amount) != (known.type, known.amount):
        words = f"{shown.id} is a {shown.type} of {shown.amount:.2f} for the API, and a {known.type} of "
        compared.add(f"{words}{known.amount:.2f} for the journal", shown, record)
    number = record.order_number if shown.type != ChargeType.REFUND else shown.order_number or None
    if number is not None and compare(compared.number, shown.order_number) is not Likeness.EQUAL:
        named = f"the order {shown.order_number!r}" if names_an_order(shown) else "no order"
        words = f"the {shown.type} {shown.id} names {named} for the API"
        compared.add(f"{words}, and is of {compared.number!r}", shown, record)


async def _look_for_missing(
    compared: Compared, voucher_id: str, listed: Sequence[Charge], client: VoucherClient
) -> None:
    """Look by their ids for charges that the list lacks: a list may lag, or leave something out."""
    shown = {each.id for each in listed}
    for charge, record in compared.made.values():
        if charge.voucher_id != voucher_id or charge.id in shown:
            continue
        found = await is_there(client.charges, charge)
        words = f"a record says that the {charge.type} {charge.id} of {charge.amount:.2f} was made"
        if found:
            words = f"the {charge.type} {charge.id} of {charge.amount:.2f} is there, and not yet in the list"
        elif found is None:
            words += (
                ", its voucher's list lacks it, and a 404 that is not in the API's words answers to its id"
            )
        else:
            words += ", and the API knows no such charge"
        compared.add(words, charge, record)


def _compare_totals(compared: Compared, voucher_id: str) -> None:
    """Note that more was refunded than charged; a charge that is not in the list yet counts."""
    shown = (each.charge for each in compared.entries)
    both = (*(charge for charge, _ in compared.made.values()), *shown)
    at = {each.id: each for each in both if each.voucher_id == voucher_id}.values()
    charged, refunded = sums_of_order(at)
    if refunded > charged:
        words = (
            f"{refunded:.2f} was refunded to voucher {voucher_id} for this order, and {charged:.2f} charged"
        )
        compared.differences.append(Difference(what=words, voucher_id=voucher_id))
