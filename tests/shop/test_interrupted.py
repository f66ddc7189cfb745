"""A shop that stops while a customer waits."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from examples.shop.app import create_app
from tests.serving import served
from tests.shop.shopping import Shop
from voucher_async.integrations.fastapi import Vouchers


async def test_a_customer_whose_request_is_cut_off_reads_a_page_that_says_what_to_do(
    place: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    assert place.environ
    begun, app = asyncio.Event(), create_app()

    @app.get("/slow")
    async def slow(_: Vouchers) -> None:
        begun.set()
        await asyncio.Event().wait()

    async with httpx.AsyncClient() as customer:  # stays while the shop stops
        async with served(app, grace=1) as http:
            asked = asyncio.create_task(customer.get(http.base_url.join("/slow")))
            await begun.wait()
        answer = await asked
    assert answer.status_code == 503
    assert "Look at your order before you pay again" in answer.text
    assert "Traceback" not in caplog.text
