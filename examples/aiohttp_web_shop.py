"""aiohttp.web, with a client that `setup` opens and closes; run by `python examples/aiohttp_web_shop.py`."""

from aiohttp import web

from voucher_async.integrations.aiohttp_web import client_of, setup


async def pay(request: web.Request) -> web.Response:
    """Pay an order with a voucher; asked again, the answer is the same charge."""
    order, body = request.match_info["order"], await request.json()
    charge = await client_of(request).redeem(
        code=body["code"], amount=body["amount"], currency="EUR", order_number=order, idempotency_key=order
    )
    return web.json_response({"order": order, "charged": str(charge.amount), "charge": charge.id})


app = web.Application()
app.router.add_post("/orders/{order}/voucher", pay)
setup(app)

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1", port=8000)
