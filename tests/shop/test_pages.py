"""Every page can be used by everybody, also with a keyboard alone; screenshots are in .build/shop."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.browsing import focused, look, reach
from tests.shop.shopping import CHARGE, ON_ONE_LOOP, Shop, Visitor, until

pytestmark = pytest.mark.asyncio(loop_scope=ON_ONE_LOOP)


@pytest.mark.usefixtures("voucher_clock")
async def test_each_page_can_be_read_by_everybody(shop: Shop, visitor: Visitor, root: Path) -> None:
    page, emulator, folder = visitor.page, shop.emulator, root / ".build" / "shop"
    await page.goto("/")
    await look(page, "1-shelf", folder)
    await visitor.press("Add Teapot to cart")
    await visitor.send("/cart", {"sku": "cup"})
    await page.reload()
    await look(page, "2-cart", folder)
    await visitor.press("Check out")
    await visitor.use("NO-SUCH-CODE")
    await look(page, "3-refused", folder)
    for amount in ("20.00", "15.50"):
        await visitor.use(emulator.add_voucher(amount=amount).code)
    await look(page, "4-checkout", folder)
    shop.go_dark(CHARGE)
    await visitor.pay()
    await look(page, "5-finding-out", folder)
    await page.goto("/orders")
    await look(page, "6-orders", folder)
    emulator.faults.clear()
    await until(lambda: shop.state() == "paid")
    await page.get_by_role("link", name="Order L-").click()
    await visitor.wait_for_heading("Thank you")
    await look(page, "7-receipt", folder)
    await visitor.press("Refund")
    await visitor.wait_for_heading("Refunded")
    await look(page, "8-refunded", folder)
    await page.goto("/cart")
    await look(page, "9-empty", folder)


async def test_an_order_is_paid_with_a_keyboard_alone(shop: Shop, visitor: Visitor) -> None:
    page, code = visitor.page, shop.emulator.add_voucher(amount="20.00").code
    await page.goto("/")
    await page.keyboard.press("Tab")
    assert await focused(page) == "Skip to the content"
    await page.keyboard.press("Enter")
    await reach(page, "Add Soup bowl to cart")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/cart")
    await reach(page, "Check out")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/checkout")
    await reach(page, "Voucher code")
    await page.keyboard.type(code)
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("covers €20.00")).to_be_visible()
    await reach(page, "Pay €24.00")
    await page.keyboard.press("Space")
    await visitor.wait_for_heading("Thank you")
    await reach(page, "Refund the whole order")
    await page.keyboard.press("Enter")
    await visitor.wait_for_heading("Refunded")
    assert shop.moves() == ["charge 20.00", "refund 20.00"]


async def test_an_order_is_paid_without_scripts(shop: Shop, browser: Browser) -> None:
    async with Visitor.at(shop, browser, has_script=False) as visitor:
        page = visitor.page
        await page.goto("/")
        await visitor.press("Add Teapot to cart")
        await page.get_by_label("Quantity of Teapot").fill("2")
        await visitor.press("Update Teapot")
        await visitor.press("Check out")
        await visitor.use(shop.emulator.add_voucher(amount="20.00").code)
        await expect(page.locator("#countdown")).to_have_text("Held for you for 29 more minutes.")
        await visitor.press("Hold for another 30 minutes")
        assert await visitor.message() == "Your vouchers are held for another 30 minutes."
        await visitor.pay()
        await visitor.press("Refund")
        await visitor.wait_for_heading("Refunded")
        assert (shop.moves(), shop.cards()) == (["charge 20.00", "refund 20.00"], [(8800, "refunded")])
