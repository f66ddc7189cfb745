"""A call that lists show with another amount is not absent; another movement of the order does no harm."""

from __future__ import annotations

import pytest

from tests.settlement.conftest import Shop, redeem
from voucher_async import OutcomeUnknown, Proof, SettlementState
from voucher_async.testing import faults
from voucher_async.testing.habits import KINDS

CHARGE = "chargeReservation"


async def _lose(shop: Shop, fault: faults.Fault, amount: str = "4.00") -> OutcomeUnknown:
    """A call whose caller has no time to look."""
    shop.script(CHARGE, fault)
    with pytest.raises(OutcomeUnknown) as caught:
        await redeem(shop, shop.emulator.vouchers()[0], amount, timeout=0.2)
    return caught.value


async def test_a_charge_that_lists_show_with_another_amount_stays_open(shop: Shop) -> None:
    shop.voucher()
    shop.emulator.habits.set(**KINDS["another amount, in lists too"])
    error = await _lose(shop, faults.BreakAfter())
    await shop.until(lambda: "left open" in shop.told.words)
    with pytest.raises(OutcomeUnknown, match="balance does not fit"):
        await shop.during(shop.client.settle(error.pending))
    assert len(shop.charged()) == 1


async def test_it_stays_open_behind_a_newer_reservation(shop: Shop) -> None:
    voucher = shop.voucher()
    shop.emulator.habits.set(**KINDS["another amount, in lists too"])
    error = await _lose(shop, faults.BreakAfter())
    await shop.during(shop.client.reservations.create(code=voucher.code, amount="1", currency="EUR"))
    await shop.passes(12.0)
    assert shop.client.pending == (error.pending,)
    assert shop.told.words == []


async def test_another_payment_of_the_order_does_not_keep_a_lost_one_open(shop: Shop) -> None:
    voucher = shop.voucher()
    async with shop.another() as another:
        reservation = await another.reservations.create(code=voucher.code, amount="5", currency="EUR")
        await shop.during(another.reservations.charge(reservation, order_number="A-1"))
    error = await _lose(shop, faults.BreakBefore())
    settlement = await shop.during(shop.client.settle(error.pending))
    assert settlement.state is SettlementState.NOT_DONE
    assert settlement.proof in {Proof.ABSENT, Proof.FENCED}
    assert len(shop.charged()) == 1


async def test_another_partial_refund_keeps_no_lost_one_open_for_a_client_that_has_seen_nothing(
    shop: Shop,
) -> None:
    charge = await redeem(shop, shop.voucher(), "4.00")
    shop.script("refundCharge", faults.BreakBefore())
    with pytest.raises(OutcomeUnknown) as caught:
        await shop.during(shop.client.charges.refund(charge, "1.00", currency="EUR", timeout=0.2))
    async with shop.another() as another:
        await shop.during(another.charges.refund(charge, "2.00", currency="EUR"))
    async with shop.another() as stranger:
        settlement = await shop.during(stranger.settle(caught.value.pending))
    assert settlement.state is SettlementState.NOT_DONE


async def test_two_wrong_amounts_that_cancel_out_clear_nothing(shop: Shop) -> None:
    voucher = shop.voucher()
    shop.emulator.habits.set(**KINDS["another amount, in lists too"])
    with pytest.raises(OutcomeUnknown):
        await shop.during(
            shop.client.vouchers.recharge(
                id=voucher.id, amount="4.00", currency="EUR", order_number="B-1", timeout=5
            )
        )
    error = await _lose(shop, faults.BreakAfter())
    await shop.passes(120.0)
    with pytest.raises(OutcomeUnknown):
        await shop.during(shop.client.settle(error.pending))
    assert SettlementState.NOT_DONE.value not in shop.told.words


async def test_a_refund_of_a_charge_that_is_shown_smaller_is_not_cleared_by_the_balance(
    shop: Shop,
) -> None:
    charge = await redeem(shop, shop.voucher(), "4.00")
    shop.emulator.habits.set(**KINDS["another amount, in lists too"])
    shop.script("refundCharge", faults.BreakAfter())
    with pytest.raises(OutcomeUnknown) as caught:
        await shop.during(shop.client.charges.refund(charge, currency="EUR", timeout=0.2))
    async with shop.another() as stranger:
        with pytest.raises(OutcomeUnknown):
            await shop.during(stranger.settle(caught.value.pending))
