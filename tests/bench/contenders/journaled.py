"""voucher_async, with its defaults, a key for each call, and the journal of its process."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import AsyncGenerator

from tests.bench.calls import JOURNAL, Call
from voucher_async import VoucherClient


@contextlib.asynccontextmanager
async def connect(base_url: str, _work: str, timeout: float | None = None) -> AsyncGenerator[Call]:
    journal, process, numbers = os.environ.get(JOURNAL), os.getpid(), itertools.count()
    async with VoucherClient(
        "bench", "bench-secret", base_url=base_url, journal=journal, timeout=timeout
    ) as client:

        async def redeem(code: str) -> object:
            key = f"{process}-{next(numbers)}"
            return await client.redeem(
                code=code, amount="10.00", currency="EUR", order_number="A-1", idempotency_key=key
            )

        yield redeem
