"""A payment with a key, asked for twice, by the core alone."""

from __future__ import annotations

import asyncio

from voucher_async import VoucherClient
from voucher_async.testing import VoucherEmulator


async def main() -> None:
    async with VoucherEmulator() as emulator, VoucherClient(**emulator.settings()) as client:
        code = emulator.add_voucher(amount="25.00").code
        charges = [
            await client.redeem(
                code=code, amount="10.00", currency="EUR", order_number="A-1", idempotency_key="A-1"
            )
            for _ in range(2)
        ]
        assert charges[0].id == charges[1].id
        assert len(emulator.charges("A-1")) == 1


asyncio.run(main())
