"""A shop's test that freezes time: `python shop.py MOMENT KIND`; prints what it paid."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import sys
from collections.abc import Callable
from typing import Any

import time_machine
from freezegun import freeze_time

REAL = {dt.datetime}  # in a set, where the freezing library puts no fake in its place
DAY = "2026-06-01"
KINDS: dict[str, Callable[[], Any]] = {
    "freezegun": lambda: freeze_time(DAY),
    "freezegun, real asyncio": lambda: freeze_time(DAY, real_asyncio=True),
    "freezegun, ticking": lambda: freeze_time(DAY, tick=True),
    "freezegun, leaping": lambda: freeze_time(DAY, auto_tick_seconds=15),
    "freezegun, years ago": lambda: freeze_time("1999-12-31", real_asyncio=True),
    "time-machine": lambda: time_machine.travel(DAY, tick=False),
    "time-machine, ticking": lambda: time_machine.travel("2035-01-01"),
}


class Shop:
    def __init__(self, freeze: Callable[[], Any], stack: contextlib.AsyncExitStack) -> None:
        self.freeze, self.stack, self.orders = freeze, stack, 0

    async def open(self) -> None:
        from voucher_async.testing import VoucherEmulator

        self.emulator = await self.stack.enter_async_context(VoucherEmulator())
        self.voucher = self.emulator.add_voucher(amount="50.00")

    async def enter(self) -> None:
        from voucher_async import VoucherClient

        self.client = await self.stack.enter_async_context(VoucherClient(**self.emulator.settings()))

    async def begin(self) -> None:
        await self.open()
        await self.enter()

    async def pay(self, *, slow: bool = False) -> None:
        from voucher_async.testing import faults

        if slow:
            self.emulator.faults.script("chargeReservation", faults.SlowHeaders(seconds=0.3))
        self.orders += 1
        # freezing searches every module, for a second on a busy machine; the limit is for a call that hangs
        charge = await self.client.redeem(
            code=self.voucher.code, amount="1.00", currency="EUR", order_number=f"A-{self.orders}", timeout=30
        )
        listed = [each async for each in self.client.vouchers.list_charges(self.voucher.id)]
        assert charge in listed
        assert {type(each.created_at) for each in listed} == REAL


async def import_(shop: Shop) -> None:
    with shop.freeze():
        await shop.begin()
        await shop.pay()


async def client(shop: Shop) -> None:
    import voucher_async

    await shop.open()
    with shop.freeze():
        assert voucher_async.__version__
        await shop.enter()
    await shop.pay()
    with shop.freeze():
        await shop.pay()


async def call(shop: Shop) -> None:
    await shop.begin()
    await shop.client.reservations.create(code=shop.voucher.code, amount="1.00", currency="EUR")
    with shop.freeze():
        await shop.pay()
        await shop.pay()


async def frozen_under_way(shop: Shop) -> None:
    await shop.begin()
    first, second = asyncio.create_task(shop.pay(slow=True)), asyncio.create_task(shop.pay())
    while shop.emulator.requests.count("chargeReservation") == 0:
        await asyncio.sleep(0.01)  # one is answered slowly, the other waits for its turn
    with shop.freeze():
        await asyncio.gather(first, second)


async def thawed_under_way(shop: Shop) -> None:
    await shop.begin()
    with shop.freeze():
        first, second = asyncio.create_task(shop.pay(slow=True)), asyncio.create_task(shop.pay())
        for _ in range(20):
            await asyncio.sleep(0)
    await asyncio.gather(first, second)


async def silent(shop: Shop) -> None:
    """A server that says nothing is given up in time, and what was lost is found."""
    await shop.begin()
    from voucher_async import CallTimeout
    from voucher_async.testing import faults

    with shop.freeze():
        await shop.pay()
        shop.emulator.faults.script("getVoucher", faults.SlowHeaders(seconds=30))
        try:
            await shop.client.vouchers.get(shop.voucher.id, timeout=0.5)
        except CallTimeout:
            sys.stdout.write("in time\n")
        shop.emulator.faults.script("chargeReservation", faults.BreakAfter())
        await shop.pay()


MOMENTS = {
    "import": import_,
    "client": client,
    "call": call,
    "frozen under way": frozen_under_way,
    "thawed under way": thawed_under_way,
    "silent": silent,
}


async def main(moment: str, kind: str) -> None:
    async with contextlib.AsyncExitStack() as stack:
        shop = Shop(KINDS[kind], stack)
        await MOMENTS[moment](shop)
        await shop.pay()
        paid = 50 - shop.emulator.balance(shop.voucher.id)
        sys.stdout.write(f"paid {paid} open {len(shop.client.pending)}\n")


def frozen_from_start_to_end(kind: str) -> None:
    with KINDS[kind]():
        asyncio.run(main("call", kind))


if __name__ == "__main__":
    if sys.argv[1] == "all":
        frozen_from_start_to_end(sys.argv[2])
    else:
        asyncio.run(main(*sys.argv[1:]))
