"""A shop whose checkouts are workflows, as examples/temporal_checkout.py has them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import attrs
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from examples.temporal_checkout import Checkout, Order
from tests.examples.workers import Shop, Worker
from tests.temporal.server import Server
from voucher_async.testing import VoucherEmulator

__all__ = ["COMMAND", "Checkouts", "Handle", "opened"]

COMMAND: Final = ("examples.temporal_checkout",)
Handle = WorkflowHandle[Checkout, str | None]


@attrs.frozen(eq=False)
class Checkouts:
    """The shop's side: it begins checkouts, and hears of cards.

    Attributes:
        shop: has the orders, and runs the workers.
        temporal: its connection.
    """

    shop: Shop
    temporal: Client

    @property
    def emulator(self) -> VoucherEmulator:
        return self.shop.emulator

    async def begin(self, order: Order | str, *, workflow_id: str | None = None) -> Handle:
        """Begin the checkout of an order."""
        order = Order(order) if isinstance(order, str) else order
        return await self.temporal.start_workflow(
            Checkout.run, order, id=workflow_id or order.number, task_queue="checkouts"
        )

    async def held(self, number: str, amount: str = "10.00") -> Handle:
        """Take an order, and wait until its voucher is held."""
        handle = await self.begin(self.shop.order(number, amount))
        async with asyncio.timeout(150):
            while not await self.is_held(handle):
                await asyncio.sleep(0.25)
        return handle

    async def is_held(self, handle: Handle) -> bool:
        """Ask whether an order's voucher is held; False where no worker answers in time."""
        try:
            return await handle.query(Checkout.is_held)
        except RPCError as error:
            if error.status not in {RPCStatusCode.CANCELLED, RPCStatusCode.DEADLINE_EXCEEDED}:
                raise
            return False

    async def charging(self, number: str) -> Handle:
        """Take an order and authorize its card, and wait until the API has charged it."""
        handle = await self.held(number)
        await handle.signal(Checkout.card_authorized)
        await self.shop.charged(number)
        return handle

    async def results(self, handle: Handle) -> tuple[str | None, ...]:
        """The results of a checkout's activities, as the history has them."""
        ended = [
            each.activity_task_completed_event_attributes.result.payloads[0].data
            async for each in handle.fetch_history_events()
            if each.HasField("activity_task_completed_event_attributes")
        ]
        return tuple(json.loads(each) if each else None for each in ended)

    def worker(self, *command: str) -> contextlib.AbstractAsyncContextManager[Worker]:
        """A worker, which is killed at the end if it still runs."""
        return self.shop.worker(command or COMMAND)

    def asked(self, operation: str) -> int:
        """How many requests of an operation the API has answered."""
        return len([each for each in self.emulator.requests if each.operation_id == operation])


@contextlib.asynccontextmanager
async def opened(server: Server, namespace: str, folder: Path, **variables: str) -> AsyncIterator[Checkouts]:
    """A shop with an emulator, in a namespace of a server; in the end, no code was told anywhere."""
    folder.mkdir()
    environ = {"TEMPORAL_ADDRESS": server.address, "TEMPORAL_NAMESPACE": namespace, **variables}
    with VoucherEmulator() as emulator:
        shop = Shop(folder, emulator, "redis://127.0.0.1:1", environ=environ)
        yield Checkouts(shop, await server.client(namespace))
        shop.check()
        stored = server.stored()
        assert all(number.encode() in stored for number in shop.numbers())  # it is readable
        assert not [code for code in shop.codes if code.encode() in stored]
