"""What is held of a voucher ends after half an hour, with the tab still open."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.shop.shopping import ON_ONE_LOOP, Shop, Visitor
from voucher_async import ManualClock

pytestmark = pytest.mark.asyncio(loop_scope=ON_ONE_LOOP)


async def hold(visitor: Visitor, amount: str = "20.00") -> str:
    """Be at the checkout of a bowl for 24.00 with a voucher, and with a browser whose clock can be moved."""
    await visitor.page.clock.install()
    number = await visitor.order("bowl")
    code = visitor.shop.emulator.add_voucher(amount=amount).code
    await visitor.send(f"/orders/{number}/vouchers", {"code": code})
    await visitor.page.reload()
    return code


async def pass_time(visitor: Visitor, clock: ManualClock, minutes: int) -> None:
    """Let time pass for the API, for the shop and for the browser."""
    clock.advance(60 * minutes)
    await visitor.page.clock.fast_forward(f"{minutes}:00")


def held(shop: Shop) -> int:
    return len([each for each in shop.emulator.reservations() if each.amount == 20])


async def test_milestones_are_told_and_the_end_is(
    shop: Shop, visitor: Visitor, voucher_clock: ManualClock
) -> None:
    await hold(visitor)
    said, countdown = visitor.page.get_by_role("status").last, visitor.page.locator("#countdown")
    await expect(countdown).to_contain_text("Held for you for 29:")
    await pass_time(visitor, voucher_clock, 21)
    await expect(said).to_have_text("Your vouchers are held for 10 minutes more.")
    await pass_time(visitor, voucher_clock, 10)
    await expect(said).to_have_text(
        "Your vouchers are held no longer. Paying tries to hold the same sums again."
    )
    await expect(countdown).to_contain_text("Held for you no longer")
    await visitor.page.reload()
    await expect(countdown).to_contain_text("Held for you no longer")
    assert held(shop) == 1


async def test_an_order_whose_time_is_over_is_paid_as_it_was_shown(
    shop: Shop, visitor: Visitor, voucher_clock: ManualClock
) -> None:
    await hold(visitor)
    await pass_time(visitor, voucher_clock, 31)
    await visitor.pay()
    assert (shop.moves(), shop.cards()) == (["charge 20.00"], [(400, "captured")])


async def test_an_order_whose_voucher_was_spent_elsewhere_is_not_paid(
    shop: Shop, visitor: Visitor, voucher_clock: ManualClock
) -> None:
    code = await hold(visitor)
    await pass_time(visitor, voucher_clock, 31)
    other = await visitor.page.context.browser.new_context(base_url=shop.url)  # type: ignore[union-attr]
    elsewhere = Visitor(shop, await other.new_page())
    await elsewhere.order("cup")
    await elsewhere.use(code)
    await elsewhere.pay()
    await other.close()
    await visitor.press("Pay")
    await expect(visitor.page.get_by_role("alert")).to_contain_text("so nothing was paid")
    await expect(visitor.page.get_by_text("€2.00 from vouchers, €22.00 by card.")).to_be_visible()
    assert shop.moves() == ["charge 18.00"]
    await visitor.pay()
    assert shop.moves() == ["charge 18.00", "charge 2.00"]
    assert shop.cards() == [(400, "voided"), (2200, "captured")]


async def test_it_is_held_for_longer_while_somebody_is_at_the_page(
    shop: Shop, visitor: Visitor, voucher_clock: ManualClock
) -> None:
    await hold(visitor)
    await visitor.page.keyboard.press("Tab")
    await pass_time(visitor, voucher_clock, 26)
    await expect(visitor.page.get_by_role("status").last).to_contain_text("held for another 30 minutes")
    await expect(visitor.page.locator("#countdown")).to_contain_text("Held for you for 29:")
    assert held(shop) == 2
    await pass_time(visitor, voucher_clock, 26)  # now nobody is
    assert held(shop) == 2
    await visitor.press("Hold for another 30 minutes")
    assert await visitor.message() == "Your vouchers are held for another 30 minutes."
    assert held(shop) == 3
