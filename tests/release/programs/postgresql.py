"""A journal in PostgreSQL whose server is not there: the call is refused, and nothing is sent."""

from __future__ import annotations

import asyncio
import socket

from voucher_async import JournalFailed, VoucherClient
from voucher_async.testing import VoucherEmulator


async def main(url: str) -> None:
    async with VoucherEmulator() as emulator:
        code = emulator.add_voucher(amount="25.00").code
        async with VoucherClient(**emulator.settings(), journal=url) as client:
            try:
                await client.redeem(code=code, amount="10.00", currency="EUR", order_number="A-1")
            except JournalFailed:
                assert not emulator.charges("A-1")
            else:
                raise AssertionError("charged without a journal")


with socket.socket() as taken:  # bound, and not listening: nobody can connect
    taken.bind(("127.0.0.1", 0))
    asyncio.run(main(f"postgresql://shop@127.0.0.1:{taken.getsockname()[1]}/shop"))
