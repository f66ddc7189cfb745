"""A browser for all tests of the shop, and a shop for each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from examples.shop.app import create_app
from tests.browsing import browser
from tests.serving import served
from tests.shop.shopping import Shop, Visitor
from voucher_async import ManualClock
from voucher_async.testing import VoucherEmulator

__all__ = ["browser"]


@pytest.fixture
def clock(request: pytest.FixtureRequest) -> ManualClock | None:
    """The clock of shop and emulator: the system's, unless a test asks for `voucher_clock`."""
    if "voucher_clock" not in request.fixturenames:
        return None
    clock: ManualClock = request.getfixturevalue("voucher_clock")
    return clock


@pytest.fixture
def emulated(clock: ManualClock | None) -> Iterator[VoucherEmulator]:
    with VoucherEmulator(clock=clock) as emulator:
        yield emulator
        emulator.ledger.check()


@pytest.fixture
def place(emulated: VoucherEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Where a shop is to be: its files, and the variables for it."""
    shop = Shop(emulated, tmp_path)
    for name, value in shop.environ.items():
        monkeypatch.setenv(name, value)
    return shop


@pytest_asyncio.fixture(loop_scope="session")
async def shop(place: Shop, clock: ManualClock | None) -> AsyncIterator[Shop]:
    """A shop that is served by the test's own process."""
    async with served(create_app(clock)) as http:
        place.url = str(http.base_url)
        yield place


@pytest_asyncio.fixture(loop_scope="session")
async def visitor(shop: Shop, browser: Browser) -> AsyncIterator[Visitor]:
    """Somebody at the shop, with a browser of their own."""
    async with Visitor.at(shop, browser) as visitor:
        yield visitor
