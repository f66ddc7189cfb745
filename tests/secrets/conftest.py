"""Everything at debug level, and a server that gives secrets back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.secrets.hostile import Hostile
from tests.secrets.search import Search


@pytest.fixture
def search(caplog: pytest.LogCaptureFixture) -> Search:
    for name in ("", "voucher_async", "aiohttp", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)
    return Search(caplog)


@pytest_asyncio.fixture
async def hostile() -> AsyncIterator[Hostile]:
    asyncio.get_running_loop().set_debug(True)
    server = Hostile()
    await server.start()
    yield server
    await server.stop()
