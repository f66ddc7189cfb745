"""The judge of a shop's storm: what it takes for wrong, and what it does not."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import attrs
import pytest

from tests.chaos.shop.customers import Told
from tests.chaos.shop.judge import cancelled_in, ugly, wrong
from tests.chaos.shop.orders import Row
from tests.chaos.shop.plan import Order, ShopStorm, plan_of
from voucher_async import Charge, ChargeType
from voucher_async.testing._records import ChargeRecord

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
TEN, TWO = Decimal("10.00"), Decimal("2.00")
ORDER = Order(number="S-1", way="voucher", total=TEN, codes=("V",), clicks=2, ends="paid")
PAID = Told("S-1", "voucher", "done", {"C": "10.00"}, 200)
REFUSED = Told("S-1", "voucher", "refused", status=422)


def row(state: str = "paid", *, refunds: tuple[str, ...] = (), **given: Any) -> Row:
    charge = Charge(
        id="C", voucher_id="V", amount=TEN, type=ChargeType.CHARGE, created_at=NOW, updated_at=NOW
    )
    made: dict[str, Any] = {"charges": (charge,) if state == "paid" else (), "card": Decimal("0.00")}
    back = dict.fromkeys(refunds, TWO)
    return Row(number="S-1", total=TEN, state=state, refunds=back, **{**made, **given})


def entry(id: str = "C", amount: Decimal = TEN, **given: Any) -> ChargeRecord:
    shown: dict[str, Any] = {"type": "charge", "order_number": "S-1", **given}
    return ChargeRecord(
        id=id, voucher_id="V", client_id="X", amount=amount, created_at=NOW, updated_at=NOW, **shown
    )


def back(id: str, amount: Decimal) -> ChargeRecord:
    return entry(id, amount, type="refund", refund_of="C")


def found(
    made: Row, *entries: ChargeRecord, told: tuple[Told, ...] = (PAID, PAID), **given: Any
) -> list[str]:
    return list(wrong([attrs.evolve(ORDER, **given)], [made], entries, told))


def test_what_agrees() -> None:
    assert found(row(), entry()) == []
    refunded = Told("S-1", "refund", "done", {"R": "2.00"}, 200)
    assert found(row(refunds=("R",)), entry(), back("R", TWO), told=(PAID, PAID, refunded)) == []
    taken_back = entry(), entry("C-0"), attrs.evolve(back("R", TEN), refund_of="C-0")
    assert found(row(), *taken_back) == []
    assert found(row("unpaid"), told=(REFUSED, REFUSED), ends="unpaid") == []
    # a voucher that another order has emptied, and filled again
    assert found(row(), entry(), told=(REFUSED, PAID), ends=None) == []


@pytest.mark.parametrize(
    ("made", "entries", "told", "text"),
    [
        (row(), (), (PAID,), "but the ledger has {}"),
        (row(), (entry(), entry("C-2")), (PAID,), "but the ledger has"),
        (row(), (entry(amount=TWO),), (PAID,), "but the ledger has"),
        (row("pending"), (entry(),), (PAID,), "does not know whether it is paid"),
        (row("unpaid"), (entry(),), (REFUSED,), "unpaid with {}, but the ledger has"),
        (row("unpaid"), (), (REFUSED,), "and should be paid"),
        (row(), (entry(), back("R", TEN)), (PAID,), "but the ledger has {}"),
        (row(), (entry(), back("R", TWO)), (PAID,), "given back in part"),
        (row(refunds=("R",)), (entry(),), (PAID,), "given back, but the ledger has {}"),
        (row(refunds=("R",)), (entry(), back("R", TWO), back("R-2", TWO)), (PAID,), "given back in part"),
        (row(card=TWO), (entry(),), (PAID,), "by card are not 10.00"),
        (row(), (entry(),), (attrs.evolve(PAID, amounts={"C-2": "10.00"}),), "a customer was told"),
        (row(), (entry(),), (PAID, REFUSED), "a customer was refused (422), and the order is paid"),
        (row(), (entry(),), (attrs.evolve(PAID, ending="none"),), "no final answer"),
        (row(), (entry(),), (PAID, attrs.evolve(REFUSED, act="refund")), "the refund was refused"),
        (row(), (entry(), entry("C-9", sent_order_number="S-9")), (PAID,), "that nobody has placed"),
    ],
)
def test_what_does_not_agree(
    made: Row, entries: tuple[ChargeRecord, ...], told: tuple[Told, ...], text: str
) -> None:
    assert any(text in problem for problem in found(made, *entries, told=told))


def test_what_the_owner_of_a_shop_must_not_see() -> None:
    own = (
        "sys:1: ResourceWarning: unclosed <socket.socket fd=3, family=2, type=1, proto=0, "
        "laddr=('127.0.0.1', 18000)>\nResourceWarning: Enable tracemalloc to get the allocation traceback"
    )
    assert ugly(f"INFO:     Shutting down\n{own}\n", 18_000) == []
    assert len(ugly(own, 18_001)) == 1
    bad = [
        "Traceback (most recent call last):",
        "Unclosed client session",
        "Task was destroyed but it is pending!",
    ]
    assert ugly("\n".join(["INFO:     fine", *bad]), 18_000)[0].startswith(bad[0])
    assert len(ugly("\n".join(bad), 18_000)) == 3
    assert (
        cancelled_in("ERROR:    Cancel 3 running task(s), ...\nERROR:    Cancel 4 running task(s), ...") == 7
    )


def test_a_seed_gives_the_same_orders_of_which_a_third_are_clicked_twice() -> None:
    plan = plan_of(ShopStorm(seed=3))
    assert plan == plan_of(ShopStorm(seed=3))
    assert plan != plan_of(ShopStorm(seed=4))
    assert len(plan.orders) == 300
    assert sum(each.clicks == 2 for each in plan.orders) == 100
    assert {each.way for each in plan.orders} == {"voucher", "checkout"}
    assert {each.ends for each in plan.orders} == {"paid", "unpaid", None}
    assert sum(each.back is not None for each in plan.orders) > 30
