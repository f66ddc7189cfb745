"""Differences between records and lists, told without a server; and days of 23 and 25 hours."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import attrs
import pytest

from tests.journals.records import NOW, begun, charge_of, done, not_done, opened, sent
from voucher_async import DifferenceGround, DifferenceReason
from voucher_async.models import Charge, ChargeType
from voucher_async.payments.call import CHECKOUT, CallRecord
from voucher_async.reconciliation import Difference
from voucher_async.reconciliation.comparing import Comparison
from voucher_async.reconciliation.days import day_of
from voucher_async.reconciliation.lists import VoucherList

DAY: Final = day_of(dt.date(2026, 1, 1), "UTC")
BEFORE_MIDNIGHT: Final = DAY.until - dt.timedelta(seconds=1)
AFTER_MIDNIGHT: Final = DAY.until + dt.timedelta(seconds=1)


def entry(kind: ChargeType = ChargeType.CHARGE, **changes: Any) -> Charge:
    return charge_of(begun(), type=kind, **{"charge_id": f"{kind}-1", **changes})


def found(
    *listed: Charge,
    records: tuple[CallRecord, ...] = (),
    by_id: Mapping[str, bool | None] | None = None,
    voucher_id: str = "v-1",
    **changes: Any,
) -> list[Difference]:
    """The differences between records and the list of one voucher."""
    facts: dict[str, Any] = {"currency": "EUR", "charges": listed, "asked_at": AFTER_MIDNIGHT, **changes}
    lists = {voucher_id: VoucherList(voucher_id=voucher_id, **facts)}
    return Comparison(DAY, list(records), lists, own="client-1", list_lag=10.0).differences(by_id or {})


def reasons(differences: list[Difference]) -> list[DifferenceReason]:
    return [each.reason for each in differences]


def made(charge: Charge, **asked: Any) -> CallRecord:
    return done(sent(begun(**asked)), charge=charge)


def test_another_kind() -> None:
    charge = entry()
    (difference,) = found(attrs.evolve(charge, type=ChargeType.RECHARGE), records=(made(charge),))
    assert difference.reason is DifferenceReason.KIND
    assert "is a recharge for the API, and a charge for the journal" in difference.what
    assert difference.grounds == (DifferenceGround.LISTED, DifferenceGround.RECORD)


@pytest.mark.parametrize(("shown", "words"), [("B-7", "names the order 'B-7'"), (None, "names no order")])
def test_another_order(shown: str | None, words: str) -> None:
    charge = entry()
    (difference,) = found(attrs.evolve(charge, order_number=shown), records=(made(charge),))
    assert difference.reason is DifferenceReason.ORDER
    assert words in difference.what


def test_more_refunded_than_charged() -> None:
    charge, refund = entry(), entry(ChargeType.REFUND, amount=Decimal("12.00"))
    differences = found(charge, refund, records=(made(charge),))
    assert reasons(differences) == [DifferenceReason.UNKNOWN, DifferenceReason.OVER_REFUNDED]
    assert differences[1].what == "12.00 was refunded for order A-1, and 10.00 charged"


def test_a_charge_that_only_the_journal_shows_counts_against_its_refund() -> None:
    charge, refund = entry(), entry(ChargeType.REFUND)
    record = attrs.evolve(made(charge), refunds=(refund,))
    assert reasons(found(refund, records=(record,), by_id={charge.id: True})) == [
        DifferenceReason.NOT_LISTED_YET
    ]


def test_a_list_that_was_not_read_whole_is_named_and_nothing_is_said_of_what_it_lacks() -> None:
    (difference,) = found(entry(ChargeType.REFUND, created_at=AFTER_MIDNIGHT), is_whole=False)
    assert difference.reason is DifferenceReason.UNREAD
    refund = entry(ChargeType.REFUND)
    record = attrs.evolve(made(entry(created_at=DAY.since - dt.timedelta(days=9))), refunds=(refund,))
    assert reasons(found(refund, records=(record,), is_whole=False)) == [DifferenceReason.UNREAD]


def test_what_is_sent_before_midnight_may_be_listed_after_it() -> None:
    record = opened(sent(begun(), sent_at=BEFORE_MIDNIGHT))
    (difference,) = found(entry(created_at=AFTER_MIDNIGHT), records=(record,))
    assert (difference.reason, difference.record_id) == (DifferenceReason.OPEN_LISTED, record.id)
    (difference,) = found(entry(created_at=AFTER_MIDNIGHT, order_number="Z-9"), records=(record,))
    assert difference.reason is DifferenceReason.OPEN


def test_an_open_call_whose_list_was_not_read_is_told_by_its_record_alone() -> None:
    record = opened(sent(begun()))
    (difference,) = found(records=(record,), voucher_id="v-2")
    assert difference.grounds == (DifferenceGround.RECORD_SAYS,)
    assert "nothing like it is in the lists that were read" in difference.what


def test_a_call_that_may_be_under_way_is_not_called_lost() -> None:
    (difference,) = found(records=(sent(begun()),))
    assert difference.reason is DifferenceReason.OPEN
    assert "is under way, or its process is gone; nothing like it is" in difference.what


@pytest.mark.parametrize("is_taken_back", [True, False])
def test_a_charge_of_a_failed_checkout_is_untold_only_where_it_stands(*, is_taken_back: bool) -> None:
    whole = not_done(sent(begun(operation=CHECKOUT)))
    charge, refund = entry(), entry(ChargeType.REFUND)
    refunds = (refund,) if is_taken_back else ()
    part = done(sent(begun(parent=whole.id)), charge=charge, refunds=refunds, told=False)
    taking = [done(sent(begun(parent=whole.id)), charge=each, told=False) for each in refunds]
    differences = found(charge, *refunds, records=(whole, part, *taking))
    assert reasons(differences) == ([] if is_taken_back else [DifferenceReason.UNTOLD])


def test_a_whole_of_several_days_is_untold_on_each_with_the_entries_of_that_day() -> None:
    whole = done(sent(begun(operation=CHECKOUT)), charge=None, told=False)
    charges = entry(), entry(charge_id="c-2", created_at=AFTER_MIDNIGHT)
    parts = (done(sent(begun(parent=whole.id)), charge=each) for each in charges)
    (difference,) = found(*charges, records=(whole, *parts))
    assert (difference.record_id, difference.charge_id) == (whole.id, "charge-1")
    assert difference.recorded == Decimal("10.00")


@pytest.mark.parametrize(("is_there", "is_by_api"), [(False, True), (None, False)])
def test_a_404_in_other_words_is_no_proof(*, is_there: bool | None, is_by_api: bool) -> None:
    charge = entry()
    (difference,) = found(records=(made(charge),), by_id={charge.id: is_there})
    assert difference.reason is DifferenceReason.NOT_LISTED
    assert (DifferenceGround.NOT_BY_ID in difference.grounds) is is_by_api
    assert ("a 404 that is not in its words" in difference.what) is not is_by_api


@pytest.mark.parametrize(
    ("date", "zone", "hours"),
    [
        (dt.date(2026, 3, 29), "Europe/Berlin", 23),
        (dt.date(2026, 10, 25), "Europe/Berlin", 25),
        (dt.date(2026, 10, 26), "Europe/Berlin", 24),
        (dt.date(2026, 4, 24), "Africa/Cairo", 23),  # there is no midnight
        (dt.date(2026, 10, 25), "Atlantic/Azores", 25),  # there are two
    ],
)
def test_days_follow_each_other_where_clocks_are_set(date: dt.date, zone: str, hours: int) -> None:
    day, next_day = day_of(date, zone), day_of(date + dt.timedelta(days=1), zone)
    assert day.until - day.since == dt.timedelta(hours=hours)
    assert day.until == next_day.since
    assert day_of(date - dt.timedelta(days=1), zone).until == day.since


def test_no_record_of_a_day_is_of_two() -> None:
    assert DAY.has(NOW)
    assert [DAY.has(each) for each in (BEFORE_MIDNIGHT, DAY.until, DAY.since)] == [True, False, True]
