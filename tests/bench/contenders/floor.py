"""The floor: aiohttp and orjson with nothing around them, no models and no checks but the status."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import AsyncGenerator

import aiohttp

from tests.bench.calls import TOKEN, Call

orjson = importlib.import_module("orjson")
_CHARGE = orjson.dumps({"order_number": "A-1"})


@contextlib.asynccontextmanager
async def connect(base_url: str, work: str) -> AsyncGenerator[Call]:
    url = f"{base_url}/reservations"
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    async with aiohttp.ClientSession(headers=headers) as session:

        async def reserve(code: str) -> dict[str, str]:
            body = orjson.dumps({"amount": "10.00", "currency": "EUR", "code": code})
            async with session.post(url, data=body) as answer:
                answer.raise_for_status()
                made: dict[str, str] = orjson.loads(await answer.read())
            return made

        async def redeem(code: str) -> object:
            reservation = await reserve(code)
            async with session.post(f"{url}/{reservation['id']}/charge", data=_CHARGE) as answer:
                answer.raise_for_status()
                return orjson.loads(await answer.read())

        yield {"reserve": reserve, "redeem": redeem}[work]
