"""Many payments at once, through one journal."""

from __future__ import annotations

import asyncio
import contextlib

from voucher_async import CallTimeout, Settings, VoucherClient
from voucher_async.payments.journal import Journal
from voucher_async.testing import VoucherEmulator

__all__ = ["pay_at_once"]

_TIMES = 5


async def pay_at_once(journal: Journal, count: int) -> None:
    """Make so many payments at once, each with a voucher and a key of its own; each is charged once.

    A machine that stands still for seconds lets records grow too old to send by, so it is asked again then.
    """
    async with VoucherEmulator() as emulator:
        vouchers = [emulator.add_voucher(amount="5.00") for _ in range(count)]
        async with VoucherClient(settings=Settings.make(**emulator.settings()), journal=journal) as client:

            async def pay(number: int, code: str) -> None:
                for _ in range(_TIMES):
                    with contextlib.suppress(CallTimeout):
                        await client.redeem(
                            code=code,
                            amount="1.00",
                            currency="EUR",
                            order_number="A-1",
                            idempotency_key=f"k-{number}",
                            timeout=60,
                        )
                        return

            await asyncio.gather(*(pay(number, each.code) for number, each in enumerate(vouchers)))
        assert len(emulator.charges()) == count
