"""The client that openapi-python-client makes of openapi/voucher.yaml: httpx and attrs.

It may keep 100 idle connections, for the reason given in `httpx_by_hand`.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import AsyncGenerator

import httpx

from tests.bench.calls import TOKEN, Call


@contextlib.asynccontextmanager
async def connect(base_url: str, _work: str) -> AsyncGenerator[Call]:
    package = "voucher_openapi_python_client"
    operation = importlib.import_module(f"{package}.api.reservations.create_reservation").asyncio
    request = importlib.import_module(f"{package}.models").CreateReservationRequest
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)
    make = importlib.import_module(package).AuthenticatedClient
    async with make(base_url=base_url, token=TOKEN, httpx_args={"limits": limits}) as client:

        async def reserve(code: str) -> object:
            body = request(amount="10.00", currency="EUR", code=code)
            return await operation(client=client, body=body)

        yield reserve
