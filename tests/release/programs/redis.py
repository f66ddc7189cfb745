"""A token store in Redis, which is not there: the payment is made all the same."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from voucher_async import TokenStoreFailed, VoucherClient
from voucher_async.integrations.redis import RedisTokenStore
from voucher_async.testing import VoucherEmulator

NOBODY = "redis://127.0.0.1:9/0"


async def main() -> None:
    logging.getLogger("voucher_async").setLevel(logging.ERROR)
    store = RedisTokenStore.from_url(NOBODY)
    with contextlib.suppress(TokenStoreFailed):
        await store.load("key")
        raise AssertionError(NOBODY)
    async with VoucherEmulator() as emulator:
        async with VoucherClient(**emulator.settings(), token_store=store) as client:
            code = emulator.add_voucher(amount="25.00").code
            await client.redeem(code=code, amount="10.00", currency="EUR", order_number="A-1")
        assert emulator.requests.count("requestToken") == 1
    await store.aclose()


asyncio.run(main())
