"""Litestar, in a VoucherMiddleware; run by `uvicorn --app-dir examples litestar_shop:app`."""

from litestar import Litestar, Response, post
from litestar.params import FromPath, JSONBody
from litestar.types import Scope

from voucher_async import VoucherError
from voucher_async.integrations.asgi import VoucherMiddleware, answer_of, client_of


@post("/orders/{order:str}/voucher", status_code=200)
async def pay(order: FromPath[str], data: JSONBody[dict[str, str]], scope: Scope) -> dict[str, str]:
    """Pay an order with a voucher; asked again, the answer is the same charge."""
    charge = await client_of(scope).redeem(
        code=data["code"], amount=data["amount"], currency="EUR", order_number=order, idempotency_key=order
    )
    return {"order": order, "charged": str(charge.amount), "charge": charge.id}


def refuse(_: object, error: VoucherError) -> Response[str]:
    content, status, headers = answer_of(error)
    return Response(content, status_code=status, headers=headers)


app = VoucherMiddleware(Litestar([pay], exception_handlers={VoucherError: refuse}))
