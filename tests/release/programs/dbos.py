"""A payment as a workflow on DBOS."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from voucher_async import VoucherClient
from voucher_async.integrations.dbos import Executor, VoucherCode, VoucherWorkflows
from voucher_async.testing import VoucherEmulator


async def main(folder: Path) -> None:
    async with VoucherEmulator() as emulator:
        code = emulator.add_voucher(amount="25.00").code
        vouchers = VoucherWorkflows(
            lambda _: [VoucherCode(code)],
            make=lambda: VoucherClient(**emulator.settings(), journal=f"sqlite:///{folder / 'vouchers.db'}"),
        )
        payment = {"order_number": "A-1", "amount": "10.00", "currency": "EUR", "idempotency_key": "A-1"}
        async with Executor(vouchers, database=f"sqlite:///{folder / 'workflows.db'}"):
            charges = [await vouchers.redeem(**payment) for _ in range(2)]
        assert [each.id for each in emulator.charges("A-1")] == [charges[0].id] == [charges[1].id]


with tempfile.TemporaryDirectory() as made:
    asyncio.run(main(Path(made)))
