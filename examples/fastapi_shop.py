"""A shop's backend with FastAPI: one client for the whole application, errors turned into HTTP answers.

make emulator                                  # and export what it prints
uvicorn --app-dir examples fastapi_shop:app    # needs: pip install voucher-async[fastapi] uvicorn
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, cast

from fastapi import Body, Depends, FastAPI, Request
from fastapi.responses import JSONResponse

from voucher_async import ApiError, InvalidInput, OutcomeUnknown, RateLimited, ServerError, VoucherClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the client when the application starts, close it when it stops."""
    async with VoucherClient.from_env() as app.state.vouchers:
        yield


def vouchers(request: Request) -> VoucherClient:
    """The application's client."""
    return cast("VoucherClient", request.app.state.vouchers)


app = FastAPI(lifespan=lifespan)
Text = Annotated[str, Body()]


@app.post("/orders/{order_number}/voucher")
async def pay(
    order_number: str, code: Text, amount: Text, client: Annotated[VoucherClient, Depends(vouchers)]
) -> dict[str, str]:
    """Pay an order with a voucher."""
    charge = await client.redeem(code=code, amount=amount, currency="EUR", order_number=order_number)
    return {"order": order_number, "charged": str(charge.amount), "charge": charge.id}


@app.exception_handler(InvalidInput)
async def bad_input(_: Request, error: InvalidInput) -> JSONResponse:
    """What the customer typed cannot be right; nothing was sent."""
    return JSONResponse({"error": "invalid", "field": error.field, "rule": error.rule}, 422)


@app.exception_handler(ApiError)
async def refused(_: Request, error: ApiError) -> JSONResponse:
    """The voucher cannot pay this: unknown code, too little on it, expired. Nothing was charged."""
    if isinstance(error, (RateLimited, ServerError)):
        return JSONResponse({"error": "try again later"}, 503)
    return JSONResponse({"error": "refused", "code": error.code}, 409)


@app.exception_handler(OutcomeUnknown)
async def unknown(_: Request, error: OutcomeUnknown) -> JSONResponse:
    """Perhaps charged, perhaps not: keep the order open until `error.pending` was looked up."""
    return JSONResponse({"error": "pending", "order": error.pending.order_number}, 202)
