"""A payment traced by the API of OpenTelemetry alone: without an SDK its spans are not recorded."""

from __future__ import annotations

import asyncio

from voucher_async import VoucherClient
from voucher_async.integrations.opentelemetry import OpenTelemetryHook
from voucher_async.testing import VoucherEmulator


async def main() -> None:
    hook = OpenTelemetryHook()
    async with VoucherEmulator() as emulator, VoucherClient(**emulator.settings(), hooks=[hook]) as client:
        code = emulator.add_voucher(amount="25.00").code
        await client.redeem(code=code, amount="10.00", currency="EUR", order_number="A-1")
        assert len(emulator.charges("A-1")) == 1


asyncio.run(main())
