"""The work of a storm hangs on its seed alone, and tells every payment apart."""

from __future__ import annotations

import collections

from tests.chaos.plan import Call, code_of, own, unit
from voucher_async.payments.likeness import confusable, fold

UNITS = [unit(7, worker, number) for worker in range(2) for number in range(1_000)]
CALLS = [call for each in UNITS for call in each.calls]


def test_the_same_seed_gives_the_same_work_and_another_seed_other_work() -> None:
    assert [unit(7, 1, number) for number in range(200)] == [unit(7, 1, number) for number in range(200)]
    assert [unit(7, 1, number) for number in range(200)] != [unit(8, 1, number) for number in range(200)]
    assert unit(7, 0, 3) != unit(7, 1, 3)


def test_every_call_has_an_id_of_its_own() -> None:
    ids = [call.id for call in CALLS]
    assert len(set(ids)) == len(ids)


def test_payments_of_one_order_differ_in_voucher_or_amount() -> None:
    def key(call: Call) -> tuple[object, ...]:
        return call.order, call.vouchers, call.amounts

    payments = {call.payment: key(call) for call in CALLS if call.kind != "refund"}
    assert len(set(payments.values())) == len(payments)
    orders = collections.Counter(order for order, _, _ in payments.values())
    assert sum(count > 1 for count in orders.values()) > 20


def test_all_there_is_to_do_is_done() -> None:
    assert {call.kind for call in CALLS} == {"redeem", "charge", "refund", "recharge", "checkout"}
    assert {each.way for each in UNITS} == {"one", "again", "together", "failing"}
    cancels = [call.cancel for call in CALLS if call.cancel]
    assert {cancel.at for cancel in cancels if cancel.after is None} == {"intent", "answer"}
    assert sum(cancel.after is not None for cancel in cancels) > 100


def test_odd_order_numbers_are_told_apart_however_a_server_rewrites_them() -> None:
    calls = [call for number in range(300) for call in unit(7, 1, number, odd=True).calls]
    orders = {call.order for call in calls}
    assert len({fold(order)[:8] for order in orders}) == len(orders)
    some = sorted(orders)[:60]
    assert not any(confusable(one, other) for one in some for other in some if one != other)
    assert any(not order.isascii() for order in orders)
    assert any("," in order for order in orders)
    assert sum(call.loud for call in calls) > 5
    assert code_of(own(1, 2), loud=True) == "CODE OF OWN 1 2"
