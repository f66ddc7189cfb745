"""Two processes that pay alike at once, on a server that rewrites order numbers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.settlement.conftest import Shop, settings
from voucher_async import Charge, MemoryJournal, VoucherClient
from voucher_async.checkout import LocalVoucherLock
from voucher_async.testing import faults, habits

CHARGE, LIST = "chargeReservation", "listCharges"
REWRITTEN = {
    "as sent": (habits.OrderNumbers(), "order-a-1"),
    "folded": (habits.OrderNumbers(fold="upper"), "order-a-1"),
    "cut": (habits.OrderNumbers(cut=8), "order-a-2"),
}


@pytest.mark.parametrize(("rewritten", "order"), REWRITTEN.values(), ids=REWRITTEN)
async def test_one_entry_is_not_the_charge_of_two_processes(
    shop: Shop, rewritten: habits.OrderNumbers, order: str
) -> None:
    """The repeat of the first is refused, for the second has reserved; it sees the entry of the second."""
    shop.emulator.habits.order_numbers = rewritten
    journal, voucher = MemoryJournal(shop.clock), shop.voucher()
    payment: dict[str, Any] = {"code": voucher.code, "amount": "4", "currency": "EUR"}
    shop.script(CHARGE, faults.BreakBefore(), faults.SlowHeaders(25.0))
    shop.script(LIST, faults.SlowHeaders(3.0))
    clients = [
        VoucherClient(
            settings=settings(shop.emulator),
            clock=shop.clock,
            journal=journal,
            voucher_lock=LocalVoucherLock(),
        )
        for _ in range(2)
    ]
    one = asyncio.create_task(clients[0].redeem(**payment, order_number="order-a-1", idempotency_key="k-1"))
    await shop.until(lambda: shop.count(LIST) >= 1)
    two = asyncio.create_task(clients[1].redeem(**payment, order_number=order, idempotency_key="k-2"))
    await shop.until(lambda: one.done() and two.done())
    told = await asyncio.gather(one, two, return_exceptions=True)
    charges = [each.id for each in told if isinstance(each, Charge)]
    assert len(charges) == len(set(charges)), told
    assert set(charges) <= {each.id for each in shop.emulator.charges()}
    for client in clients:
        await client.aclose(wait=0)
