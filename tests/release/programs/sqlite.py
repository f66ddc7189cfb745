"""A payment whose record is in SQLite, and found there by a second client."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from voucher_async import VoucherClient
from voucher_async.testing import VoucherEmulator


async def main(url: str) -> None:
    async with VoucherEmulator() as emulator:
        code = emulator.add_voucher(amount="25.00").code
        told: list[str] = []
        for _ in range(2):
            async with VoucherClient(**emulator.settings(), journal=url) as client:
                charge = await client.redeem(
                    code=code, amount="10.00", currency="EUR", order_number="A-1", idempotency_key="A-1"
                )
            told.append(charge.id)
        assert told[0] == told[1]
        assert len(emulator.charges("A-1")) == 1


with tempfile.TemporaryDirectory() as folder:
    asyncio.run(main(f"sqlite:///{Path(folder, 'vouchers.db')}"))
