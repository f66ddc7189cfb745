"""What a client remembers of calls that move money: which look alike, and whose charge is whose."""

from __future__ import annotations

import asyncio
import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from voucher_async import Charge, ChargeType, PendingOutcome, Settlement, SettlementState
from voucher_async.settlement import archive as module
from voucher_async.settlement.archive import Archive
from voucher_async.settlement.case import Case

NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
OPERATIONS = ["chargeReservation", "refundCharge", "rechargeVoucher"]


def case(operation: str = "chargeReservation", **changes: Any) -> Case:
    values = {"voucher_id": "V", "amount": Decimal("5.00"), "order_number": "A-1", **changes}
    return Case(pending=PendingOutcome(operation=operation, **values))


def charge(id: str) -> Charge:
    return Charge(
        id=id,
        type=ChargeType.charge,
        voucher_id="V",
        client_id="x",
        amount=Decimal("5.00"),
        order_number="A-1",
        created_at=NOON,
        updated_at=NOON,
    )


def not_done(case: Case) -> Settlement:
    return Settlement(pending=case.pending, state=SettlementState.NOT_DONE)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_equal_call_is_a_rival_as_long_as_it_is_under_way_or_open(operation: str) -> None:
    archive, first, second = Archive(), case(operation), case(operation)
    archive.begin(first)
    assert (archive.rivals(second), archive.rivals(first)) == (1, 0)
    archive.open(first)
    archive.end(first)
    assert archive.rivals(second) == 1
    archive.settled(not_done(first))
    assert archive.rivals(second) == 0


def test_a_call_that_is_settled_while_it_is_under_way_stays_a_rival_until_it_is_over() -> None:
    archive, first = Archive(), case()
    archive.begin(first)
    archive.open(first)
    archive.settled(not_done(first))
    assert archive.rivals(case()) == 1
    archive.end(first)
    assert archive.rivals(case()) == 0


