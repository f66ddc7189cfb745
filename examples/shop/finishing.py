"""Payments that were cut off: finished when the shop starts, and every few seconds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

from voucher_async import VoucherClient, VoucherError

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
        working = asyncio.create_task(_work(client, orders, every))
        try:
            yield
        finally:
            working.cancel()
            await asyncio.wait({working})
            orders.database.dispose()

    return lifespan


async def _work(client: VoucherClient, orders: Orders, every: float) -> None:
    await asyncio.gather(_finish(client, orders, every), _look_for_others(client, orders))


async def _finish(client: VoucherClient, orders: Orders, every: float) -> None:
    older_than = 0.0  # at the start nobody else is at them
    while True:
        for number, state in await asyncio.to_thread(orders.unfinished, older_than):
            ask_again = payments.ask_again if state == "paying" else payments.refund
            try:
                await ask_again(client, orders, number)
            except Exception:  # noqa: BLE001 - one order must not keep the others waiting
                _log.exception("order %s could not be finished", number)
        await asyncio.sleep(every)
        older_than = _FRESH


async def _look_for_others(client: VoucherClient, orders: Orders) -> None:
    """Report charges of which the shop was never told, though none of its orders asks for them."""
    try:
        await client.recover(timeout=90.0)
        async for record in client.history(told=False):
            state = await asyncio.to_thread(orders.state, record.order_number or "")
            if state not in {"paying", "refunding"}:
                _log.error("order %s (%s): a charge that it does not know of", record.order_number, state)
    except VoucherError as error:
        _log.warning("recovery goes on later: %s", error)
