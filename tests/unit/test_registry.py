"""What a client remembers of calls that move money: which look alike, and whose charge is whose."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from tests.unit.samples import charge
from voucher_async import PendingOutcome, Settlement, SettlementState
from voucher_async.payments import registry as module
from voucher_async.payments.money_call import MoneyCall
from voucher_async.payments.registry import Registry

OPERATIONS = ["chargeReservation", "refundCharge", "rechargeVoucher"]


def case(operation: str = "chargeReservation", **changes: Any) -> MoneyCall:
    values = {"voucher_id": "V", "amount": Decimal("5.00"), "order_number": "A-1", **changes}
    return MoneyCall(pending=PendingOutcome(operation=operation, **values))


def not_done(case: MoneyCall) -> Settlement:
    return Settlement(pending=case.pending, state=SettlementState.NOT_DONE)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_equal_call_is_a_rival_as_long_as_it_is_under_way_or_open(operation: str) -> None:
    registry, first, second = Registry(), case(operation), case(operation)
    registry.begin(first)
    assert (registry.rivals(second), registry.rivals(first)) == (1, 0)
    registry.open(first)
    registry.end(first)
    assert registry.rivals(second) == 1
    registry.settled(not_done(first))
    assert registry.rivals(second) == 0


def test_a_call_that_is_settled_while_it_is_under_way_stays_a_rival_until_it_is_over() -> None:
    registry, first = Registry(), case()
    registry.begin(first)
    registry.open(first)
    registry.settled(not_done(first))
    assert registry.rivals(case()) == 1
    registry.end(first)
    assert registry.rivals(case()) == 0


def test_what_was_taken_over_as_open_is_a_rival() -> None:
    registry, first = Registry(), case()
    registry.open(first)
    assert registry.rivals(case()) == 1


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
    registry = Registry()
    registry.begin(case())
    assert registry.rivals(case(**changes)) == 0


def test_refunds_are_rivals_whatever_their_order_numbers() -> None:
    registry = Registry()
    registry.begin(case("refundCharge", order_number="A-2"))
    assert registry.rivals(case("refundCharge")) == 1


def test_spaces_that_the_server_may_trim_make_no_difference() -> None:
    registry = Registry()
    registry.begin(case(order_number=" A-1 "))
    assert registry.rivals(case()) == 1


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_call_whose_voucher_is_not_known_is_a_rival_on_every_voucher(operation: str) -> None:
    registry = Registry()
    registry.begin(case(operation, voucher_id=None))
    assert registry.rivals(case(operation)) == registry.rivals(case(operation, voucher_id="W")) == 1
    assert registry.rivals(case(operation, amount=Decimal("5.01"))) == 0


def test_a_charge_and_its_surplus_belong_to_the_call_that_was_settled_with_them() -> None:
    registry, first, second = Registry(), case(), case()
    registry.settled(
        Settlement(
            pending=first.pending, state=SettlementState.DONE, charge=charge("c"), surplus=(charge("s"),)
        )
    )
    assert [registry.is_taken(id, second.pending.id) for id in ("c", "s", "other")] == [True, True, False]
    assert not registry.is_taken("c", first.pending.id)


@pytest.mark.parametrize("given_up", [True, False])
def test_a_call_that_is_over_leaves_nothing_behind_among_what_looks_alike(*, given_up: bool) -> None:
    registry, first = Registry(), case()
    registry.begin(first)
    registry.open(first)
    registry.end(first)
    if given_up:
        registry.close(first.pending.id)
    else:
        registry.settled(not_done(first))
    assert not registry._alike
    assert registry.rivals(case()) == 0


def test_what_was_settled_is_not_opened_again() -> None:
    registry, first = Registry(), case()
    registry.settled(not_done(first))
    registry.open(first)
    assert registry.pending == ()
    assert registry.money_call(first.pending.id) is None


def test_calls_that_have_their_own_charge_each_contend_for_a_surplus_alone() -> None:
    registry, first, second, third = Registry(), case(), case(), case()
    first.charge, first.doubts, first.succeeded = charge("a"), 1, True
    second.charge = charge("b")
    for each in (first, second):
        registry.begin(each)
    assert (registry.rivals(second), registry.surplus_beside(second)) == (0, 1)
    assert (registry.rivals(first), registry.surplus_beside(first)) == (0, 0)
    assert (registry.rivals(third), registry.surplus_beside(third)) == (2, 0)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_call_whose_amount_is_not_known_is_a_rival_of_every_amount(operation: str) -> None:
    registry = Registry()
    registry.begin(case(operation, voucher_id=None, amount=None))
    assert registry.rivals(case(operation)) == registry.rivals(case(operation, amount=Decimal("9.99"))) == 1


@pytest.mark.parametrize("operation", ["chargeReservation", "rechargeVoucher"])
def test_calls_whose_order_numbers_a_server_folds_into_one_are_rivals(operation: str) -> None:
    registry = Registry()
    registry.begin(case(operation, order_number="a1"))
    assert registry.rivals(case(operation)) == 1


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
    registry, ours = Registry(), case(order_number="2026-11-18")
    registry.begin(ours)
    assert not registry.is_confusable(ours)
    other = case(**{"operation": "chargeReservation", **changes})
    registry.begin(other)
    assert registry.is_confusable(ours) is confused
    registry.open(other)
    registry.end(other)
    assert registry.is_confusable(ours) is confused
    registry.settled(not_done(other))
    assert not registry.is_confusable(ours)


def test_a_call_that_is_over_is_not_kept_among_those_of_its_voucher() -> None:
    registry, first = Registry(), case()
    registry.begin(first)
    registry.open(first)
    registry.end(first)
    registry.close(first.pending.id)
    assert not registry._at


def test_what_was_under_way_on_a_loop_that_is_gone_is_open() -> None:
    registry, cut, running = Registry(), case(), case(order_number="A-2")

    async def begin() -> None:
        cut.over = asyncio.get_running_loop().create_future()

    asyncio.run(begin())
    for each in (cut, running):
        registry.begin(each)
    assert registry.cut_off() == [cut]
    assert registry.pending == (cut.pending,)
    registry.open(running)
    assert set(registry.pending) == {running.pending, cut.pending}


def test_open_rivals_are_those_of_the_same_voucher_alone() -> None:
    registry, ours, other, under_way = Registry(), case(), case(), case()
    for each in (ours, other):
        registry.open(each)
    registry.begin(under_way)
    assert registry.open_rivals(ours) == [other]
    nowhere = case(voucher_id=None)
    registry.open(nowhere)
    registry.open(case(voucher_id=None))
    assert registry.open_rivals(nowhere) == []


def test_a_charge_that_nobody_was_told_of_is_kept_by_its_key() -> None:
    registry = Registry()
    registry.deliver_later(None, charge("a"))
    registry.deliver_later(("key",), None)
    assert registry.undelivered(("key",)) is None
    registry.deliver_later(("key",), charge("a"))
    registry.deliver_later(("other",), charge("b"))
    assert registry.undelivered(("key",)) == charge("a")
    registry.delivered("a")
    assert registry.undelivered(("key",)) is None
    assert registry.undelivered(("other",)) == charge("b")


def test_an_open_payment_is_found_by_its_key_until_it_is_given_up() -> None:
    registry, first, second = Registry(), case(), case()
    first.key = second.key = ("key",)
    for each in (first, first, second):
        registry.open(each)
    assert registry.open_payment(("key",)) is first
    first.charge = charge("a")
    assert registry.open_payment(("key",)) is second
    for each in (first, second):
        assert registry.close(each.pending.id) is each
    assert registry.open_payment(("key",)) is None
    assert registry.close(first.pending.id) is None


def test_of_what_is_over_the_latest_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REMEMBERED", 2)
    registry = Registry()
    for number in range(3):
        registry.take(f"c-{number}", "somebody")
    assert [registry.is_taken(f"c-{number}", "us") for number in range(3)] == [False, True, True]
