"""The console with something to see."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from playwright.async_api import Browser, Locator, Page, expect

from tests.browsing import browsing, visiting
from voucher_async import ManualClock, VoucherClient
from voucher_async.testing import VoucherEmulator, faults, habits

__all__ = ["PICTURE", "fill_up", "opened", "renew_picture", "row"]

PICTURE: Final = Path(__file__).parents[2] / "docs" / "emulator-console.png"


@contextlib.asynccontextmanager
async def opened(browser: Browser, emulator: VoucherEmulator, expected: str = "") -> AsyncIterator[Page]:
    """The console's page, once it listens."""
    async with visiting(browser, emulator.url, expected=expected) as page:
        await page.goto(emulator.console_url)
        await expect(page.locator("#stream")).to_have_text("live")
        yield page


def row(page: Page, table: str, *words: str) -> Locator:
    """The rows of a table that have all of these words."""
    rows = page.locator(f"#{table} tbody tr")
    for each in words:
        rows = rows.filter(has_text=each)
    return rows


async def fill_up(emulator: VoucherEmulator, client: VoucherClient) -> None:
    """Let enough happen that no table is empty."""
    for amount, code in (("25.00", "GIFT-25"), ("100.00", "SPRING-100"), ("50.00", "TILL-50")):
        emulator.add_voucher(amount=amount, code=code)
    emulator.add_voucher(amount="40.00", code="CARD-7", type="print", pin="4711", active=False)
    await client.redeem(code="GIFT-25", amount="25.00", currency="EUR", order_number="A-1001")
    emulator.faults.script("chargeReservation", faults.BreakAfter())
    charge = await client.redeem(code="SPRING-100", amount="30.00", currency="EUR", order_number="A-1002")
    await client.charges.refund(charge, "10.00", currency="EUR")
    emulator.faults.script("createReservation", faults.TooMany())
    await client.reservations.create(code="TILL-50", amount="12.50", currency="EUR")
    emulator.new_connect_pin(name="Till 2", scopes=["use", "read"])
    emulator.faults.script("chargeReservation", faults.CutOff(), faults.CutOff(), faults.BreakBefore())
    emulator.habits.set(**habits.KINDS["order numbers trimmed"], **habits.KINDS["cached lists"])


async def renew_picture() -> None:
    """Write the picture of docs/emulator.md anew."""
    clock = ManualClock(skip_sleeps=120.0)
    emulator = VoucherEmulator(clock=clock, console=True, client_id="shop", port=8400)
    async with (
        emulator,
        VoucherClient(**emulator.settings(), clock=clock) as client,
        browsing() as browser,
        opened(browser, emulator) as page,
    ):
        await fill_up(emulator, client)
        await page.set_viewport_size({"width": 1280, "height": 880})
        await page.emulate_media(color_scheme="light", reduced_motion="reduce")
        await row(page, "requests", "createReservation").nth(2).wait_for()
        await page.screenshot(path=PICTURE)
