"""A shop behind FastAPI's TestClient, which runs the application on a loop in a thread of its own."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

from fastapi import FastAPI

from voucher_async import VoucherClient
from voucher_async.testing import VoucherEmulator

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it asks for another HTTP library
    from fastapi.testclient import TestClient


def shop(emulator: VoucherEmulator) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with VoucherClient(**emulator.settings()) as app.state.vouchers:
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/pay/{code}")
    async def pay(code: str) -> str:
        vouchers: VoucherClient = app.state.vouchers
        payment = await vouchers.redeem(code=code, amount="1.00", currency="EUR", order_number="A-1")
        return payment.id

    return app


def test_a_shop_pays_while_the_test_looks_on(voucher_emulator: VoucherEmulator) -> None:
    voucher = voucher_emulator.add_voucher(amount="25")
    with TestClient(shop(voucher_emulator)) as http:
        answer = http.post(f"/pay/{voucher.code}")
        assert voucher_emulator.balance(voucher.id) == Decimal("24.00")
        voucher_emulator.advance(1800)
        assert http.post(f"/pay/{voucher.code}").json() != answer.json()
    assert voucher_emulator.charges("A-1")[0].id == answer.json()
