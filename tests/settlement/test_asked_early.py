"""Settling what is still under way, or was settled by others meanwhile: one answer, and it stays."""

from __future__ import annotations

import asyncio

import pytest

from tests.settlement.conftest import Shop, pay
from voucher_async import OutcomeUnknown, SettlementState
from voucher_async.testing import faults

CHARGE = "chargeReservation"
LIST = "listCharges"


async def test_a_call_that_is_under_way_is_waited_for(shop: Shop) -> None:
    voucher = shop.voucher()
    shop.script(CHARGE, faults.TooMany(12))  # longer than the settle window
    paying = asyncio.create_task(pay(shop.client, voucher))
    await shop.until(lambda: shop.told.intents)
    settlement = await shop.during(shop.client.settle(shop.told.intents[0]))
    assert settlement.charge == await paying
    assert settlement.state is SettlementState.DONE


async def test_a_call_that_is_under_way_for_longer_than_one_can_wait_is_open(shop: Shop) -> None:
    voucher = shop.voucher()
    shop.script(CHARGE, faults.TooMany(12))
    paying = asyncio.create_task(pay(shop.client, voucher))
    await shop.until(lambda: shop.told.intents)
    with pytest.raises(OutcomeUnknown, match="under way"):
        await shop.client.settle(shop.told.intents[0], timeout=0.05)
    assert shop.count(LIST) <= 1  # the look of the call itself, after the refusal
    await shop.until(paying.done)
    assert [paying.result().id] == shop.charged()


async def test_a_caller_that_leaves_after_the_outcome_was_settled_changes_nothing(shop: Shop) -> None:
    first, second = shop.voucher(), shop.voucher()
    shop.emulator.faults.list_lag = 4.0
    shop.script(CHARGE, None, faults.BreakAfter())
    shop.script("refundCharge", faults.SlowHeaders(12.0))

    async def check_out() -> None:
        async with shop.client.checkout(order_number="A-1", currency="EUR") as checkout:
            for voucher in (first, second):
                await checkout.reserve(code=voucher.code, amount="4")
            await checkout.charge(timeout=3.0)

    paying = asyncio.create_task(check_out())
    await shop.until(lambda: shop.told.words == ["done"])
    paying.cancel()
    await asyncio.wait({paying})
    assert shop.client.pending == ()
    await shop.until(lambda: not shop.client._supervisor._calls)
    assert shop.client.pending == ()
    (pending,) = {each.id: each for each in shop.told.intents if each.voucher_id == second.id}.values()
    assert (await shop.client.settle(pending)).state is SettlementState.DONE


@pytest.mark.parametrize("allow_double_charge", [True])
async def test_a_surplus_that_was_refunded_is_remembered_when_the_caller_leaves_later(shop: Shop) -> None:
    first, second = shop.voucher(), shop.voucher()
    shop.emulator.faults.list_lag = 2.0
    shop.script(CHARGE, faults.BreakAfter(), None, faults.SlowHeaders(14.0))

    async def check_out() -> None:
        async with shop.client.checkout(order_number="A-1", currency="EUR") as checkout:
            for voucher in (first, second):
                await checkout.reserve(code=voucher.code, amount="4")
            await checkout.charge()

    paying = asyncio.create_task(check_out())
    await shop.until(lambda: "surplus refunded" in shop.told.words)
    pending = shop.told.intents[0]
    before = await shop.during(shop.client.settle(pending))
    assert len(before.surplus) == len(before.refunds) == 1
    paying.cancel()
    await asyncio.wait({paying})
    await shop.until(lambda: not shop.client._supervisor._calls)
    assert await shop.client.settle(pending) == before


async def test_a_charge_of_somebody_elses_reservation_is_not_in_doubt_once_it_is_settled(shop: Shop) -> None:
    voucher = shop.voucher()
    async with shop.another() as other:
        reservation = await other.reservations.create(code=voucher.code, amount="4", currency="EUR")
    shop.emulator.faults.list_lag = 4.0
    shop.script(CHARGE, faults.BreakAfter())
    with pytest.raises(OutcomeUnknown):
        await shop.during(shop.client.reservations.charge(reservation, order_number="A-1", timeout=3.0))
    await shop.until(lambda: not shop.client.pending)
    assert shop.client.reservations.tracker._in_doubt == {}


async def test_what_nothing_can_settle_can_be_forgotten(shop: Shop) -> None:
    voucher = shop.voucher()
    shop.script("rechargeVoucher", faults.BreakAfter())
    with pytest.raises(OutcomeUnknown) as caught:
        await shop.client.vouchers.recharge(code=voucher.code, amount="1", currency="EUR", order_number="R-1")
    assert [pending.id for pending in shop.client.pending] == [caught.value.pending.id]
    shop.client.forget(caught.value.pending)
    shop.client.forget(caught.value.pending)
    assert await shop.client.aclose() == ()


async def test_what_is_forgotten_is_not_looked_for_any_more(shop: Shop) -> None:
    voucher = shop.voucher()
    shop.script(CHARGE, faults.CommitLate(5.0))
    shop.script(LIST, *[faults.ServerError()] * 99)
    with pytest.raises(OutcomeUnknown) as caught:
        await shop.during(pay(shop.client, voucher, timeout=3.0))
    shop.client.forget(caught.value.pending)
    await shop.passes(1.0)
    looked = shop.count(LIST)
    await shop.passes(10.0)
    assert (shop.count(LIST), shop.told.words) == (looked, [])
