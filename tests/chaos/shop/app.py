"""A shop: `uvicorn tests.chaos.shop.app:app --workers 2`. `SHOP_DATABASE` is the file of its orders.

An order is marked as paid once the SDK has answered, in a transaction of the shop's own.
"""

from __future__ import annotations

import asyncio
import os
from decimal import Decimal
from typing import Annotated

from fastapi import Body, FastAPI

from tests.chaos.shop.orders import Orders, Row
from tests.chaos.shop.plan import CURRENCY
from voucher_async import Charge, Timeout, VoucherClient, VoucherError
from voucher_async.integrations.fastapi import (
    PROBLEM_RESPONSES,
    IdempotencyKey,
    Vouchers,
    exception_handlers,
    problem_of,
    voucher_lifespan,
)

Answer = dict[str, str]


def make_client() -> VoucherClient:
    """The client of a worker."""
    return VoucherClient.from_env(timeout=Timeout(total=10.0, connect=1.0, read=2.0))


app = FastAPI(lifespan=voucher_lifespan(make_client), exception_handlers=exception_handlers())
orders = Orders(os.environ["SHOP_DATABASE"])


async def refuse(order: Row, error: VoucherError) -> None:
    """Mark an order as unpaid where its voucher was refused; after anything else the customer asks again."""
    if problem_of(error).kind == "voucher-refused":
        await asyncio.to_thread(orders.refuse, order.number)


async def paid(order: Row, *charges: Charge) -> Answer:
    """Mark an order as paid; what was taken from vouchers, by the charge's id. The card pays the rest."""
    amounts = {each.id: each.amount for each in charges}
    await asyncio.to_thread(orders.pay, order.number, charges, order.total - sum(amounts.values()))
    return {id: str(amount) for id, amount in amounts.items()}


@app.post("/orders/{number}/voucher", responses=PROBLEM_RESPONSES)
async def pay_by_voucher(
    number: str, codes: Annotated[list[str], Body(embed=True)], vouchers: Vouchers, key: IdempotencyKey
) -> Answer:
    """Pay an order with one voucher."""
    order = await asyncio.to_thread(orders.read, number)
    try:
        charge = await vouchers.redeem(
            code=codes[0],
            amount=order.total,
            currency=CURRENCY,
            order_number=number,
            idempotency_key=key.of(number),
        )
    except VoucherError as error:
        await refuse(order, error)
        raise
    return await paid(order, charge)


@app.post("/orders/{number}/checkout", responses=PROBLEM_RESPONSES)
async def pay_by_vouchers_and_card(
    number: str, codes: Annotated[list[str], Body(embed=True)], vouchers: Vouchers, key: IdempotencyKey
) -> Answer:
    """Pay an order with its vouchers, at most four fifths of it, and the rest by card."""
    order = await asyncio.to_thread(orders.read, number)
    most = (order.total * 4 / 5).quantize(Decimal("0.01"))
    beginning = vouchers.checkout(order_number=number, currency=CURRENCY, idempotency_key=key.of(number))
    try:
        async with beginning as checkout:
            for code in codes:
                if rest := most - checkout.reserved:
                    await checkout.reserve(code=code, amount=rest, allow_partial=True)
            charges = await checkout.charge()
    except VoucherError as error:
        await refuse(order, error)
        raise
    return await paid(order, *charges)


@app.post("/orders/{number}/refund", responses=PROBLEM_RESPONSES)
async def give_back(number: str, amount: Annotated[Decimal, Body(embed=True)], vouchers: Vouchers) -> Answer:
    """Give back a part of the first charge of an order."""
    order = await asyncio.to_thread(orders.read, number)
    charge = order.charges[0]
    refund = await vouchers.charges.refund(
        charge, min(amount, charge.amount), currency=CURRENCY, idempotency_key=f"return/{number}"
    )
    await asyncio.to_thread(orders.give_back, number, refund.id, refund.amount)
    return {refund.id: str(refund.amount)}
