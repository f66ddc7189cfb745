"""Quart, in a VoucherMiddleware; run by `PYTHONPATH=examples hypercorn quart_shop:app`, or uvicorn."""

from quart import Quart, Response, jsonify, request

from voucher_async import VoucherError
from voucher_async.integrations.asgi import VoucherMiddleware, answer_of, client_of

shop = Quart(__name__)
app = VoucherMiddleware(shop)


@shop.post("/orders/<order>/voucher")
async def pay(order: str) -> Response:
    """Pay an order with a voucher; asked again, the answer is the same charge."""
    body = await request.get_json()
    payment = {"code": body["code"], "amount": body["amount"], "currency": "EUR", "order_number": order}
    charge = await client_of(request.scope).redeem(**payment, idempotency_key=order)
    return jsonify(order=order, charged=str(charge.amount), charge=charge.id)


@shop.errorhandler(VoucherError)
async def refuse(error: VoucherError) -> tuple[str, int, dict[str, str]]:
    """Answer an error with problem details."""
    return answer_of(error)
