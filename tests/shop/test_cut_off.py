"""Payments and refunds that go wrong on their way: an order is paid once, and given back once."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import sys
import threading
from asyncio.subprocess import Process
from contextlib import closing

import pytest
from playwright.async_api import Browser, expect

from examples.shop.orders import Orders
from tests.processes import plain_environment
from tests.shop.shopping import CHARGE, ON_ONE_LOOP, REFUND, Shop, Visitor, free_port, served_at, until
from voucher_async import ManualClock
from voucher_async.testing import faults

pytestmark = pytest.mark.asyncio(loop_scope=ON_ONE_LOOP)


async def order_with_voucher(visitor: Visitor, amount: str = "50.00") -> str:
    """Be at the checkout of a bowl for 24.00, with a voucher on the order."""
    number = await visitor.order("bowl")
    code = visitor.shop.emulator.add_voucher(amount=amount).code
    await visitor.send(f"/orders/{number}/vouchers", {"code": code})
    await visitor.page.reload()
    return number


@pytest.mark.parametrize("has_script", [True, False])
async def test_a_double_click_pays_once_and_gives_back_once(
    shop: Shop, browser: Browser, *, has_script: bool
) -> None:
    async with Visitor.at(shop, browser, has_script=has_script) as visitor:
        await order_with_voucher(visitor, "20.00")
        shop.emulator.faults.script(CHARGE, faults.SlowHeaders(seconds=0.3))
        await visitor.page.get_by_role("button", name="Pay").dblclick()
        await visitor.wait_for_heading("Thank you")
        assert (shop.moves(), shop.cards()) == (["charge 20.00"], [(400, "captured")])
        shop.emulator.faults.script(REFUND, faults.SlowHeaders(seconds=0.3))
        await visitor.page.get_by_role("button", name="Refund").dblclick()
        await visitor.wait_for_heading("Refunded")
        assert (shop.moves(), shop.cards()) == (["charge 20.00", "refund 20.00"], [(400, "refunded")])


async def test_forms_that_are_sent_at_once_pay_once_and_give_back_once(shop: Shop, visitor: Visitor) -> None:
    number = await order_with_voucher(visitor, "20.00")
    shop.emulator.faults.script(CHARGE, faults.SlowHeaders(seconds=0.3))
    form = {"rest": "400", "card": "4242 4242 4242 4242"}
    answers = await asyncio.gather(*[visitor.send(f"/orders/{number}/pay", form) for _ in range(4)])
    assert ["Thank you" in await each.text() for each in answers] == [True] * 4
    assert (shop.moves(), shop.cards()) == (["charge 20.00"], [(400, "captured")])
    shop.emulator.faults.script(REFUND, faults.SlowHeaders(seconds=0.3))
    answers = await asyncio.gather(*[visitor.send(f"/orders/{number}/refund") for _ in range(4)])
    assert ["Refunded" in await each.text() for each in answers] == [True] * 4
    await visitor.send(f"/orders/{number}/pay", form)  # from a tab that is still open
    assert (shop.moves(), shop.cards()) == (["charge 20.00", "refund 20.00"], [(400, "refunded")])


async def test_a_lost_answer_is_found_out(shop: Shop, visitor: Visitor) -> None:
    await order_with_voucher(visitor)
    shop.emulator.faults.script(CHARGE, faults.BreakAfter())
    await visitor.pay()
    assert await visitor.heading() == "Thank you"
    assert shop.moves() == ["charge 24.00"]


async def test_a_refused_charge_says_that_nothing_was_paid(shop: Shop, visitor: Visitor) -> None:
    await order_with_voucher(visitor, "20.00")
    (voucher,) = shop.emulator.vouchers()
    shop.emulator.set_status(voucher.id, "inactive")
    await visitor.press("Pay")
    await expect(visitor.page.get_by_role("alert")).to_contain_text("so nothing was paid")
    await expect(visitor.page.get_by_text("All of it by card.")).to_be_visible()
    assert (shop.moves(), shop.cards(), shop.state()) == ([], [(400, "voided")], "open")
    await visitor.pay()
    assert (shop.moves(), shop.cards()) == ([], [(400, "voided"), (2400, "captured")])


async def test_an_order_is_not_opened_while_another_request_pays_it(
    shop: Shop, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = await order_with_voucher(visitor, "20.00")
    (voucher,) = shop.emulator.vouchers()
    entered, released = threading.Event(), threading.Event()
    stop_paying = Orders.stop_paying

    def late(orders: Orders, number: str, notice: str) -> bool:
        entered.set()
        released.wait()
        return stop_paying(orders, number, notice)

    monkeypatch.setattr(Orders, "stop_paying", late)
    shop.emulator.set_status(voucher.id, "inactive")
    refused = asyncio.create_task(visitor.send(f"/orders/{number}/pay", {"rest": "400", "card": "4" * 16}))
    await until(entered.is_set)
    shop.emulator.set_status(voucher.id, "active")
    second = asyncio.create_task(visitor.send(f"/orders/{number}/ask"))
    ended, _ = await asyncio.wait({second}, timeout=1.0)
    released.set()
    assert ended == set()  # it has waited for the first
    for answer in (await refused, await second):
        assert "so nothing was paid" in await answer.text()
    assert (shop.moves(), shop.cards(), shop.state()) == ([], [(400, "voided")], "open")


async def test_what_is_not_known_is_said_and_asked_for_again(
    shop: Shop, visitor: Visitor, voucher_clock: ManualClock
) -> None:
    await order_with_voucher(visitor, "20.00")
    shop.go_dark(CHARGE)
    await visitor.pay()
    assert await visitor.heading() == "We are finding out"
    await expect(visitor.page.get_by_role("main")).to_contain_text("Do not pay again.")
    assert (shop.moves(), shop.cards(), shop.state()) == (["charge 20.00"], [(400, "authorised")], "paying")
    shop.emulator.faults.clear()
    await visitor.press("Ask again now")
    await visitor.wait_for_heading("Thank you")
    assert (shop.moves(), shop.cards()) == (["charge 20.00"], [(400, "captured")])
    shop.go_dark(REFUND)
    await visitor.press("Refund")
    await visitor.wait_for_heading("Your refund is under way")
    shop.emulator.faults.clear()
    voucher_clock.advance(20)  # the shop asks by itself, and the page looks by itself
    await until(lambda: shop.state() == "refunded")
    await visitor.wait_for_heading("Refunded")
    assert (shop.moves(), shop.cards()) == (["charge 20.00", "refund 20.00"], [(400, "refunded")])


async def test_a_browser_that_is_closed_meanwhile_has_paid(shop: Shop, browser: Browser) -> None:
    async with Visitor.at(shop, browser) as visitor:
        await order_with_voucher(visitor, "20.00")
        shop.emulator.faults.script(CHARGE, faults.SlowHeaders(seconds=0.5))
        await visitor.page.get_by_role("button", name="Pay").click(no_wait_after=True)
        await until(shop.emulator.charges)
    assert shop.state() == "paying"
    await until(lambda: shop.state() == "paid")
    assert (shop.moves(), shop.cards()) == (["charge 20.00"], [(400, "captured")])


class Worker:
    """The shop in a process of its own.

    Args:
        shop: its place.
    """

    def __init__(self, shop: Shop) -> None:
        self._port = free_port()
        self._shop = shop
        self._process: Process | None = None
        shop.url = f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        command = [sys.executable, "-m", "uvicorn", "--factory", "examples.shop.app:create_app"]
        options = ["--port", str(self._port), "--log-level", "warning"]
        environ = {**plain_environment(), **self._shop.environ}
        self._process = await asyncio.create_subprocess_exec(*command, *options, env=environ)
        await served_at(self._shop.url, self._process)

    async def end(self, number: int) -> None:
        """Send it a signal, and wait until it has ended."""
        assert self._process is not None
        self._process.send_signal(number)
        await self._process.wait()

    def let_lease_end(self) -> None:
        """Have the journal take the killed one for dead, as it would 15 seconds later."""
        with closing(sqlite3.connect(self._shop.folder / "vouchers.db")) as db, db:
            db.execute("UPDATE voucher_owners SET lease_ends = 0")


@pytest.fixture
def worker(place: Shop) -> Worker:
    return Worker(place)


async def test_a_worker_that_is_killed_meanwhile_is_followed_by_one_that_finishes(
    place: Shop, worker: Worker, browser: Browser
) -> None:
    shop = place
    await worker.start()
    async with Visitor.at(shop, browser) as visitor:
        number = await order_with_voucher(visitor, "20.00")
        shop.emulator.faults.script(CHARGE, faults.SlowHeaders(seconds=60))
        await visitor.page.get_by_role("button", name="Pay").click(no_wait_after=True)
        await until(shop.emulator.charges)
        await worker.end(signal.SIGKILL)
        worker.let_lease_end()
        await worker.start()
        await visitor.page.goto(f"/orders/{number}")
        await visitor.wait_for_heading("Thank you")
        assert (shop.moves(), shop.cards()) == (["charge 20.00"], [(400, "captured")])

        shop.emulator.faults.script(REFUND, faults.SlowHeaders(seconds=60))
        await visitor.page.get_by_role("button", name="Refund").click(no_wait_after=True)
        await until(lambda: shop.emulator.charges(type="refund"))
        await worker.end(signal.SIGKILL)
        worker.let_lease_end()
        await worker.start()
        await visitor.page.goto(f"/orders/{number}")
        await visitor.wait_for_heading("Refunded")
        assert (shop.moves(), shop.cards()) == (["charge 20.00", "refund 20.00"], [(400, "refunded")])
    await worker.end(signal.SIGTERM)
