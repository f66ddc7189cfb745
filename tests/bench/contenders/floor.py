"""The floor: aiohttp and orjson with nothing around them, no models and no checks but the status."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import AsyncGenerator

import aiohttp

from tests.bench.calls import TOKEN, Call

orjson = importlib.import_module("orjson")


@contextlib.asynccontextmanager
async def connect(base_url: str) -> AsyncGenerator[Call]:
    url = f"{base_url}/reservations"
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    async with aiohttp.ClientSession(headers=headers) as session:

        async def reserve(code: str) -> object:
            body = orjson.dumps({"amount": "10.00", "currency": "EUR", "code": code})
            async with session.post(url, data=body) as answer:
                answer.raise_for_status()
                return orjson.loads(await answer.read())

        yield reserve
