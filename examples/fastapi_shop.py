"""A shop's backend with FastAPI: one client for the whole application, errors as problem details.

make emulator                                  # and export what it prints
uvicorn --app-dir examples fastapi_shop:app    # needs: pip install voucher-async[fastapi] uvicorn
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Body, FastAPI

from voucher_async.integrations.fastapi import (
    PROBLEM_RESPONSES,
    IdempotencyKey,
    Vouchers,
    exception_handlers,
    voucher_lifespan,
)

app = FastAPI(lifespan=voucher_lifespan(), exception_handlers=exception_handlers())
Text = Annotated[str, Body()]
Answer = dict[str, str]


@app.post("/orders/{order}/voucher", responses=PROBLEM_RESPONSES)
async def pay(order: str, code: Text, amount: Text, vouchers: Vouchers, key: IdempotencyKey) -> Answer:
    """Pay an order with a voucher; asked again, the answer is the same charge."""
    charge = await vouchers.redeem(
        code=code, amount=amount, currency="EUR", order_number=order, idempotency_key=key.of(order)
    )
    return {"order": order, "charged": str(charge.amount), "charge": charge.id}
