"""The client that openapi-generator (python, library asyncio) makes of openapi/voucher.yaml.

It uses aiohttp and pydantic.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import AsyncGenerator

from tests.bench.calls import TOKEN, Call


@contextlib.asynccontextmanager
async def connect(base_url: str, _work: str) -> AsyncGenerator[Call]:
    package = importlib.import_module("voucher_openapi_generator")
    configuration = package.Configuration(host=base_url, access_token=TOKEN)
    request = package.CreateReservationRequest
    async with package.ApiClient(configuration) as client:
        operation = package.ReservationsApi(client).create_reservation

        async def reserve(code: str) -> object:
            return await operation(request(amount="10.00", currency="EUR", code=code))

        yield reserve
