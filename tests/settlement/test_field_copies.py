"""Lists that are copies, filtered, or another client's: they prove no absence, and nobody's charge."""

from __future__ import annotations

import datetime as dt
from email.utils import format_datetime
from typing import Any

import pytest

from tests.proxy import Asked, Proxy, Reply, delivered, said
from tests.settlement.conftest import Shop, pay
from tests.settlement.truth import is_true, outcome_of
from voucher_async import PendingOutcome
from voucher_async.testing import VoucherRecord, faults, habits

HITS = [
    "X-Cache: HIT",
    "X-Cache: Hit from cloudfront",
    "X-Cache-Status: STALE",
    "CF-Cache-Status: HIT",
    'Cache-Status: "shop"; hit; ttl=30',
]
CHARGE, REFUND, RECHARGE, LIST = "chargeReservation", "refundCharge", "rechargeVoucher", "listCharges"


class Cache:
    """Gives the first answer of a list again, for so many seconds."""

    def __init__(self, shop: Shop, seconds: float, mark: str, *, by_query: bool) -> None:
        self._shop, self._seconds, self._mark, self._by_query = shop, seconds, mark, by_query
        self._kept: dict[str, tuple[float, Reply]] = {}

    async def __call__(self, asked: Asked) -> Reply:
        key = asked.request.raw_path if self._by_query else asked.request.path
        now = self._shop.clock.monotonic()
        kept = self._kept.get(key)
        if kept is None or now - kept[0] > self._seconds:
            self._kept[key] = kept = now, await asked.deliver()
            return kept[1]
        return Reply(kept[1].status, kept[1].content, {**kept[1].headers, **self._marks(now - kept[0])})

    def _marks(self, age: float) -> dict[str, str]:
        if self._mark == "age":
            return {"Age": str(int(age))}
        if self._mark in {"date", "none"}:
            return {}
        name, _, value = self._mark.partition(": ")
        return {"Date": format_datetime(self._shop.emulator.now(), usegmt=True), name: value}


def recharge(shop: Shop, voucher: VoucherRecord) -> Any:
    given: dict[str, Any] = {"id": voucher.id, "amount": "5.00", "currency": "EUR", "timeout": 60}
    return shop.client.vouchers.recharge(**given, order_number="R-1")


@pytest.mark.parametrize("status", [None, 404, 409, 429])
@pytest.mark.parametrize("seconds", [5.0, 30.0, 300.0])
@pytest.mark.parametrize(("mark", "by_query"), [("age", False), ("date", False), ("none", True)])
async def test_a_cache_on_the_way_makes_no_false_word(
    meshed: Shop, *, mesh: Proxy, mark: str, by_query: bool, seconds: float, status: int | None
) -> None:
    mesh.rules[LIST] = Cache(meshed, seconds, mark, by_query=by_query)
    voucher = meshed.voucher()
    charge = await meshed.during(pay(meshed.client, voucher, order_number="A-0"))
    first = await meshed.during(outcome_of(recharge(meshed, voucher)))
    assert first.word == "done"

    lost = delivered(1, said(502, b"<html></html>") if status is None else said(status))
    await meshed.passes(2.5)
    for operation in (CHARGE, REFUND, RECHARGE):
        mesh.once(operation, lost)
    works = {
        "A-1": pay(meshed.client, voucher),
        "A-0": meshed.client.charges.refund(charge, currency="EUR", timeout=60),
        "R-1": recharge(meshed, voucher),
    }
    expected = {"A-1": 1, "A-0": 2, "R-1": 2}
    for order, work in works.items():
        told = await meshed.during(outcome_of(work))
        assert len(meshed.emulator.charges(order)) == expected[order]
        assert is_true(meshed, told, 1), (order, told)
    await meshed.during(meshed.client.aclose(wait=130))
    assert "not done" not in meshed.told.words


@pytest.mark.parametrize("status", [404, 409, 422])
@pytest.mark.parametrize("mark", ["age", "date", *HITS])
async def test_a_balance_out_of_a_cache_is_no_proof_beside_a_list_that_lags(
    meshed: Shop, *, mesh: Proxy, mark: str, status: int
) -> None:
    mesh.rules["getVoucher"] = Cache(meshed, 30.0, mark, by_query=True)  # always read at the same URL
    voucher = meshed.voucher()
    await meshed.client.vouchers.get(voucher.id)
    meshed.emulator.faults.list_lag = 6.0
    await meshed.passes(3.0)

    mesh.once(CHARGE, delivered(1, said(status)))
    told = await meshed.during(outcome_of(pay(meshed.client, voucher, order_number="A-1")))
    assert len(meshed.emulator.charges("A-1")) == 1
    assert told.word == "done"


