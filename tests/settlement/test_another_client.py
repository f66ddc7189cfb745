"""Charges that carry another `client_id` than their reservation, once that was seen, are not absent."""

from __future__ import annotations

import contextlib

import pytest

from tests.settlement.conftest import Shop, pay, redeem
from voucher_async import OutcomeUnknown, SettlementState
from voucher_async.testing import faults
from voucher_async.testing.habits import KINDS

CHARGE = "chargeReservation"


@pytest.mark.parametrize("habit", ["charges of another", "charges of nobody"])
async def test_a_lost_charge_is_found_behind_the_client_id_that_others_came_back_with(
    shop: Shop, habit: str
) -> None:
    voucher = shop.voucher()
    await redeem(shop, voucher, "1.00")
    shop.emulator.habits.set(**KINDS[habit])
    await redeem(shop, voucher, "2.00")
    shop.script(CHARGE, faults.BreakAfter())
    charge = await redeem(shop, voucher)
    assert charge.id == shop.charged()[-1]
    assert len(shop.charged()) == 3


async def test_a_lost_charge_is_not_denied_when_a_client_id_has_changed_since(shop: Shop) -> None:
    voucher = shop.voucher()
    await redeem(shop, voucher, "1.00")
    shop.emulator.habits.set(**KINDS["charges of another"])
    shop.script(CHARGE, faults.BreakAfter())
    with pytest.raises(OutcomeUnknown):
        await redeem(shop, voucher, timeout=0.2)
    await redeem(shop, voucher, "2.00")
    await shop.passes(70.0)
    assert shop.told.words == ["done"]  # the next normal answer has shown that id, too
    assert shop.client.pending == ()


@pytest.mark.parametrize("habit", ["charges of another", "charges of nobody"])
async def test_a_lost_recharge_that_carries_our_client_id_again_is_not_sent_twice(
    shop: Shop, habit: str
) -> None:
    voucher = shop.voucher()

    async def recharge(amount: str) -> object:
        return await shop.client.vouchers.recharge(
            id=voucher.id, amount=amount, currency="EUR", order_number="R-1"
        )

    shop.emulator.habits.set(**KINDS[habit])
    await shop.during(recharge("1.00"))
    shop.emulator.habits.clear()
    shop.script("rechargeVoucher", faults.BreakAfter())
    with contextlib.suppress(OutcomeUnknown):
        await shop.during(recharge("2.00"))
    await shop.passes(70.0)
    assert shop.count("rechargeVoucher") == 2
    assert "not done" not in shop.told.words


@pytest.mark.parametrize("is_echoed", [True, False])
async def test_a_client_that_has_seen_nothing_knows_from_the_outcome_that_order_numbers_come_back(
    shop: Shop, *, is_echoed: bool
) -> None:
    voucher = shop.voucher()
    if is_echoed:
        await redeem(shop, voucher, "1.00")
    shop.script(CHARGE, faults.BreakBefore())
    with pytest.raises(OutcomeUnknown) as caught:
        await redeem(shop, voucher, timeout=0.2)
    async with shop.another() as another:
        await shop.during(pay(another, voucher, order_number="B-1"))
    async with shop.another() as stranger:
        if not is_echoed:
            with pytest.raises(OutcomeUnknown, match="may belong to another call"):
                await shop.during(stranger.settle(caught.value.pending))
            return
        settlement = await shop.during(stranger.settle(caught.value.pending))
    assert settlement.state is SettlementState.NOT_DONE


async def test_a_lost_recharge_that_carries_another_client_id_for_the_first_time_is_not_sent_twice(
    shop: Shop,
) -> None:
    voucher = shop.voucher()

    async def recharge(amount: str) -> object:
        return await shop.client.vouchers.recharge(
            id=voucher.id, amount=amount, currency="EUR", order_number="R-1"
        )

    await shop.during(recharge("1.00"))
    shop.emulator.habits.set(**KINDS["charges of another"])
    shop.script("rechargeVoucher", faults.BreakAfter())
    with contextlib.suppress(OutcomeUnknown):
        await shop.during(recharge("2.00"))
    await shop.passes(120.0)
    assert "not done" not in shop.told.words
    assert len([each for each in shop.emulator.charges("R-1") if each.type == "recharge"]) == 2


async def test_a_lost_charge_that_carries_another_client_id_for_the_first_time_is_not_denied(
    shop: Shop,
) -> None:
    voucher = shop.voucher()
    await redeem(shop, voucher, "1.00")
    shop.emulator.habits.set(**KINDS["charges of another"])
    shop.script(CHARGE, faults.BreakAfter())
    with pytest.raises(OutcomeUnknown):
        await redeem(shop, voucher, "2.00")
    await shop.passes(120.0)
    assert "not done" not in shop.told.words
    assert len(shop.charged()) == 2
