"""The emulator, a client, and a client behind a proxy that keeps what was sent; pauses take no time."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.resources.proxy import Proxy
from voucher_async import ManualClock, VoucherClient
from voucher_async.testing import VoucherEmulator


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(skip_sleeps=True)


@pytest_asyncio.fixture
async def emulator(clock: ManualClock) -> AsyncIterator[VoucherEmulator]:
    async with VoucherEmulator(clock=clock, token_lifetime=86_400) as emulator:
        yield emulator


@pytest_asyncio.fixture
async def client(emulator: VoucherEmulator, clock: ManualClock) -> AsyncIterator[VoucherClient]:
    async with VoucherClient(**emulator.settings(), clock=clock) as client:
        yield client


@pytest_asyncio.fixture
async def proxy(emulator: VoucherEmulator) -> AsyncIterator[Proxy]:
    async with Proxy(emulator) as proxy:
        yield proxy


@pytest_asyncio.fixture
async def proxied(
    emulator: VoucherEmulator, proxy: Proxy, clock: ManualClock
) -> AsyncIterator[VoucherClient]:
    settings = emulator.settings()
    settings["base_url"] = f"{proxy.url}/v1"
    async with VoucherClient(**settings, clock=clock) as client:
        yield client
