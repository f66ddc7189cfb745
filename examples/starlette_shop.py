"""Starlette, with the lifespan of the SDK; run by `uvicorn --app-dir examples starlette_shop:app`."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from voucher_async.integrations.starlette import client_of, exception_handlers, voucher_lifespan


async def pay(request: Request) -> JSONResponse:
    """Pay an order with a voucher; asked again, the answer is the same charge."""
    order, body = request.path_params["order"], await request.json()
    charge = await client_of(request).redeem(
        code=body["code"], amount=body["amount"], currency="EUR", order_number=order, idempotency_key=order
    )
    return JSONResponse({"order": order, "charged": str(charge.amount), "charge": charge.id})


routes = [Route("/orders/{order}/voucher", pay, methods=["POST"])]
app = Starlette(routes=routes, lifespan=voucher_lifespan(), exception_handlers=exception_handlers())
