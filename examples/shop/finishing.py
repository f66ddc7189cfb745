"""Payments that were cut off: finished when the shop starts, and every few seconds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, Final

from voucher_async import VoucherClient

from . import payments
from .orders import Orders

__all__ = ["finishing"]

_FRESH: Final = 15.0  # seconds for which a payment is left to the request that began it

_log: Final = logging.getLogger("shop")


def finishing(
    client: VoucherClient, orders: Orders, every: float
) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """A lifespan in which payments and refunds that were cut off are finished.

    Args:
        client: asks for their charges.
        orders: the orders.
        every: seconds between two rounds.
    """

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        work = (_finish(client, orders, every), _look_for_others(client, orders))
        tasks = [asyncio.create_task(each) for each in work]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            orders.database.dispose()

    return lifespan


async def _finish(client: VoucherClient, orders: Orders, every: float) -> None:
    older_than = 0.0  # at the start nobody else is at them
    while True:
        with _logged("unfinished orders could not be read"):
            for number, state in await asyncio.to_thread(orders.unfinished, older_than):
                with _logged(f"order {number} could not be finished"):  # and the others do not wait for it
                    ask_again = payments.ask_again if state == "paying" else payments.refund
                    await ask_again(client, orders, number)
        await asyncio.sleep(every)
        older_than = _FRESH


@contextmanager
def _logged(what: str) -> Iterator[None]:
    try:
        yield
    except Exception:  # noqa: BLE001 - whatever it was, the task goes on
        _log.exception(what)


async def _look_for_others(client: VoucherClient, orders: Orders) -> None:
    """Report charges of which the shop was never told, though none of its orders asks for them."""
    with _logged("recovery goes on later"):
        await client.recover(timeout=90.0)
        async for record in client.history(told=False):
            state = await asyncio.to_thread(orders.state, record.order_number or "")
            if state not in {"paying", "refunding"}:
                _log.error("order %s (%s): a charge that it does not know of", record.order_number, state)
