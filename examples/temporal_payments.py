"""The activities of the Temporal workers beside this file, each one call, and the process that runs them."""

import asyncio
import os
import signal
import sqlite3
from collections.abc import Coroutine
from contextlib import closing
from datetime import timedelta
from typing import Any, Final, TypeVar

from temporalio import activity
from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from examples.queue_payment import pay
from voucher_async import VoucherClient, VoucherError
from voucher_async.integrations.problems import problem_of

T = TypeVar("T")
LIMIT: Final = timedelta(seconds=60)  # of an activity: longer than the client's `timeout`, 30 s
SILENCE: Final = timedelta(seconds=10)  # after which Temporal takes a worker for dead


class Payments:
    """The activities: told an order's number alone, they share the worker's client."""

    def __init__(self, client: VoucherClient) -> None:
        self.client = client

    @activity.defn
    async def hold(self, number: str) -> None:
        """Reserve the amount, or reserve it anew: the newer reservation ends the older one."""
        is_open = "SELECT code, amount FROM orders WHERE number = ? AND charge_id IS NULL"
        with closing(sqlite3.connect(os.environ["SHOP_DATABASE"])) as db:
            order = db.execute(is_open, [number]).fetchone()
        if order:
            code, amount = order
            await answer(self.client.reservations.create(code=code, amount=amount, currency="EUR"))

    @activity.defn
    async def charge(self, number: str) -> str:
        """Charge it and mark the order as paid; run again, it returns that charge: the number is the key."""
        return await answer(pay(self.client, number))


async def answer(call: Coroutine[Any, Any, T]) -> T:
    """Await a call, while Temporal is told that the worker lives; an error says whether to run it again."""
    beats = asyncio.create_task(beat())
    try:
        return await call
    except VoucherError as error:
        is_final = problem_of(error).retry_after is None
        raise ApplicationError(str(error), type=type(error).__name__, non_retryable=is_final) from None
    finally:
        beats.cancel()


async def beat() -> None:
    while True:
        activity.heartbeat()
        await asyncio.sleep(3)


async def serve(queue: str, *workflows: type) -> None:
    """Run a worker until it is asked to stop."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    temporal = await Client.connect(**ClientConfig.load_client_connect_config())  # TEMPORAL_ADDRESS and so on
    async with VoucherClient.from_env() as vouchers:
        payments = Payments(vouchers)
        async with Worker(
            temporal,
            task_queue=queue,
            workflows=workflows,
            activities=[payments.hold, payments.charge],
            graceful_shutdown_timeout=LIMIT,  # activities under way end before the client is closed
        ):
            await stopping.wait()
