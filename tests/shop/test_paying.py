"""Orders are paid in a browser: with vouchers, by card, with both."""

from __future__ import annotations

import httpx
import pytest
from playwright.async_api import expect

from tests.shop.shopping import ON_ONE_LOOP, Shop, Visitor
from voucher_async import VoucherClient

pytestmark = pytest.mark.asyncio(loop_scope=ON_ONE_LOOP)


async def test_a_voucher_pays_an_order(shop: Shop, visitor: Visitor) -> None:
    voucher = shop.emulator.add_voucher(amount="50.00", pin="4711")
    number = await visitor.order("cup")
    await visitor.use(voucher.code, "4711")
    await expect(visitor.page.get_by_text("Your vouchers cover the whole order.")).to_be_visible()
    assert shop.moves() == []
    await visitor.pay()
    assert await visitor.heading() == "Thank you"
    assert shop.moves() == ["charge 18.00"]
    assert [each.order_number for each in shop.emulator.charges()] == [number]
    assert shop.cards() == []
    shop.check_codes_are_gone()
    await visitor.page.goto("/cart")
    await expect(visitor.page.get_by_text("There is nothing in it yet.")).to_be_visible()


async def test_two_vouchers_and_a_card_pay_an_order(shop: Shop, visitor: Visitor) -> None:
    await visitor.order("pot", "cup")
    for amount in ("20.00", "15.50"):
        await visitor.use(shop.emulator.add_voucher(amount=amount).code)
    await expect(visitor.page.get_by_text("€35.50 from vouchers, €36.50 by card.")).to_be_visible()
    await visitor.pay()
    assert shop.moves() == ["charge 20.00", "charge 15.50"]
    assert shop.cards() == [(3650, "captured")]
    shop.check_codes_are_gone()


async def test_a_card_alone_pays_an_order(shop: Shop, visitor: Visitor) -> None:
    await visitor.order("bowl")
    await visitor.pay()
    assert (shop.moves(), shop.cards()) == ([], [(2400, "captured")])


async def test_a_declined_card_leaves_the_voucher_alone(shop: Shop, visitor: Visitor) -> None:
    await visitor.order("bowl")
    await visitor.use(shop.emulator.add_voucher(amount="20.00").code)
    await visitor.page.get_by_label("Card number").fill("4000 0000 0000 0002")
    await visitor.press("Pay")
    await expect(visitor.page.get_by_role("alert")).to_contain_text(
        "The card was declined. Nothing was paid."
    )
    await expect(visitor.page.get_by_label("Card number")).to_be_focused()
    assert (shop.moves(), shop.cards(), shop.state()) == ([], [], "open")
    await visitor.page.get_by_label("Card number").fill("4242 4242 4242 4242")
    await visitor.pay()
    assert (shop.moves(), shop.cards()) == (["charge 20.00"], [(400, "captured")])


async def test_no_reason_is_told_why_a_voucher_is_refused(shop: Shop, visitor: Visitor) -> None:
    emulator = shop.emulator
    good, empty = emulator.add_voucher(amount="5.00", pin="1234"), emulator.add_voucher(amount="0.00")
    blocked = emulator.add_voucher(amount="5.00", active=False)
    await visitor.order("bowl")
    told = set()
    for code, pin in (("NO-SUCH-CODE", ""), (good.code, "4321"), (empty.code, ""), (blocked.code, "")):
        await visitor.use(code, pin)
        told.add(await visitor.page.get_by_role("alert").inner_text())
        await expect(visitor.page.get_by_label("Voucher code")).to_be_focused()
    assert told == {"This voucher cannot be used. Check the code and the pin, or pay without it."}
    await visitor.use(good.code, "1234")
    assert await visitor.message() == "The voucher is on your order."
    assert shop.moves() == []


async def test_nobody_tries_codes_for_ever(shop: Shop, visitor: Visitor) -> None:
    number = await visitor.order("bowl")
    for code in range(9):
        await visitor.send(f"/orders/{number}/vouchers", {"code": f"GUESS-{code}"})
    reserved = [each for each in shop.emulator.requests if each.operation_id == "createReservation"]
    assert len(reserved) == 8 * 2  # each once for the amount, and once for a cent of it
    await visitor.page.reload()
    await expect(visitor.page.get_by_label("Voucher code")).to_have_count(0)
    await visitor.pay()


async def test_a_voucher_is_used_once_and_can_be_taken_off(shop: Shop, visitor: Visitor) -> None:
    first, second = (shop.emulator.add_voucher(amount=amount).code for amount in ("20.00", "10.00"))
    await visitor.order("bowl")
    await visitor.use(first)
    await visitor.use(f" {first.lower()} ")
    assert await visitor.message() == "This voucher is on your order already."
    await visitor.use(second)
    await expect(visitor.page.get_by_text("covers €4.00")).to_be_visible()
    await visitor.press(f"Remove voucher {first[-4:]}")
    await expect(visitor.page.get_by_text("covers €10.00")).to_be_visible()
    await visitor.pay()
    assert (shop.moves(), shop.cards()) == (["charge 10.00"], [(1400, "captured")])


async def test_a_voucher_that_has_more_meanwhile_covers_no_more_than_there_is(
    shop: Shop, visitor: Visitor
) -> None:
    first, second = (shop.emulator.add_voucher(amount=amount) for amount in ("20.00", "10.00"))
    await visitor.order("bowl")
    await visitor.use(first.code)
    await visitor.use(second.code)
    async with VoucherClient(**shop.emulator.settings()) as client:
        await client.vouchers.recharge(id=first.id, amount="30.00", currency="EUR", order_number="R-1")
    await visitor.press("Hold for another 30 minutes")
    await visitor.pay()
    assert shop.moves()[1:] == ["charge 20.00", "charge 4.00"]


async def test_sums_that_have_changed_in_another_tab_are_shown_first(shop: Shop, visitor: Visitor) -> None:
    number = await visitor.order("bowl")
    await visitor.send(f"/orders/{number}/vouchers", {"code": shop.emulator.add_voucher(amount="20.00").code})
    await visitor.press("Pay")
    assert await visitor.message() == "The sums have changed. Nothing was paid. Check them, and pay then."
    assert (shop.moves(), shop.cards(), shop.state()) == ([], [(2400, "voided")], "open")
    await visitor.pay()
    assert (shop.moves(), shop.cards()) == (["charge 20.00"], [(2400, "voided"), (400, "captured")])


async def test_orders_are_each_visitors_own_and_other_sites_send_no_forms(
    shop: Shop, visitor: Visitor
) -> None:
    number = await visitor.order("bowl")
    async with httpx.AsyncClient(base_url=shop.url) as stranger:
        for path in (f"/orders/{number}", f"/orders/{number}/checkout", f"/orders/{number}/state"):
            assert (await stranger.get(path)).status_code == 404
        assert (await stranger.post(f"/orders/{number}/pay", data={"rest": "2400"})).status_code == 404
    for headers in ({"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = await visitor.send(f"/orders/{number}/pay", {"rest": "2400"}, **headers)
        assert answer.status == 403
    assert shop.state() == "open"