def test_what_was_taken_over_as_open_is_a_rival() -> None:
    archive, first = Archive(), case()
    archive.open(first)
    assert archive.rivals(case()) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"operation": "rechargeVoucher"},
        {"voucher_id": "W"},
        {"amount": Decimal("5.01")},
        {"order_number": "A-2"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_calls_that_differ_in_one_thing_are_no_rivals(changes: dict[str, Any]) -> None:
    archive = Archive()
    archive.begin(case())
    assert archive.rivals(case(**changes)) == 0


def test_refunds_are_rivals_whatever_their_order_numbers() -> None:
    archive = Archive()
    archive.begin(case("refundCharge", order_number="A-2"))
    assert archive.rivals(case("refundCharge")) == 1


def test_spaces_that_the_server_may_trim_make_no_difference() -> None:
    archive = Archive()
    archive.begin(case(order_number=" A-1 "))
    assert archive.rivals(case()) == 1


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_call_whose_voucher_is_not_known_is_a_rival_on_every_voucher(operation: str) -> None:
    archive = Archive()
    archive.begin(case(operation, voucher_id=None))
    assert archive.rivals(case(operation)) == archive.rivals(case(operation, voucher_id="W")) == 1
    assert archive.rivals(case(operation, amount=Decimal("5.01"))) == 0


def test_a_charge_and_its_surplus_belong_to_the_call_that_was_settled_with_them() -> None:
    archive, first, second = Archive(), case(), case()
    archive.settled(
        Settlement(
            pending=first.pending, state=SettlementState.DONE, charge=charge("c"), surplus=(charge("s"),)
        )
    )
    assert [archive.is_taken(id, second.pending.id) for id in ("c", "s", "other")] == [True, True, False]
    assert not archive.is_taken("c", first.pending.id)


@pytest.mark.parametrize("given_up", [True, False])
def test_a_call_that_is_over_leaves_nothing_behind_among_what_looks_alike(*, given_up: bool) -> None:
    archive, first = Archive(), case()
    archive.begin(first)
    archive.open(first)
    archive.end(first)
    if given_up:
        archive.close(first.pending.id)
    else:
        archive.settled(not_done(first))
    assert not archive._alike
    assert archive.rivals(case()) == 0


def test_what_was_settled_is_not_opened_again() -> None:
    archive, first = Archive(), case()
    archive.settled(not_done(first))
    archive.open(first)
    assert archive.pending == ()
    assert archive.case(first.pending.id) is None


def test_calls_that_have_their_own_charge_each_contend_for_a_surplus_alone() -> None:
    archive, first, second, third = Archive(), case(), case(), case()
    first.charge, first.doubts, first.answered = charge("a"), 1, True
    second.charge = charge("b")
    for each in (first, second):
        archive.begin(each)
    assert (archive.rivals(second), archive.surplus_beside(second)) == (0, 1)
    assert (archive.rivals(first), archive.surplus_beside(first)) == (0, 0)
    assert (archive.rivals(third), archive.surplus_beside(third)) == (2, 0)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_call_whose_amount_is_not_known_is_a_rival_of_every_amount(operation: str) -> None:
    archive = Archive()
    archive.begin(case(operation, voucher_id=None, amount=None))
    assert archive.rivals(case(operation)) == archive.rivals(case(operation, amount=Decimal("9.99"))) == 1


@pytest.mark.parametrize("operation", ["chargeReservation", "rechargeVoucher"])
def test_calls_whose_order_numbers_a_server_folds_into_one_are_rivals(operation: str) -> None:
    archive = Archive()
    archive.begin(case(operation, order_number="a1"))
    assert archive.rivals(case(operation)) == 1


@pytest.mark.parametrize(
    ("changes", "confused"),
    [
        ({"order_number": "2026-11-17"}, True),
        ({"order_number": None}, True),
        ({"order_number": "2026-11-17", "voucher_id": None}, True),
        ({"order_number": "2026-11-17", "voucher_id": None, "amount": None}, True),
        ({"order_number": "WEB-7"}, False),
        ({"order_number": "2026-11-17", "voucher_id": "W"}, False),
        ({"order_number": "2026-11-17", "amount": Decimal("5.01")}, False),
        ({"order_number": "2026-11-17", "operation": "rechargeVoucher"}, False),
    ],
    ids=repr,
)
def test_a_call_is_confusable_with_one_whose_order_number_may_be_cut_to_the_same(
    changes: dict[str, Any], *, confused: bool
) -> None:
    archive, ours = Archive(), case(order_number="2026-11-18")
    archive.begin(ours)
    assert not archive.is_confusable(ours)
    other = case(**{"operation": "chargeReservation", **changes})
    archive.begin(other)
    assert archive.is_confusable(ours) is confused
    archive.open(other)
    archive.end(other)
    assert archive.is_confusable(ours) is confused
    archive.settled(not_done(other))
    assert not archive.is_confusable(ours)


def test_a_call_that_is_over_is_not_kept_among_those_of_its_voucher() -> None:
    archive, first = Archive(), case()
    archive.begin(first)
    archive.open(first)
    archive.end(first)
    archive.close(first.pending.id)
    assert not archive._at


def test_what_was_under_way_on_a_loop_that_is_gone_is_open() -> None:
    archive, cut, running = Archive(), case(), case(order_number="A-2")

    async def begin() -> None:
        cut.over = asyncio.get_running_loop().create_future()

    asyncio.run(begin())
    for each in (cut, running):
        archive.begin(each)
    assert archive.cut_off() == [cut]
    assert archive.pending == (cut.pending,)
    archive.open(running)
    assert set(archive.pending) == {running.pending, cut.pending}


def test_open_rivals_are_those_of_the_same_voucher_alone() -> None:
    archive, ours, other, under_way = Archive(), case(), case(), case()
    for each in (ours, other):
        archive.open(each)
    archive.begin(under_way)
    assert archive.open_rivals(ours) == [other]
    nowhere = case(voucher_id=None)
    archive.open(nowhere)
    archive.open(case(voucher_id=None))
    assert archive.open_rivals(nowhere) == []


def test_a_charge_that_nobody_was_told_of_is_kept_by_its_key() -> None:
    archive = Archive()
    archive.deliver_later(None, charge("a"))
    archive.deliver_later(("key",), None)
    assert archive.undelivered(("key",)) is None
    archive.deliver_later(("key",), charge("a"))
    archive.deliver_later(("other",), charge("b"))
    assert archive.undelivered(("key",)) == charge("a")
    archive.delivered("a")
    assert archive.undelivered(("key",)) is None
    assert archive.undelivered(("other",)) == charge("b")


def test_an_open_payment_is_found_by_its_key_until_it_is_given_up() -> None:
    archive, first, second = Archive(), case(), case()
    first.key = second.key = ("key",)
    for each in (first, first, second):
        archive.open(each)
    assert archive.open_payment(("key",)) is first
    first.charge = charge("a")
    assert archive.open_payment(("key",)) is second
    for each in (first, second):
        assert archive.close(each.pending.id) is each
    assert archive.open_payment(("key",)) is None
    assert archive.close(first.pending.id) is None


def test_of_what_is_over_the_latest_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REMEMBERED", 2)
    archive = Archive()
    for number in range(3):
        archive.take(f"c-{number}", "somebody")
    assert [archive.is_taken(f"c-{number}", "us") for number in range(3)] == [False, True, True]
