"""The object that habits are set on, and that they work without a socket and beside faults."""

from __future__ import annotations

from typing import Any

import pytest

from voucher_async.testing import Habits, ManualClock, VoucherEmulator, faults, habits
from voucher_async.testing._engine import Call
from voucher_async.testing._names import LISTS, MONEY, OPERATIONS, POSTS, READS
from voucher_async.testing._routes import ROUTES


def test_every_habit_is_off_until_it_is_set_and_off_again_when_cleared(emulator: VoucherEmulator) -> None:
    assert repr(emulator.habits) == "<Habits: none>"
    emulator.habits.tolerant_codes = True
    emulator.habits.pages = habits.Pages(size=15)
    emulator.habits.charge_client_id = "null"
    emulator.habits.contradiction = habits.Contradiction({"type": "credit"})
    assert repr(emulator.habits) == (
        "<Habits: pages=Pages(size=15), tolerant_codes, "
        "contradiction=Contradiction(fields={'type': 'credit'}), charge_client_id='null'>"
    )
    assert set(emulator.habits.on) == {"pages", "tolerant_codes", "contradiction", "charge_client_id"}
    emulator.habits.clear()
    assert emulator.habits.on == {}


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("cache", habits.Cache, TypeError),
        ("pages", habits.Cache(), TypeError),
        ("tolerant_codes", "yes", TypeError),
        ("charge_client_id", "mine", ValueError),
        ("list_order_numbers", "cut", ValueError),
    ],
)
def test_a_wrong_habit_is_refused_when_it_is_set_and_the_others_stay(
    name: str, value: Any, error: type[Exception]
) -> None:
    mine = Habits(resolution=habits.Resolution(rounded=True))
    with pytest.raises(error, match=name):
        setattr(mine, name, value)
    with pytest.raises(error, match=name):
        mine.set(resolution=None, **{name: value})
    assert list(mine.on) == ["resolution"]


@pytest.mark.parametrize(
    ("make", "values"),
    [
        (habits.DeliverTwice, {"times": 0}),
        (habits.DeliverTwice, {"share": 1.1}),
        (habits.DeliverTwice, {"answer": 404}),
        (habits.DeliverTwice, {"operations": "listCharges"}),
        (habits.ProxyAnswer, {"status": 204}),
        (habits.ProxyAnswer, {"operations": ["charge"]}),
        (habits.ProxyAnswer, {"form": "xml"}),
        (habits.Cache, {"seconds": -1}),
        (habits.Cache, {"operations": MONEY}),
        (habits.OrderNumbers, {"cut": 0}),
        (habits.OrderNumbers, {"normalise": "NFX"}),
        (habits.OrderNumbers, {"fold": "title"}),
        (habits.Filters, {"ignored": "page"}),
        (habits.Pages, {"size": 0}),
        (habits.Pages, {"order": "random"}),
        (habits.Pages, {"missing": "data"}),
        (habits.Clocks, {"jump": 1e10}),
        (habits.Clocks, {"jump_at": ManualClock().now().replace(tzinfo=None)}),
        (habits.Resolution, {"charges": "minutes"}),
        (habits.Contradiction, {"fields": {"balance": "1.00"}}),
        (habits.Contradiction, {"fields": {}, "kinds": "reservation"}),
    ],
)
def test_a_value_that_a_habit_cannot_have_is_refused(make: Any, values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(name for name in reversed(values))):
        make(**values)


def test_a_habit_that_does_not_exist_is_refused() -> None:
    with pytest.raises(TypeError, match="order_number"):
        Habits().set(order_number="A-1")


@pytest.mark.parametrize("name", habits.KINDS)
def test_habits_that_are_offered_by_name_can_be_set_and_show_themselves(name: str) -> None:
    mine = Habits()
    mine.set(**habits.KINDS[name])
    assert mine.on == dict(habits.KINDS[name])


def test_every_habit_is_offered_by_some_name() -> None:
    offered = {name for kind in habits.KINDS.values() for name in kind}
    mine = Habits()
    for kind in habits.KINDS.values():
        mine.set(**kind)
    assert offered == set(mine.on)
    assert f"{mine!r}".count("=") >= len(offered) - 1
    assert {name for name in dir(mine) if name in Habits.__annotations__} - {"_dice", "guard"} == offered


def test_the_operations_are_those_of_the_emulator() -> None:
    methods = {route.operation_id: route.method for route in ROUTES}
    assert sorted(OPERATIONS) == sorted(methods)
    assert set(POSTS) == {name for name, method in methods.items() if method == "POST"}
    assert set(READS) == {name for name, method in methods.items() if method == "GET"}
    assert set(MONEY) < set(POSTS)
    assert set(LISTS) < set(READS)


