"""Runs a shop's storm: customers pay, and in the middle the shop is stopped and started again."""

from __future__ import annotations

import asyncio
import collections
import random
import time
from pathlib import Path
from typing import Final

import attrs
import httpx

from tests.chaos import server
from tests.chaos.shop.customers import Customers, Told
from tests.chaos.shop.judge import cancelled_in, ugly, wrong
from tests.chaos.shop.orders import Orders
from tests.chaos.shop.plan import CURRENCY, Plan, ShopStorm, plan_of
from tests.chaos.shop.shop import Shop
from voucher_async import VoucherClient
from voucher_async.testing import VoucherEmulator, faults

_UNTIL_RECOVERED: Final = 90.0


def kinds(delay: float) -> tuple[faults.Fault, ...]:
    """What goes wrong, without pages of status 200 behind which the API refuses.

    Such an order stays open, by design, until an operator looks: no customer would ever get an answer.
    """
    return tuple(each for each in server.kinds(delay) if not isinstance(each, faults.WrongContentType))


@attrs.frozen(kw_only=True)
class ShopReport:
    """What came of a storm.

    Attributes:
        storm: the storm.
        wrong: what does not agree.
        ugly: what the shop's owner should not see in the log.
        open: records that are still open, by operation and state.
        recovered: how many calls the last recovery found.
        states: how many orders ended how.
        answers: how often customers got which status; 0: the connection was lost before an answer.
        requests: how many requests the API's server answered.
        faults: how many faults it injected.
        cancelled: how many handlers were cancelled as the shop was stopped.
        given_back: how many refunds the shop has made, and how many the SDK by itself.
        stopping: seconds that the shop took to stop in the middle.
        seconds: how long it all took.
        log: all that the shop's processes wrote.
    """

    storm: ShopStorm
    wrong: tuple[str, ...]
    ugly: tuple[str, ...]
    open: dict[str, int]
    recovered: int
    states: dict[str, int]
    answers: dict[int, int]
    requests: int
    faults: int
    cancelled: int
    given_back: tuple[int, int]
    stopping: float
    seconds: float
    log: str


class ShopConductor:
    """Runs one storm.

    Args:
        storm: the storm.
        folder: where everything is written; empty.
    """

    def __init__(self, storm: ShopStorm, folder: Path) -> None:
        self._storm = storm
        self._folder = folder
        self._plan: Plan = plan_of(storm)
        self._orders = Orders(folder / "shop.db")
        self._told: list[Told] = []
        self._is_half_done = asyncio.Event()
        self._stopping = 0.0

    async def run(self) -> ShopReport:
        """Run it, and have it judged."""
        began = time.monotonic()
        storm = self._storm
        self._orders.place((each.number, each.total) for each in self._plan.orders)
        async with VoucherEmulator(token_lifetime=600) as emulator:
            for code, amount in self._plan.vouchers.items():
                emulator.add_voucher(id=code, code=code, amount=amount, currency=CURRENCY)
            environ = self._environ(emulator)
            shop = Shop(storm, environ, self._folder / "log.txt")
            emulator.faults.chance(storm.share, seed=storm.seed, kinds=kinds(storm.delay))
            answers = await self._trade(shop)
            injected = len(emulator.faults.injected)
            emulator.faults.clear()
            await emulator.faults.settled()
            recovered, left = await self._recover(environ)
            emulator.ledger.check()
            entries = emulator.charges()
            requests = len(emulator.requests)
        rows = self._orders.all()
        refunds = {each.id for each in entries if each.type == "refund"}
        by_shop = {id for row in rows for id in row.refunds}
        return ShopReport(
            storm=storm,
            wrong=tuple(wrong(self._plan.orders, rows, entries, self._told)),
            ugly=tuple(ugly(shop.log, shop.port)),
            open=left,
            recovered=recovered,
            states=dict(collections.Counter(row.state for row in rows)),
            answers=dict(sorted(answers.items())),
            requests=requests,
            faults=injected,
            cancelled=cancelled_in(shop.log),
            given_back=(len(by_shop), len(refunds - by_shop)),
            stopping=self._stopping,
            seconds=time.monotonic() - began,
            log=shop.log,
        )

    def _environ(self, emulator: VoucherEmulator) -> dict[str, str]:
        storm = self._storm
        return {
            **emulator.environ(),
            "VOUCHER_JOURNAL": f"sqlite:///{self._folder / 'journal.db'}",
            "VOUCHER_SETTLE_WINDOW": str(storm.window),
            "VOUCHER_LIST_LAG": "2",
            "VOUCHER_CLOSE_WAIT": str(storm.close_wait),
            "SHOP_DATABASE": str(self._folder / "shop.db"),
        }

    async def _trade(self, shop: Shop) -> collections.Counter[int]:
        """Let all customers pay; in the middle the shop is stopped, and started again."""
        # each click may so reach any worker
        limits = httpx.Limits(max_keepalive_connections=0)
        async with httpx.AsyncClient(base_url=shop.url, limits=limits, timeout=30.0, trust_env=False) as http:
            customers = Customers(http, random.Random(f"{self._storm.seed}/customers"))
            async with asyncio.TaskGroup() as trading:
                buying = trading.create_task(self._buy(customers))
                self._stopping = await shop.serve(self._is_half_done.wait())
                await shop.serve(asyncio.wait({buying}))
        return customers.answers

    async def _buy(self, customers: Customers) -> None:
        waiting = iter(self._plan.orders)

        async def lane() -> None:
            for order in waiting:
                self._told += await customers.buy(order)
                if 2 * len({each.order for each in self._told}) >= len(self._plan.orders):
                    self._is_half_done.set()

        async with asyncio.TaskGroup() as lanes:
            for _ in range(self._storm.lanes):
                lanes.create_task(lane())

    async def _recover(self, environ: dict[str, str]) -> tuple[int, dict[str, int]]:
        """Settle what is left, in the calm; how many calls that were, and what stays open."""
        async with VoucherClient.from_env(environ) as client:
            found = await client.recover(timeout=_UNTIL_RECOVERED)
            states = [f"{each.parameters.operation} {each.state}" async for each in client.history()]
        ends = ("done", "not done", "not_done")
        left = collections.Counter(state for state in states if not state.endswith(ends))
        return len(found.done) + len(found.not_done) + len(found.open), dict(left)
