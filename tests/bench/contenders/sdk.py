"""voucher_async, with its defaults."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator

from tests.bench.calls import Call
from voucher_async import VoucherClient


@contextlib.asynccontextmanager
async def connect(base_url: str, work: str) -> AsyncGenerator[Call]:
    async with VoucherClient("bench", "bench-secret", base_url=base_url) as client:

        async def reserve(code: str) -> object:
            return await client.reservations.create(code=code, amount="10.00", currency="EUR")

        async def redeem(code: str) -> object:
            return await client.redeem(code=code, amount="10.00", currency="EUR", order_number="A-1")

        yield {"reserve": reserve, "redeem": redeem}[work]
