"""Starlette: one client for an application, and its errors as problem details.

    app = Starlette(routes=..., lifespan=voucher_lifespan(), exception_handlers=exception_handlers())

    async def pay(request):
        charge = await client_of(request).redeem(...)

The client is in the lifespan's state, so mounted applications reach it, too: their own lifespans never run.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any, TypeAlias

try:
    from starlette.requests import HTTPConnection, Request
    from starlette.responses import JSONResponse, Response
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        'voucher_async.integrations needs starlette: pip install "voucher-async[fastapi]"', name="starlette"
    ) from None

from voucher_async.client import VoucherClient
from voucher_async.errors import ConfigurationError, VoucherError
from voucher_async.integrations.asgi import STATE
from voucher_async.integrations.problems import CONTENT_TYPE, Problem, log_answer, problem_of

__all__ = ["client_of", "exception_handlers", "problem_response", "voucher_lifespan"]

Lifespan: TypeAlias = Callable[[Any], AbstractAsyncContextManager[Mapping[str, Any]]]
InnerLifespan: TypeAlias = Callable[[Any], AbstractAsyncContextManager[Mapping[str, Any] | None]]
Handler: TypeAlias = Callable[[Any, Any], Coroutine[Any, Any, Response]]


def voucher_lifespan(
    make: Callable[[], VoucherClient] = VoucherClient.from_env, *, inner: InnerLifespan | None = None
) -> Lifespan:
    """A lifespan that opens a client when the application starts, and closes it when it stops.

    Closing waits for money calls under way for `Settings.close_wait` seconds: give the server a longer grace.

    Args:
        make: makes the client; default: `VoucherClient.from_env`.
        inner: the application's own lifespan, which runs inside; what it yields is kept.
    """

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncGenerator[Mapping[str, Any]]:
        own: AbstractAsyncContextManager[Mapping[str, Any] | None]
        own = nullcontext() if inner is None else inner(app)
        async with make() as client, own as state:
            yield {**(state or {}), STATE: client}

    return lifespan


def client_of(connection: HTTPConnection) -> VoucherClient:
    """The application's client, for a request or a websocket.

    Raises:
        ConfigurationError: the application has no `voucher_lifespan`, or its server runs no lifespan.
    """
    client = getattr(connection.state, STATE, None)
    if not isinstance(client, VoucherClient):
        raise ConfigurationError(
            "no VoucherClient here: give the application lifespan=voucher_lifespan(), and a server that runs "
            "lifespans (a TestClient does inside `with`)"
        )
    return client


def problem_response(problem: Problem) -> JSONResponse:
    """A problem as a response."""
    return JSONResponse(
        problem.to_dict(), status_code=problem.status, headers=problem.headers, media_type=CONTENT_TYPE
    )


def exception_handlers(
    translate: Callable[[Problem], Problem] | None = None,
) -> dict[Any, Handler]:
    """Handlers that answer the SDK's errors with problem details; see `problem_of`.

    What is answered with a status of 5xx is logged, with the error; see `log_answer`.

    Args:
        translate: makes the problem that is answered of the one that was found, such as one in another
            language or with another status.
    """

    async def answer(request: HTTPConnection, error: Exception) -> Response:
        if not isinstance(error, VoucherError) or not isinstance(request, Request):
            raise error  # a websocket has no response
        problem = problem_of(error)
        log_answer(error, problem, request.method)
        return problem_response(problem if translate is None else translate(problem))

    return {VoucherError: answer}
