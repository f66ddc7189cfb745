"""A worker that dies, or stands still, at any step of giving an order back: nothing is given back twice."""

from __future__ import annotations

import asyncio

import pytest

from tests.settlement.cut import Cut, Mode
from tests.settlement.returns import amounts, left, pay, refund_order, refunds
from tests.settlement.town import Client, Town, said
from tests.virtual import virtually
from voucher_async.errors import VoucherError
from voucher_async.order_refunds import OrderRefund
from voucher_async.outcomes import StillRunning
from voucher_async.payments.call import CallState

LEASE, PATIENCE = 15.0, 100.0
modes = pytest.mark.parametrize("mode", ["before", "after", "late"])
ASKED = "10.00"  # of 12.00, over three charges: 3.00, 4.00, and 3.00 of the 5.00


async def town_with_order() -> Town:
    town = await Town.build()
    await pay(town.client(), "5.00", "4.00", "3.00")
    return town


def ask(client: Client, amount: str | None = ASKED) -> asyncio.Task[OrderRefund]:
    return asyncio.create_task(refund_order(client, amount, "return-77", timeout=PATIENCE))


async def steps() -> int:
    town = await town_with_order()
    cut = Cut()
    await ask(cut.off(town.client()))
    assert cut.steps > 15
    return cut.steps


async def ask_until_told(client: Client, amount: str | None = ASKED) -> OrderRefund:
    for _ in range(5):
        told = await said(ask(client, amount))
        if isinstance(told, OrderRefund):
            return told
    raise AssertionError(told)


def check_given(town: Town, told: OrderRefund, where: str) -> None:
    assert told.amount == 10, where
    assert sum(refunds(town)) == 10, where
    assert sum(left(town)) == 2, where
    assert sorted(each.refund.amount for each in told.refunds) == sorted(refunds(town)), where


async def cut_off(at: int, mode: Mode) -> tuple[Town, Cut, Client, asyncio.Task[OrderRefund]]:
    """A worker that is cut off at a step of its return: its town, the cut, the worker, and its call."""
    town = await town_with_order()
    cut = Cut(at, mode)
    first = cut.off(town.client())
    call = ask(first)
    await cut.met.wait()
    return town, cut, first, call


@modes
@virtually
async def test_whoever_asks_again_after_a_crash_gives_back_the_rest(mode: Mode) -> None:
    ends = set[int]()
    for at in range(1, await steps() + 1, 2):  # after a step is before the next one
        town, cut, first, call = await cut_off(at, mode)
        where = f"the worker died {mode} step {at}"
        await cut.die(first, call)
        await asyncio.sleep(LEASE)
        ends.add(len(refunds(town)))
        second = town.client()
        check_given(town, await ask_until_told(second), where)
        check_given(town, await ask_until_told(town.client()), where)
        assert [each for each in await second.records() if not each.ended] == [], where
    assert ends == {0, 1, 2, 3}


@modes
@virtually
async def test_a_worker_that_wakes_up_beside_its_successor_gives_back_nothing_more(mode: Mode) -> None:
    for at in range(1, await steps() + 1, 2):  # after a step is before the next one
        town, cut, first, call = await cut_off(at, mode)
        where = f"the worker stood still {mode} step {at}"
        first.core.joining.ownership.heartbeat.stop()
        await asyncio.sleep(LEASE)
        second = await ask_until_told(town.client())
        cut.over.set()
        told = await said(call)
        await asyncio.sleep(90.0)
        check_given(town, second, where)
        assert told == second or isinstance(told, VoucherError), where
        assert getattr(told, "proof", None) is None or isinstance(told, StillRunning), where


@modes
@virtually
async def test_recovery_settles_the_parts_and_gives_back_no_more(mode: Mode) -> None:
    for at in range(1, await steps() + 1, 2):  # after a step is before the next one
        town, cut, first, call = await cut_off(at, mode)
        where = f"the worker died {mode} step {at}"
        await cut.die(first, call)
        await asyncio.sleep(LEASE)
        second = town.client()
        sent = len(second.wire.sent)
        recovered = await second.recover()
        assert "refundCharge" not in second.wire.sent[sent:], where
        given = sum(refunds(town))
        record = next((each for each in await second.records() if each.key == "return-77"), None)
        if record is None:
            assert not given, where
            continue
        expected = {0: CallState.NOT_DONE, 10: CallState.DONE}.get(int(given), CallState.OPEN)
        assert record.state is expected, where
        assert [each.id for each in recovered.open] == ([record.id] if expected is CallState.OPEN else []), (
            where
        )
        check_given(town, await ask_until_told(second), where)


@modes
@virtually
async def test_a_worker_that_wakes_up_after_the_recovery_begins_no_further_part(mode: Mode) -> None:
    for at in range(1, await steps() + 1, 2):  # after a step is before the next one
        town, cut, first, call = await cut_off(at, mode)
        where = f"the worker stood still {mode} step {at}"
        first.core.joining.ownership.heartbeat.stop()
        await asyncio.sleep(LEASE)
        second = town.client()
        await second.recover()
        given = refunds(town)
        cut.over.set()
        told = await said(call)
        await asyncio.sleep(90.0)
        record = next((each for each in await second.records() if each.key == "return-77"), None)
        if record is not None and record.owner == second.core.joining.ownership.owner:
            assert refunds(town) == given, where  # what was fenced off was not sent
        check_given(town, await ask_until_told(second), where)
        assert getattr(told, "proof", None) is None or isinstance(told, StillRunning), where


@virtually
async def test_all_that_is_left_without_a_key_goes_on_after_a_crash() -> None:
    town = await town_with_order()
    cut = Cut(await steps() - 6)
    first = cut.off(town.client())
    call = asyncio.create_task(refund_order(first))
    await cut.met.wait()
    await cut.die(first, call)
    assert 0 < len(refunds(town)) < 3
    await asyncio.sleep(LEASE)
    told = await refund_order(town.client(), timeout=PATIENCE)
    assert told.amount == 12
    assert left(town) == amounts("0.00", "0.00", "0.00")