@pytest.mark.parametrize("status", [404, 409])
async def test_pages_of_servers_that_lag_differently_are_no_proof(
    meshed: Shop, *, mesh: Proxy, status: int
) -> None:
    """Our charge is between the newest page and an older one; the list is too long to be read to its end."""
    voucher = meshed.voucher("99.00")
    for number in range(12):
        await meshed.during(pay(meshed.client, voucher, amount="1.00", order_number=f"OLD-{number}"))
        await meshed.passes(1.0)
    await meshed.passes(2 * 86_000.0)
    meshed.emulator.habits.set(pages=habits.Pages(size=2, order="newest"))
    till, others = meshed.another(), ["B-1", "B-2"]
    meshed.emulator.faults.list_lag = 10.0

    async def lagging(asked: Asked) -> Reply:
        (charge,) = meshed.emulator.charges("A-1")
        if others and meshed.emulator.now() - charge.made_at > dt.timedelta(seconds=8):
            while others:  # two more move it to the second page of a server that has them
                await pay(till, voucher, amount="1.00", order_number=others.pop())
                meshed.clock.advance(1.0)
        if not others:
            meshed.emulator.faults.list_lag = 0.0 if asked.query["page"] == "1" else 10.0
        return await asked.deliver()

    mesh.rules[LIST] = lagging
    mesh.once(CHARGE, delivered(1, said(status)))
    told = await meshed.during(outcome_of(pay(meshed.client, voucher, timeout=15)))
    assert not others
    assert len(meshed.emulator.charges("A-1")) == 1
    await till.aclose(wait=0)
    assert is_true(meshed, told, 1), told


FILTERED = ["2026,17", "true", "null", "a|b", "A-1' OR 1", "%", "[x]", "1&page=9"]


@pytest.mark.parametrize("kind", ["split", "ignored", "empty"])
@pytest.mark.parametrize("order", FILTERED)
async def test_filters_are_not_relied_on(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, order: str, kind: str
) -> None:
    from voucher_async.testing import _lists

    def admits(filters: Any, entry: Any) -> bool:
        if filters.order_number is None or kind == "ignored":
            return True
        return kind == "split" and entry.order_number in filters.order_number.split(",")

    monkeypatch.setattr(_lists._Filters, "admits", admits)
    shop.script(CHARGE, faults.BreakAfter())
    voucher = shop.voucher()
    told = await shop.during(outcome_of(pay(shop.client, voucher, order_number=order)))
    assert told.word == "done"
    given: dict[str, Any] = {"id": voucher.id, "amount": "5.00", "currency": "EUR", "order_number": order}
    await shop.during(shop.client.vouchers.recharge(**given))  # an older, equal recharge
    shop.script(RECHARGE, faults.BreakBefore())
    told = await shop.during(outcome_of(shop.client.vouchers.recharge(**given, timeout=60)))
    assert told.word == "done"
    assert len(shop.emulator.charges(order, type="recharge")) == 2


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("kind", ["charge", "refund", "recharge"])
async def test_the_equal_entry_of_another_client_is_not_told_as_ours(
    shop: Shop, *, kind: str, warm: bool
) -> None:
    """Ours never arrives, and another client's equal one is made at the same moment."""
    record = shop.emulator.add_client()
    other = shop.another(client_id=record.id, client_secret=record.secret)
    voucher = shop.voucher()
    charge = await shop.during(pay(shop.client if warm else other, voucher, order_number="A-0"))
    operation = {"charge": CHARGE, "refund": REFUND, "recharge": RECHARGE}[kind]
    before = len(shop.emulator.charges())

    def work(client: Any, **changes: Any) -> Any:
        if kind == "charge":
            return pay(client, voucher, **changes)
        if kind == "refund":
            return client.charges.refund(charge, "1.00", currency="EUR", **changes)
        given = {"id": voucher.id, "amount": "5.00", "currency": "EUR", "order_number": "R-1"}
        return client.vouchers.recharge(**given, **changes)

    shop.script(operation, *[faults.BreakBefore()] * 9)
    shop.script(LIST, None, *[faults.ServerError()] * 3)
    told = await shop.during(outcome_of(work(shop.client, timeout=5)))
    shop.emulator.faults.clear()
    theirs = await shop.during(outcome_of(work(other)))
    assert theirs.word == "done"
    assert len(shop.emulator.charges()) == before + 1
    settled = told.word
    if told.word == "open":
        assert isinstance(told.error, Exception)
        pending: PendingOutcome = told.error.pending  # type: ignore[attr-defined]  # OutcomeUnknown has it
        again = await shop.during(outcome_of(shop.client.settle(pending, timeout=60)))
        settled = str(again.value.state) if again.word == "done" else again.word
    assert settled != "done"
    await other.aclose(wait=0)
