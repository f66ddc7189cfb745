"""The emulator, a client, and a client behind a proxy, all on the clock of whoever imports these fixtures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.proxy import Proxy
from tests.recorder import Recorder
from voucher_async import ManualClock, VoucherClient
from voucher_async.testing import VoucherEmulator

__all__ = ["client", "emulator", "proxied", "proxy", "recorder"]


@pytest_asyncio.fixture
async def emulator(clock: ManualClock) -> AsyncIterator[VoucherEmulator]:
    async with VoucherEmulator(clock=clock, token_lifetime=86_400) as emulator:
        yield emulator


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest_asyncio.fixture
async def client(
    emulator: VoucherEmulator, clock: ManualClock, recorder: Recorder
) -> AsyncIterator[VoucherClient]:
    async with VoucherClient(**emulator.settings(), clock=clock, hooks=[recorder]) as client:
        yield client


@pytest_asyncio.fixture
async def proxy(emulator: VoucherEmulator) -> AsyncIterator[Proxy]:
    async with Proxy(emulator) as proxy:
        yield proxy


@pytest_asyncio.fixture
async def proxied(
    emulator: VoucherEmulator, proxy: Proxy, clock: ManualClock, recorder: Recorder
) -> AsyncIterator[VoucherClient]:
    settings: dict[str, Any] = {**emulator.settings(), "base_url": proxy.base_url}
    async with VoucherClient(**settings, clock=clock, hooks=[recorder]) as client:
        yield client
