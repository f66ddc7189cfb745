"""aiohttp.web: one client for an application, and its errors as problem details.

    app = web.Application()
    setup(app)

    async def pay(request):
        charge = await client_of(request).redeem(...)

Applications that are added to this one reach the client, too.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from aiohttp import web

from voucher_async.client import VoucherClient
from voucher_async.errors import ConfigurationError, VoucherError
from voucher_async.integrations.problems import CONTENT_TYPE, Problem, log_answer, problem_of

__all__ = ["client_of", "setup"]

_CLIENT: Final = web.AppKey("voucher_async_client", VoucherClient)


def setup(
    app: web.Application,
    make: Callable[[], VoucherClient] = VoucherClient.from_env,
    *,
    translate: Callable[[Problem], Problem] | None = None,
) -> None:
    """Open a client when the application starts, close it when it stops, and answer the SDK's errors.

    Closing waits for money calls under way for `Settings.close_wait` seconds. What is answered with a status
    of 5xx is logged, with the error; see `log_answer`. An error after an answer has begun, as in a
    websocket, goes on to aiohttp, which breaks the connection off.

    Args:
        app: the application; it does not run yet.
        make: makes the client; default: `VoucherClient.from_env`.
        translate: makes the problem that is answered of the one that was found.
    """

    async def opened(app: web.Application) -> AsyncIterator[None]:
        async with make() as app[_CLIENT]:
            yield

    @web.middleware
    async def answered(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        try:
            return await handler(request)
        except VoucherError as error:
            if request.writer.output_size > 0:
                raise  # a second answer would be taken for a part of the first
            problem = problem_of(error)
            log_answer(error, problem, request.method)
            return _response(problem if translate is None else translate(problem))

    app.cleanup_ctx.append(opened)
    app.middlewares.append(answered)


def client_of(request: web.Request) -> VoucherClient:
    """The application's client.

    Raises:
        ConfigurationError: the application was not set up.
    """
    client = request.config_dict.get(_CLIENT)
    if client is None:
        raise ConfigurationError("no VoucherClient here: call setup(app) before the application runs")
    return client


def _response(problem: Problem) -> web.Response:
    return web.Response(
        body=json.dumps(problem.to_dict()).encode(),
        status=problem.status,
        headers=problem.headers,
        content_type=CONTENT_TYPE,
    )
