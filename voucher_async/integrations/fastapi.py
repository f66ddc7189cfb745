"""FastAPI: the client as a dependency, errors as problem details, keys from a header.

    app = FastAPI(lifespan=voucher_lifespan(), exception_handlers=exception_handlers())

    @app.post("/orders/{order}/voucher", responses=PROBLEM_RESPONSES)
    async def pay(order: str, code: str, vouchers: Vouchers) -> Charge:
        return await vouchers.redeem(
            code=code, amount="10.00", currency="EUR", order_number=order, idempotency_key=order
        )

A handler that is cancelled, as by a server that stops, loses nothing: a charge under way is finished in the
background, and who asks again with its key gets it. The answer to the cancelled request says so (503).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from typing import Annotated, Any, Final
from urllib.parse import quote

try:
    from fastapi import Depends, Header
    from fastapi.requests import HTTPConnection, Request
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        'voucher_async.integrations.fastapi needs fastapi: pip install "voucher-async[fastapi]"',
        name="fastapi",
    ) from None

from voucher_async.client import VoucherClient
from voucher_async.errors import InvalidInput
from voucher_async.integrations.problems import CONTENT_TYPE, HandlerCancelled, Problem, problem_of
from voucher_async.integrations.starlette import (
    client_of,
    exception_handlers,
    problem_response,
    voucher_lifespan,
)

__all__ = [
    "PROBLEM_RESPONSES",
    "IdempotencyKey",
    "PaymentKey",
    "Problem",
    "Vouchers",
    "client_of",
    "exception_handlers",
    "payment_key",
    "problem_of",
    "problem_response",
    "voucher_lifespan",
]

_LONGEST: Final = 255  # characters of a key of the SDK
_LONGEST_HEADER: Final = 128


async def _client(connection: HTTPConnection) -> AsyncGenerator[VoucherClient]:
    """The application's client, for a handler whose cancellation is answered."""
    try:
        yield client_of(connection)
    except asyncio.CancelledError:
        if not isinstance(connection, Request):
            raise  # a websocket has no response
        # the server would answer with a bare 500, and log where in the SDK each request was
        raise HandlerCancelled(
            "the handler was cancelled, as the server stops: what it had asked for goes on, and is told to "
            "whoever asks again with the same key"
        ) from None


Vouchers = Annotated[VoucherClient, Depends(_client)]
"""The application's client, as the type of a handler's parameter."""


class PaymentKey:
    """The idempotency key of a request, which names a payment of an order only together with the order.

    Args:
        header: the value of `Idempotency-Key`; None where the request has none.

    Raises:
        InvalidInput: the value is no key.
    """

    def __init__(self, header: str | None = None) -> None:
        key = None if header is None else header.strip().removeprefix('"').removesuffix('"')
        if key is not None and not (0 < len(key) <= _LONGEST_HEADER and key.isascii() and key.isprintable()):
            rule = f"must be 1 to {_LONGEST_HEADER} printable ASCII characters"
            raise InvalidInput("Idempotency-Key", rule, header)
        self._key = key

    def of(self, order_number: str) -> str:
        """The key for a payment of an order; that of another order is never the same.

        Without a header it is the order's own: the order is paid once. With one, an order may have several
        payments, each with a key that the page makes when it is shown, and keeps.

        Args:
            order_number: the shop's own number, which the customer cannot choose.
        """
        joined = quote(order_number, safe="")
        if self._key is not None:
            joined += f"/{quote(self._key, safe='')}"
        if len(joined) <= _LONGEST:
            return joined
        return f"sha256/{hashlib.sha256(joined.encode()).hexdigest()}"


def payment_key(idempotency_key: Annotated[str | None, Header()] = None) -> PaymentKey:
    """The idempotency key that a request has in its header; a dependency, see `IdempotencyKey`."""
    return PaymentKey(idempotency_key)


IdempotencyKey = Annotated[PaymentKey, Depends(payment_key)]
"""The request's `PaymentKey`, as the type of a handler's parameter."""


def _documented(description: str) -> dict[str, Any]:
    names = ("type", "title", "detail")
    properties: dict[str, Any] = {
        **{name: {"type": "string"} for name in names},
        "status": {"type": "integer"},
        "charged": {
            "type": ["boolean", "null"],
            "description": "false: proved not to be charged; null: not known, or not asked",
        },
        "fields": {"type": "object", "additionalProperties": {"type": "string"}},
    }
    schema = {"type": "object", "required": [*names, "status", "charged"], "properties": properties}
    return {"description": description, "content": {CONTENT_TYPE: {"schema": schema}}}


PROBLEM_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    409: _documented("Under way (ask again), refunded, or the reservation is over"),
    422: _documented("The voucher cannot be used, or a value cannot be right"),
    503: _documented("Not available, or not known yet whether it was charged (ask again with the same data)"),
}
"""The SDK's errors in the application's own OpenAPI, for `responses=` of a route."""
