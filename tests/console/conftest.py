"""An emulator with a console for each test, and somebody who looks at it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.browsing import browser
from tests.console.scenes import opened
from voucher_async import ManualClock, VoucherClient
from voucher_async.testing import VoucherEmulator

__all__ = ["browser"]


@pytest.fixture
def emulator(voucher_clock: ManualClock) -> Iterator[VoucherEmulator]:
    with VoucherEmulator(clock=voucher_clock, console=True) as emulator:
        yield emulator
        emulator.ledger.check()


@pytest_asyncio.fixture(loop_scope="session")
async def client(emulator: VoucherEmulator, voucher_clock: ManualClock) -> AsyncIterator[VoucherClient]:
    async with VoucherClient(**emulator.settings(), clock=voucher_clock) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def page(emulator: VoucherEmulator, browser: Browser) -> AsyncIterator[Page]:
    async with opened(browser, emulator) as page:
        yield page
