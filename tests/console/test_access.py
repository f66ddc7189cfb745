"""The console can be used by everybody, also with a keyboard alone; screenshots are in .build/screenshots."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import Page, expect

from tests.browsing import focused, look, reach
from tests.console.scenes import PICTURE, fill_up, row
from voucher_async import VoucherClient
from voucher_async.testing import VoucherEmulator

on_one_loop = pytest.mark.asyncio(loop_scope="session")  # that of the browser
ANY: Final = frozenset({"minor", "moderate", "serious", "critical"})
CONTROLS: Final = """() => [...document.querySelectorAll("button, input, select, [tabindex]")]
    .filter(each => each.checkVisibility()).length"""


@on_one_loop
async def test_the_page_can_be_read_by_everybody(
    page: Page, emulator: VoucherEmulator, client: VoucherClient, root: Path
) -> None:
    folder = root / ".build" / "screenshots"
    await fill_up(emulator, client)
    emulator.add_voucher(amount="99999.99", code="X" * 255)
    emulator.add_voucher(amount="5.00", order_number="O" * 255)
    await row(page, "vouchers", "X" * 255).wait_for()
    await look(page, "console-1-full", folder, impacts=ANY)
    await page.get_by_role("button", name="Add voucher").click()
    await look(page, "console-2-voucher", folder, impacts=ANY, within="dialog[open]")
    await page.get_by_role("button", name="Cancel").click()
    await page.get_by_role("button", name="Connect a client").click()
    await page.get_by_role("button", name="Show PIN").click()
    await page.locator("#pin").wait_for()
    await look(page, "console-3-pin", folder, impacts=ANY, within="dialog[open]")


@on_one_loop
async def test_every_control_is_reached_and_seen_with_a_keyboard(
    page: Page, emulator: VoucherEmulator, client: VoucherClient
) -> None:
    await fill_up(emulator, client)
    await row(page, "reservations", "TILL-50").wait_for()
    controls = int(await page.evaluate(CONTROLS))
    names = set[str]()
    for _ in range(controls):
        await page.keyboard.press("Tab")
        names.add(await focused(page))
        await page.evaluate("document.activeElement.dataset.reached = 'yes'")
    assert "" not in names
    assert await page.locator("[data-reached]").count() == controls
    assert {"Add voucher", "Activate CARD-7", "+31 minutes", "Switch on", "No habits"} <= names


@on_one_loop
async def test_it_is_worked_with_a_keyboard_alone(page: Page, emulator: VoucherEmulator) -> None:
    await reach(page, "Add voucher")
    await page.keyboard.press("Enter")
    await reach(page, "Code, or made up")
    await page.keyboard.type("GIFT")
    await page.keyboard.press("Enter")
    await row(page, "vouchers", "GIFT", "active").wait_for()
    assert await focused(page) == "Add voucher"
    await reach(page, "Deactivate GIFT")
    await page.keyboard.press("Space")
    await row(page, "vouchers", "GIFT", "inactive").wait_for()
    assert await focused(page) == "Activate GIFT"
    await reach(page, "Switch on", within=40)
    await page.keyboard.press("Enter")
    await expect(page.locator("#scripted")).to_have_text("next on any operation: BreakAfter()")
    await page.keyboard.press("Shift+Tab")
    await reach(page, "Switch on")
    assert emulator.faults.active


@on_one_loop
async def test_the_page_is_quiet_while_requests_come(page: Page) -> None:
    """Screen readers are told of what a person did, not of each request."""
    live = await page.evaluate(
        """() => [...document.querySelectorAll("[role=status],[role=alert],[role=log],[aria-live],output")]
            .filter(each => each.querySelector("table") || each.closest("table")).length"""
    )
    assert live == 0


def test_the_picture_of_the_docs_is_small_and_is_the_page() -> None:
    content = PICTURE.read_bytes()
    assert len(content) < 200_000
    assert struct.unpack(">II", content[16:24]) == (1280, 880)
