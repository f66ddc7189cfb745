"""A FastAPI application that opens a client, and its description of the API."""

from __future__ import annotations

import asyncio

from voucher_async import VoucherClient
from voucher_async.integrations.fastapi import (
    PROBLEM_RESPONSES,
    Vouchers,
    exception_handlers,
    voucher_lifespan,
)
from voucher_async.models import Charge
from voucher_async.testing import VoucherEmulator


async def main() -> None:
    from fastapi import FastAPI

    async with VoucherEmulator() as emulator:

        def make() -> VoucherClient:
            return VoucherClient(**emulator.settings())

        app = FastAPI(lifespan=voucher_lifespan(make), exception_handlers=exception_handlers())

        @app.post("/orders/{order}/voucher", responses=PROBLEM_RESPONSES)
        async def pay(order: str, code: str, vouchers: Vouchers) -> Charge:
            return await vouchers.redeem(code=code, amount="1.00", currency="EUR", order_number=order)

        assert "/orders/{order}/voucher" in app.openapi()["paths"]
        async with app.router.lifespan_context(app):
            pass


asyncio.run(main())
