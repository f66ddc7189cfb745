"""The emulator and clients whose pauses take no time."""

from __future__ import annotations

import pytest
import pytest_asyncio

from tests.emulated import client, emulator, proxied, proxy, recorder
from voucher_async import Charge, ManualClock, VoucherClient
from voucher_async.testing import VoucherEmulator

__all__ = ["client", "emulator", "proxied", "proxy", "recorder"]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(skip_sleeps=True)


@pytest_asyncio.fixture
async def charge(client: VoucherClient, emulator: VoucherEmulator) -> Charge:
    """10.00 for the order A-1, of a voucher with 25.00."""
    voucher = emulator.add_voucher(amount="25.00")
    return await client.redeem(code=voucher.code, amount="10", currency="EUR", order_number="A-1")
