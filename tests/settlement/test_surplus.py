"""What was charged once too often, because a request that seemed lost was repeated, is refunded."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from tests.proxy import Asked, Proxy, Reply, said
from tests.settlement.conftest import Shop, pay, redeem
from voucher_async import CheckoutFailed, PendingOutcome, Timeout
from voucher_async.testing import faults, habits

CHARGE = "chargeReservation"
LIST = "listCharges"


@pytest.mark.parametrize("allow_double_charge", [True])
@pytest.mark.parametrize("late", [1.0, 8.0])
async def test_a_surplus_is_refunded_and_told(shop: Shop, late: float) -> None:
    shop.script(CHARGE, faults.CommitLate(late))
    voucher = shop.voucher()
    charge = await redeem(shop, voucher)
    (open_still,) = shop.client.pending
    assert open_still.sends == 2
    settlement = await shop.during(shop.client.settle(open_still))
    assert settlement.charge == charge
    (surplus,) = settlement.surplus
    assert {charge.id, surplus.id} == set(shop.charged())
    assert [refund.id for refund in settlement.refunds] == shop.refunded()
    assert shop.emulator.balance(voucher.id) == Decimal("21.00")
    assert shop.told.words == ["surplus refunded"]
    assert shop.told.settled[0].charge == surplus
    assert shop.client.pending == ()


@pytest.mark.parametrize("allow_double_charge", [True])
async def test_requests_that_were_lost_and_all_carried_out_leave_one_charge(shop: Shop) -> None:
    shop.emulator.faults.list_lag = 2.0
    shop.script(CHARGE, faults.BreakAfter(), faults.BreakAfter())
    voucher = shop.voucher()
    charge = await redeem(shop, voucher)
    await shop.until(lambda: not shop.client.pending)
    assert charge.id in shop.charged()
    assert len(shop.charged()) == shop.count(CHARGE) == 3  # the list lags, and the third charge was answered
    assert shop.emulator.balance(voucher.id) == Decimal("21.00")
    assert shop.told.words == ["surplus refunded"] * 2


@pytest.mark.parametrize("allow_double_charge", [True])
async def test_what_the_caller_was_told_stays_and_an_older_one_is_the_surplus(shop: Shop) -> None:
    shop.emulator.faults.list_lag = 4.0
    shop.script(CHARGE, faults.BreakAfter())
    shop.script(LIST, faults.SlowHeaders(2.0))  # makes the second charge seconds younger
    voucher = shop.voucher()
    reservation = await shop.client.reservations.create(code=voucher.code, amount="4", currency="EUR")
    charge = await shop.during(shop.client.reservations.charge(reservation, order_number="A-1"))
    (pending,) = shop.client.pending
    assert pending.currency == "EUR"  # from the reservation
    settlement = await shop.during(shop.client.settle(pending))
    assert settlement.charge == charge
    assert [charge.id for charge in (*settlement.surplus, charge)] == shop.charged()
    assert shop.emulator.balance(voucher.id) == Decimal("21.00")


@pytest.mark.parametrize("allow_double_charge", [True])
async def test_a_look_that_began_before_the_window_was_over_does_not_end_the_watch(shop: Shop) -> None:
    # the first request is carried out during a look that ends after the window
    shop.script(CHARGE, faults.CommitLate(9.5))
    voucher = shop.voucher()
    await redeem(shop, voucher)
    await shop.until(lambda: shop.clock.monotonic() >= 8.0)
    shop.emulator.faults.chance(1.0, seed=1, operations=[LIST], kinds=[faults.SlowHeaders(6.0)])
    await shop.until(lambda: shop.clock.monotonic() >= 12.0)
    shop.emulator.faults.clear()
    await shop.until(lambda: not shop.client.pending)
    assert len(shop.charged()) == 2
    assert shop.emulator.balance(voucher.id) == Decimal("21.00")


@pytest.mark.parametrize("allow_double_charge", [True])
async def test_a_surplus_that_cannot_be_refunded_is_told(shop: Shop) -> None:
    shop.script(CHARGE, faults.CommitLate(1.0))
    shop.emulator.faults.chance(1.0, seed=1, operations=["refundCharge"], kinds=[faults.TooMany(0)])
    client = shop.another(hooks=[shop.told], settle_for=600.0)
    charge = await shop.during(pay(client, shop.voucher()))
    (pending,) = client.pending
    settlement = await shop.during(client.settle(pending, timeout=600.0))
    assert settlement.charge == charge
    assert (len(settlement.surplus), settlement.refunds) == (1, ())
    assert shop.told.words == ["surplus left"]
    await client.aclose(wait=0)


@pytest.mark.parametrize("allow_double_charge", [True])
async def test_a_surplus_whose_refund_is_in_doubt_is_an_open_outcome_of_its_own(shop: Shop) -> None:
    shop.script(CHARGE, faults.CommitLate(1.0))
    shop.script("refundCharge", faults.CommitLate(5.0))
    voucher = shop.voucher()
    await redeem(shop, voucher)
    await shop.until(lambda: not shop.client.pending)
    assert shop.emulator.balance(voucher.id) == Decimal("21.00")
    assert shop.told.words[-1] in {"surplus refunded", "done"}


@pytest.mark.parametrize("allow_double_charge", [True])
@pytest.mark.parametrize("fault", [faults.BreakBefore(), faults.CommitLate(5.0)])
async def test_a_surplus_whose_refund_got_lost_is_refunded_again(shop: Shop, fault: faults.Fault) -> None:
    client = shop.another(hooks=[shop.told], timeout=Timeout(total=2.0))
    voucher = shop.voucher()
    shop.script(CHARGE, faults.CommitLate(1.0))
    shop.script("refundCharge", fault)
    await shop.during(client.redeem(code=voucher.code, amount="4", currency="EUR", order_number="A-1"))
    await shop.until(lambda: not client.pending)
    assert shop.emulator.balance(voucher.id) == Decimal("21.00")
    assert len(shop.refunded()) == 1
    assert "surplus refunded" in shop.told.words
    assert "surplus left" not in shop.told.words
    await client.aclose(wait=0)


@pytest.mark.parametrize("allow_double_charge", [True])
@pytest.mark.parametrize("fault", [faults.BreakBefore(), faults.BreakAfter(), faults.CommitLate(5.0)])
async def test_a_checkout_and_its_surplus_are_refunded_one_after_the_other(
    shop: Shop, fault: faults.Fault
) -> None:
    client = shop.another(hooks=[shop.told], timeout=Timeout(total=2.0))
    good, broken = shop.voucher(), shop.voucher()

    async def check_out() -> None:
        async with client.checkout(order_number="A-1", currency="EUR") as checkout:
            await checkout.reserve(code=good.code, amount="4")
            await checkout.reserve(code=broken.code, amount="4")
            await client.vouchers.deactivate(broken.id)
            shop.script(CHARGE, faults.CommitLate(1.0))
            shop.script("refundCharge", fault, faults.BreakAfter())
            await checkout.charge()

    with pytest.raises(CheckoutFailed):
        await shop.during(check_out())
    await shop.until(lambda: not client.pending)
    assert len(shop.charged()) == 2
    left = len(shop.charged()) - len(shop.refunded())
    assert 0 <= left <= len(unrefunded(shop))  # a refund reported as not made may have been made later
    assert shop.emulator.balance(good.id) == Decimal("25.00") - 4 * left
    assert [event.charge for event in shop.told.settled if event.what == "surplus refunded"]
    await client.aclose(wait=0)


def unrefunded(shop: Shop) -> list[PendingOutcome]:
    """The refunds of which a hook was told that they were not made."""
    return [event.pending for event in shop.told.settled if event.what == "not done" and event.pending]


@pytest.mark.parametrize("allow_double_charge", [True])
@pytest.mark.parametrize(
    ("scopes", "word"),
    [(["use", "read-lists", "read"], "surplus refunded"), (["use", "read-lists"], "surplus left")],
)
async def test_the_currency_of_a_charge_that_is_not_known_is_read_to_refund_its_surplus(
    shop: Shop, scopes: list[str], word: str
) -> None:
    record = shop.emulator.add_client(scopes=scopes)
    credentials: dict[str, Any] = {"client_id": record.id, "client_secret": record.secret}
    client = shop.another(hooks=[shop.told], order_number_format="{order}~{ref}", **credentials)
    till = shop.another(**credentials)
    voucher = shop.voucher()
    reservation = await till.reservations.create(code=voucher.code, amount="4", currency="EUR")
    shop.emulator.habits.deliver_twice = habits.DeliverTwice(operations=[CHARGE])
    shop.script(CHARGE, faults.BreakAfter())
    await shop.during(client.reservations.charge(reservation, order_number="A-1"))
    await shop.until(lambda: not client.pending)
    assert shop.told.words == [word]
    await till.aclose(wait=0)
    await client.aclose(wait=0)


@pytest.mark.parametrize("allow_double_charge", [True])
@pytest.mark.parametrize("status", [403, 422])
async def test_the_refund_of_a_surplus_that_was_refused_and_carried_out_late_is_found(
    meshed: Shop, mesh: Proxy, status: int
) -> None:
    copies: list[asyncio.Task[Reply]] = []

    async def refuse(asked: Asked) -> Reply:
        async def deliver() -> Reply:
            await meshed.clock.sleep(1.2)
            return await asked.deliver()

        copies.append(asyncio.create_task(deliver()))
        return said(status)

    mesh.once("refundCharge", refuse)
    meshed.script(CHARGE, faults.CommitLate(1.0))
    voucher = meshed.voucher()
    await redeem(meshed, voucher)
    await meshed.until(lambda: not meshed.client.pending)
    assert [(await copy).status for copy in copies] == [200]
    assert (mesh.count("refundCharge"), len(meshed.refunded())) == (1, 1)
    assert meshed.told.words == ["surplus refunded"]
