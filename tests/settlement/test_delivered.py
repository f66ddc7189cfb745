"""A charge whose caller is gone is given to who asks for the same payment next, once, and while it stands."""

from __future__ import annotations

import asyncio

import pytest

from tests.settlement.conftest import Shop, pay, settings
from tests.settlement.locks import SlowToLeave
from voucher_async import Charge, OutcomeUnknown, VoucherClient
from voucher_async.testing import VoucherRecord, faults

CHARGE = "chargeReservation"


async def abandoned(shop: Shop, client: VoucherClient, voucher: VoucherRecord) -> Charge:
    """A charge whose caller left while it was made."""
    shop.script(CHARGE, faults.SlowHeaders(1.0))
    caller = asyncio.create_task(pay(client, voucher))
    await shop.until(lambda: shop.count(CHARGE))
    caller.cancel()
    await shop.until(lambda: shop.told.words)
    charge = shop.told.settled[-1].charge
    assert charge is not None
    return charge


async def test_a_charge_that_was_refunded_is_not_given_to_who_asks_for_the_same_again(shop: Shop) -> None:
    voucher = shop.voucher()
    charge = await abandoned(shop, shop.client, voucher)
    await shop.client.charges.refund(charge, currency="EUR")
    again = await pay(shop.client, voucher)
    assert [charge.id, again.id] == shop.charged()
    assert shop.emulator.balance(voucher.id) == voucher.amount - again.amount


async def test_what_settle_says_although_it_was_known_before_is_not_given_again(shop: Shop) -> None:
    voucher = shop.voucher()
    shop.emulator.faults.list_lag = 4.0
    shop.script(CHARGE, faults.BreakAfter())
    with pytest.raises(OutcomeUnknown) as caught:
        await shop.during(pay(shop.client, voucher, timeout=3.0))
    await shop.until(lambda: shop.told.words == ["done"])
    settlement = await shop.client.settle(caught.value.pending)
    again = await pay(shop.client, voucher)
    assert settlement.charge is not None
    assert [settlement.charge.id, again.id] == shop.charged()


async def test_a_caller_that_leaves_as_it_is_given_an_earlier_charge_leaves_it_to_the_next(
    shop: Shop,
) -> None:
    voucher, lock = shop.voucher(), SlowToLeave(0.0)
    client = VoucherClient(
        settings=settings(shop.emulator), clock=shop.clock, hooks=[shop.told], voucher_lock=lock
    )
    charge = await abandoned(shop, client, voucher)
    lock.pause, lock.leaving = 0.2, 0
    caller = asyncio.create_task(pay(client, voucher))
    while not lock.leaving:
        await asyncio.sleep(0)
    caller.cancel()
    await asyncio.wait({caller})
    lock.pause = 0.0
    assert await pay(client, voucher) == charge
    assert shop.charged() == [charge.id]
    other = await pay(client, voucher)  # the charge was delivered, so this is another payment
    assert shop.charged() == [charge.id, other.id]
    await client.aclose()
