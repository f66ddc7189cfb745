"""Flask, with one client for all threads; run by `PYTHONPATH=examples waitress-serve wsgi_shop:app`."""

from flask import Flask, Response, jsonify, request

from voucher_async import VoucherError
from voucher_async.integrations.blocking import BlockingVouchers, answer_of

app = Flask(__name__)
vouchers = BlockingVouchers()


@app.post("/orders/<order>/voucher")
def pay(order: str) -> Response:
    """Pay an order with a voucher; asked again, the answer is the same charge."""
    body = request.get_json()
    payment = {"code": body["code"], "amount": body["amount"], "currency": "EUR", "order_number": order}
    charge = vouchers.redeem(**payment, idempotency_key=order)
    return jsonify(order=order, charged=str(charge.amount), charge=charge.id)


@app.errorhandler(VoucherError)
def refuse(error: VoucherError) -> tuple[str, int, dict[str, str]]:
    """Answer an error with problem details."""
    return answer_of(error)
