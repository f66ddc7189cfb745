"""A checkout as a workflow: the voucher is held while the customer pays by card, then charged or let go.

uvicorn examples.workflow_checkout:app                                            # the shop
voucher-async worker examples.workflow_checkout:vouchers --executor-id worker-1   # and workers

It may take an hour, and crashes and deployments in between: the workflow goes on where it was.
"""

import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Annotated, Any

from dbos import DBOS
from fastapi import Body, FastAPI

from voucher_async import VoucherError
from voucher_async.integrations.dbos import Executor, VoucherCode, VoucherWorkflows

HOLD = float(os.environ.get("HOLD_SECONDS", "1500"))  # a reservation lasts 30 minutes
HOLDS = 3  # then the customer has waited for too long
Text = Annotated[str, Body()]


def shop(statement: str, *values: str) -> list[Any]:
    with closing(sqlite3.connect(os.environ["SHOP_DATABASE"], timeout=30)) as db, db:
        return db.execute(statement, values).fetchall()


def codes_of(number: str) -> list[VoucherCode]:
    """Read within a step, so that DBOS stores no code: it stores the order's number."""
    return [VoucherCode(code) for (code,) in shop("SELECT code FROM orders WHERE number = ?", number) if code]


vouchers = VoucherWorkflows(codes_of)


@DBOS.workflow()
async def check_out(number: str, amount: str) -> str:
    """Pay the part of an order that its voucher covers, once its card payment has ended."""
    part = {"order_number": number, "amount": amount, "currency": "EUR"}
    try:
        await vouchers.steps.reserve(**part)
        if await card_was_paid(part):
            charge = await vouchers.steps.redeem(**part)
            state = f"paid, {charge.id}"
        else:
            state = "cancelled"  # nothing was charged, and the reservation ends by itself
    except VoucherError:  # spent elsewhere meanwhile, for example
        state = "refused"
    await DBOS.run_step_async({"name": "mark"}, mark, number, state)
    return state


async def card_was_paid(part: dict[str, str]) -> bool:
    """Wait for the webhook of the card payment, and hold the voucher meanwhile."""
    for hold in range(HOLDS):
        if hold:
            await vouchers.steps.reserve(**part, step=f"renew {hold}")
        told = await DBOS.recv_async("card", timeout_seconds=HOLD)
        if told is not None:
            return bool(told == "paid")
    return False


def mark(number: str, state: str) -> None:
    """Mark the order, and delete the code; done twice, it is the same."""
    shop("UPDATE orders SET state = ?, code = NULL WHERE number = ?", state, number)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    slot, database = os.environ["EXECUTOR_ID"], os.environ["VOUCHER_WORKFLOWS"]
    async with Executor(vouchers, executor_id=slot, database=database):
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/orders/{number}/checkout")
async def begin(number: str) -> dict[str, str]:
    """Begin the checkout of an order; asked again, it is the same one."""
    ((amount,),) = shop("SELECT amount FROM orders WHERE number = ?", number)
    await vouchers.start(check_out, number, number, amount)
    return {"order": number, "next": "pay by card"}


@app.post("/webhooks/card")
async def card_webhook(order: Text, state: Text, event: Text) -> None:
    """Tell the workflow how the card payment ended; a webhook that is delivered twice tells it once."""
    shop("UPDATE orders SET card = ? WHERE number = ?", state, order)  # also for a workflow that has ended
    await DBOS.send_async(order, state, topic="card", idempotency_key=event)


@app.get("/cards/to-give-back")
async def cards_to_give_back() -> list[str]:
    """List the orders that were paid by card, but not by their voucher, however late the webhook came."""
    ended = shop("SELECT number FROM orders WHERE card = 'paid' AND state IN ('cancelled', 'refused')")
    return [number for (number,) in ended]
