"""Django, in a VoucherMiddleware; run by uvicorn, or by `PYTHONPATH=examples daphne django_shop:app`."""

import json

from django import conf, http, urls
from django.core.asgi import get_asgi_application

from voucher_async import VoucherError
from voucher_async.integrations.asgi import VoucherMiddleware, answer_of, client_of


async def pay(request: http.HttpRequest, order: str) -> http.HttpResponse:
    body = json.loads(request.body)
    payment = {"code": body["code"], "amount": body["amount"], "currency": "EUR", "order_number": order}
    try:
        charge = await client_of(request.scope).redeem(**payment, idempotency_key=order)
    except VoucherError as error:
        content, status, headers = answer_of(error)
        return http.HttpResponse(content, status=status, headers=headers)
    return http.JsonResponse({"order": order, "charged": str(charge.amount), "charge": charge.id})


urlpatterns = [urls.path("orders/<order>/voucher", pay)]
conf.settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["127.0.0.1"])
app = VoucherMiddleware(get_asgi_application())