def test_a_share_is_met_in_the_same_order_for_a_seed() -> None:
    def met(**more: Any) -> list[bool]:
        mine.deliver_twice = habits.DeliverTwice(share=0.5, **more)
        return [mine.meets("deliver_twice") for _ in range(40)]

    mine = Habits()
    first = met(seed=3)
    assert 0 < sum(first) < 40
    assert met(seed=3) == first
    assert met(seed=4) != first


def _call(api: Any, method: str, path: str, **more: Any) -> Call:
    authorization = f"Bearer {api.token}"
    return Call(
        method=method,
        raw_path=f"/v1{path}",
        authorization=authorization,
        content_type="application/json",
        **more,
    )


def test_all_habits_apply_to_a_call_without_a_socket(api: Any, clock: ManualClock) -> None:
    voucher = api.emulator.add_voucher(amount=25)
    api.emulator.habits.set(
        deliver_twice=habits.DeliverTwice(),
        proxy_answer=habits.ProxyAnswer(405),
        order_numbers=habits.OrderNumbers(fold="lower"),
        cache=habits.Cache(age=True),
    )
    reservation = api.reserve(voucher).body["id"]
    way = api.emulator._way
    passage = way.answer(
        _call(api, "POST", f"/reservations/{reservation}/charge", body=b'{"order_number": "A-1"}')
    )
    assert [outcome.status for outcome in passage.delivered] == [200, 409]
    assert (passage.outcome.status, passage.outcome.media_type) == (405, "text/html")
    looks = [way.answer(_call(api, "GET", f"/vouchers/{voucher.id}/charges")) for _ in range(2)]
    assert [len(look.delivered) for look in looks] == [1, 0]
    assert looks[1].outcome.body["data"][0]["order_number"] == "a-1"


def test_state_goes_by_the_habits_when_the_engine_is_asked_alone(api: Any) -> None:
    voucher = api.emulator.add_voucher(amount=25)
    api.emulator.habits.set(
        order_numbers=habits.OrderNumbers(fold="lower"),
        contradiction=habits.Contradiction({"type": "credit"}),
    )
    charge = api.charge(api.reserve(voucher).body["id"], "A-1").body
    assert (charge["type"], charge["order_number"]) == ("credit", "a-1")


async def test_a_fault_and_a_habit_go_together(wire: Any) -> None:
    voucher = wire.emulator.add_voucher(amount=25)
    wire.emulator.habits.deliver_twice = habits.DeliverTwice()
    wire.emulator.faults.script("rechargeVoucher", faults.BadGateway(acted=True))
    assert (await wire.recharge(id=voucher.id)).status == 502
    assert len(wire.emulator.charges("R-1")) == 2
    assert [entry.fault for entry in wire.emulator.requests.of("rechargeVoucher")] == [
        "BadGateway(acted=True)"
    ] * 2


async def test_the_ledger_adds_up_under_every_habit_at_once(wire: Any) -> None:
    voucher = wire.emulator.add_voucher(amount=25)
    for kind in habits.KINDS.values():
        wire.emulator.habits.set(**kind)
    wire.emulator.habits.set(proxy_answer=None)
    await wire.charge(voucher, "Order 1")
    await wire.recharge("Order 2", id=voucher.id)
    wire.emulator.ledger.check()
    charge, recharge, again = wire.emulator.charges()
    assert {charge.sent_order_number, recharge.sent_order_number} == {"Order 1", "Order 2"}
    assert wire.emulator.charges("Order 2") == (recharge, again)
    moved = [movement.order_number for movement in wire.emulator.ledger.of(voucher.id)]
    assert moved == [None, "Order 1", "Order 2", "Order 2"]


@pytest.mark.parametrize("name", habits.KINDS)
async def test_no_habit_breaks_the_emulator_or_its_books(wire: Any, name: str) -> None:
    voucher = wire.emulator.add_voucher(amount=25)
    wire.emulator.habits.set(**habits.KINDS[name])
    answers = [await wire.charge(voucher, "Order 1"), await wire.recharge("Order 2", id=voucher.id)]
    answers.append(await wire.refund(wire.emulator.charges("Order 1")[0].id))
    answers.append(await wire("GET", f"/vouchers/{voucher.id}"))
    assert 500 not in {answer.status for answer in answers}
    await wire.listed(voucher)
    await wire.listed(voucher, **{"filter[order_number]": "Order 1"})
    kinds = {charge.type for charge in wire.emulator.charges(voucher_id=voucher.id)}
    assert kinds == {"charge", "recharge", "refund"}
    wire.emulator.ledger.check()
