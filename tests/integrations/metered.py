"""A small storm against the emulator, for whatever measures it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools

from prometheus_client import CollectorRegistry

from tests.recorder import Recorder
from tests.settlement.conftest import Shop, pay, redeem, settings
from voucher_async import CheckoutFailed, ManualClock, OutcomeUnknown, VoucherClient, VoucherError
from voucher_async.events import Happened
from voucher_async.integrations.measures import Measures
from voucher_async.integrations.prometheus import PrometheusHook
from voucher_async.testing import VoucherEmulator, faults

__all__ = ["scraped", "storm"]

CHARGE, REFUND, LIST = "chargeReservation", "refundCharge", "listVouchers"


@functools.cache
def scraped() -> CollectorRegistry:
    """A registry that has counted one storm."""
    registry = CollectorRegistry()
    storm(PrometheusHook(registry))
    return registry


def storm(*measures: Measures) -> None:
    """Make calls of most kinds beside faults of most kinds, leave an outcome open, observe the journal."""
    with concurrent.futures.ThreadPoolExecutor(1) as thread:  # a test may run a loop here
        thread.submit(asyncio.run, _storm(*measures)).result()


async def _storm(*measures: Measures) -> None:
    clock, told = ManualClock(), Recorder()
    async with VoucherEmulator(clock=clock, token_lifetime=86_400, allow_double_charge=True) as emulator:
        hooks = [told, *measures]
        async with VoucherClient(settings=settings(emulator), clock=clock, hooks=hooks) as client:
            shop = Shop(client, emulator, clock, told)
            await _lists(shop)
            await _doubts(shop)
            await _turns(shop)
            await _checkouts(shop)
            await _left_open(shop)
            for each in measures:
                await each.observe(client)
            await client.aclose(wait=0)
        await _refused(VoucherClient(settings=settings(emulator, client_secret="wrong"), hooks=hooks))


async def _lists(shop: Shop) -> None:
    shop.script(LIST, faults.ServerError(), faults.BreakBefore())
    await shop.during(shop.client.vouchers.list().first_page())


async def _doubts(shop: Shop) -> None:
    shop.script(CHARGE, faults.BreakAfter())
    await redeem(shop, shop.voucher())  # lost, and found
    await shop.until(lambda: not shop.client.pending)
    shop.script(CHARGE, faults.CommitLate(1.0))
    await redeem(shop, shop.voucher())  # charged again, then found twice
    await shop.until(lambda: not shop.client.pending)
    shop.script(CHARGE, faults.SlowHeaders(1.0))
    begun, call = shop.count(CHARGE), asyncio.create_task(pay(shop.client, shop.voucher()))
    await shop.until(lambda: shop.count(CHARGE) > begun)
    call.cancel()  # it is carried out all the same
    await shop.until(lambda: call.done() and not shop.client.pending)
    shop.emulator.faults.chance(1.0, seed=1, operations=["rechargeVoucher"], kinds=[faults.BreakBefore()])
    recharge = shop.client.vouchers.recharge(
        id=shop.voucher().id, amount="1.00", currency="EUR", order_number="R-1"
    )
    with contextlib.suppress(VoucherError):  # never carried out
        await shop.during(recharge)
    shop.emulator.faults.clear()


async def _turns(shop: Shop) -> None:
    voucher = shop.voucher()
    for call in [asyncio.create_task(pay(shop.client, voucher, order_number=f"T-{n}")) for n in range(3)]:
        await shop.until(call.done)


async def _checkouts(shop: Shop) -> None:
    await _checkout(shop, "C-1")
    shop.emulator.faults.chance(1.0, seed=1, operations=[REFUND], kinds=[faults.TooMany(0)])
    await _checkout(shop, "C-2")


async def _checkout(shop: Shop, order_number: str) -> None:
    """Renew a reservation, charge the first of two vouchers and not the second: the first is refunded."""
    with contextlib.suppress(CheckoutFailed):
        async with shop.client.checkout(order_number=order_number, currency="EUR") as checkout:
            first, second = shop.voucher(), shop.voucher()
            renewed = shop.told.words.count(Happened.RENEWED)
            await checkout.reserve(code=first.code, amount="1.00", renew=True)
            shop.clock.advance(1600.0)
            await shop.until(lambda: shop.told.words.count(Happened.RENEWED) > renewed)
            await checkout.reserve(code=second.code, amount="1.00")
            shop.script(CHARGE, None, *[faults.TooMany(0)] * 9)
            await shop.during(checkout.charge())
    shop.emulator.faults.clear()


async def _left_open(shop: Shop) -> None:
    kinds = [faults.BadGateway()]
    shop.emulator.faults.chance(1.0, seed=1, operations=[CHARGE, "listCharges"], kinds=kinds)
    with contextlib.suppress(OutcomeUnknown):
        await redeem(shop, shop.voucher(), timeout=5.0)


async def _refused(client: VoucherClient) -> None:
    async with client:
        with contextlib.suppress(VoucherError):
            await client.vouchers.list().first_page()
