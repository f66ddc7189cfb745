"""A shop and its visitors, as the tests see them."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import sqlite3
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, Final, Self

import attrs
import httpx
from playwright.async_api import APIResponse, Browser, Page

from tests.browsing import PATIENCE, visiting
from voucher_async.testing import VoucherEmulator, faults

__all__ = ["CHARGE", "ON_ONE_LOOP", "REFUND", "Shop", "Visitor", "free_port", "served_at", "until"]

CHARGE: Final = "chargeReservation"
REFUND: Final = "refundCharge"
ON_ONE_LOOP: Final = "session"  # that of the browser
_RECEIPT: Final = re.compile(r"/orders/L-\d+$")


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that tells nobody."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


async def served_at(url: str, process: Process) -> None:
    """Wait until a process serves a shop."""
    async with httpx.AsyncClient(base_url=url) as client, asyncio.timeout(2 * PATIENCE):
        while not await _answers(client):
            assert process.returncode is None
            await asyncio.sleep(0.05)


async def _answers(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/cart")).status_code == 200
    except httpx.TransportError:
        return False


@attrs.define(eq=False)
class Shop:
    """A shop.

    Attributes:
        emulator: the API behind it.
        folder: has its database and its journal.
        url: its address, once it is served.
    """

    emulator: VoucherEmulator
    folder: Path
    url: str = ""

    @property
    def environ(self) -> dict[str, str]:
        return {
            **self.emulator.environ(),
            "VOUCHER_JOURNAL": f"sqlite:///{self.folder / 'vouchers.db'}",
            "SHOP_DATABASE": f"sqlite:///{self.folder / 'shop.db'}",
            "SHOP_FINISHES_EVERY": "0.2",
        }

    def go_dark(self, operation: str) -> None:
        """Lose the next answer, and let nobody find out, until the faults are cleared."""
        self.emulator.faults.script(operation, faults.BreakAfter())
        if operation == REFUND:
            self.emulator.faults.script("listCharges", None)  # it looks before, too
        operations = [operation, "listCharges"]
        self.emulator.faults.chance(1.0, seed=1, operations=operations, kinds=[faults.Unavailable()])

    def rows(self, table: str) -> list[dict[str, Any]]:
        with contextlib.closing(sqlite3.connect(self.folder / "shop.db")) as db:
            db.row_factory = sqlite3.Row
            return [dict(row) for row in db.execute(f"SELECT * FROM {table}")]

    def state(self) -> str:
        """The state of the only order."""
        (order,) = self.rows("orders")
        return str(order["state"])

    def cards(self) -> list[tuple[int, str]]:
        return [(each["cents"], each["state"]) for each in self.rows("cards")]

    def moves(self) -> list[str]:
        """What has moved on the vouchers, as the emulator knows it."""
        self.emulator.ledger.check()
        return [f"{each.type} {each.amount}" for each in self.emulator.charges()]

    def check_codes_are_gone(self) -> None:
        assert [(each["code"], each["pin"]) for each in self.rows("vouchers")] == [
            (None, None) for _ in self.rows("vouchers")
        ]


@attrs.define(eq=False)
class Visitor:
    """Somebody at the shop.

    Attributes:
        shop: the shop.
        page: the page that they look at.
    """

    shop: Shop
    page: Page

    @classmethod
    @contextlib.asynccontextmanager
    async def at(cls, shop: Shop, browser: Browser, *, has_script: bool = True) -> AsyncIterator[Self]:
        async with visiting(browser, shop.url, has_script=has_script) as page:
            yield cls(shop, page)

    async def press(self, name: str) -> None:
        await self.page.get_by_role("button", name=name).click()

    async def order(self, *skus: str) -> str:
        """Be at the checkout with an order of these things; its number."""
        for sku in skus:
            await self.send("/cart", {"sku": sku})
        placed = await self.send("/orders")
        await self.page.goto(placed.url)
        return placed.url.split("/")[-2]

    async def send(self, path: str, fields: Mapping[str, str] | None = None, **headers: str) -> APIResponse:
        """Send a form, in this visitor's session, beside the page."""
        request = self.page.context.request
        return await request.post(path, form=dict(fields or {}), headers=headers)

    async def use(self, code: str, pin: str = "") -> None:
        await self.page.get_by_label("Voucher code").fill(code)
        await self.page.get_by_label("Pin").fill(pin)
        await self.page.get_by_role("button", name=re.compile("^Use ")).click()

    async def pay(self) -> None:
        await self.press("Pay")
        await self.page.wait_for_url(_RECEIPT)

    async def heading(self) -> str:
        return await self.page.get_by_role("heading", level=1).inner_text()

    async def wait_for_heading(self, name: str) -> None:
        await self.page.get_by_role("heading", level=1, name=name).wait_for()

    async def message(self) -> str:
        return (await self.page.locator("#notice").inner_text()).strip()
