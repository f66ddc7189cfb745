"""A browser for all tests of the shop, and a shop for each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from examples.shop.app import create_app
from tests.serving import served
from tests.shop.shopping import Shop, Visitor
from voucher_async import ManualClock
from voucher_async.testing import VoucherEmulator

CHROMIUM: Final = Path("/usr/bin/chromium")
ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    if not CHROMIUM.exists():
        pytest.fail(f"there is no {CHROMIUM}: `make chromium` installs it (Debian's package chromium)")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


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
