"""A client of the shop that tells of its calls, too."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.calls import Calls
from tests.settlement.conftest import Shop
from voucher_async import VoucherClient

__all__ = ["calls", "client"]


@pytest.fixture
def calls() -> Calls:
    return Calls()


@pytest_asyncio.fixture
async def client(shop: Shop, calls: Calls) -> AsyncIterator[VoucherClient]:
    client = shop.another(hooks=[shop.told, calls])
    yield client
    await client.aclose(wait=0)
