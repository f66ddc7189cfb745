"""Asking a checkout for more when it was charged, failed or was cut short."""

from __future__ import annotations

import asyncio

import pytest

from tests.checkout.conftest import holding
from tests.proxy import Proxy
from voucher_async import CheckoutFailed, CheckoutUnknown, Fate, HeldState, OutcomeUnknown, VoucherClient
from voucher_async.testing import VoucherEmulator, faults


async def test_a_checkout_that_was_charged_gives_its_charges_when_its_block_is_over_too(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    voucher = emulator.add_voucher(amount="5.00")
    async with holding(client, voucher, amount="2.00") as checkout:
        charges = await checkout.charge()
    assert await checkout.charge() == charges
    assert emulator.requests.count("chargeReservation") == 1


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_checkout_that_left_money_charged_fails_the_same_way_again(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator, *, at_once: bool
) -> None:
    first, second = (emulator.add_voucher(amount="5.00") for _ in range(2))
    proxy.refuse("POST", "/refund", 403)
    async with holding(proxied, first, second, amount="4.00") as checkout:
        emulator.set_status(second.id, "inactive")
        other = asyncio.create_task(checkout.charge()) if at_once else None
        with pytest.raises(CheckoutFailed) as failed:
            await checkout.charge()
        with pytest.raises(CheckoutFailed) as charged:
            await (other or checkout.charge())
        with pytest.raises(CheckoutFailed) as reserved:
            await checkout.reserve(code=first.code, amount="1.00")
    assert charged.value is reserved.value is failed.value
    assert [outcome.state for outcome in failed.value.outcomes] == [HeldState.CHARGED, HeldState.NOT_CHARGED]
    assert emulator.requests.count("createReservation") == 2
    assert len(emulator.charges(type="charge")) == 1


async def test_a_checkout_that_is_cut_short_while_it_charges_holds_nothing_new(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    voucher = emulator.add_voucher(amount="5.00")
    emulator.faults.script("chargeReservation", faults.BreakAfter())
    emulator.faults.script("listCharges", faults.ServerError())
    async with holding(client, voucher, amount="2.00") as checkout:
        charging = asyncio.create_task(checkout.charge())
        async with asyncio.timeout(5):
            while not emulator.requests.count("listCharges"):
                await asyncio.sleep(0)
        (call,) = client._supervisor._calls
        call.cancel()  # as asyncio cancels all tasks when a loop ends
        with pytest.raises(OutcomeUnknown, match="closed") as charged:
            await charging
        with pytest.raises(OutcomeUnknown, match="cut short") as caught:
            await checkout.reserve(code=voucher.code, amount="2.00")
    assert not isinstance(caught.value, CheckoutUnknown)
    assert charged.value.fate is caught.value.fate is Fate.UNKNOWN
    assert caught.value.pending.reservation_id == charged.value.pending.reservation_id
