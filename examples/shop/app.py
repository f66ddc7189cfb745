"""The application: `uvicorn --factory examples.shop.app:create_app`.

`SHOP_DATABASE` is the URL of the shop's own database, `VOUCHER_JOURNAL` that of the journal, and the other
variables are those of `VoucherClient.from_env()`.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI, HTTPException, Request
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException as AnyHTTPException
from starlette.responses import HTMLResponse

from voucher_async import VoucherClient, VoucherError
from voucher_async.integrations.fastapi import problem_of, voucher_lifespan
from voucher_async.integrations.problems import log_answer

from . import browsing, ordering
from .database import open_database
from .finishing import finishing
from .orders import Orders
from .pages import show
from .visits import Visits

if TYPE_CHECKING:
    from starlette.responses import Response

    from voucher_async import Clock

__all__ = ["create_app"]

_STATIC: Final = Path(__file__).parent / "static"
_WORDS: Final = {
    403: "This form was sent by another site.",
    404: "There is nothing here, or it is not yours.",
    413: "This form is too long.",
    503: "The shop was interrupted. Look at your order before you pay again: it is paid once, or not at all.",
}


def create_app(clock: Clock | None = None) -> FastAPI:
    """Make the application.

    Args:
        clock: the time for the client and for the shop; None: the system's.
    """
    now = time.time if clock is None else (lambda: clock.now().timestamp())
    orders = Orders(open_database(os.environ["SHOP_DATABASE"]), now)
    # a page is answered before a customer gives up: what takes longer goes on, and the page says so
    client = VoucherClient.from_env(timeout=10.0, clock=clock)
    every = float(os.environ.get("SHOP_FINISHES_EVERY", "5"))
    app = FastAPI(
        lifespan=voucher_lifespan(lambda: client, inner=finishing(client, orders, every)),
        exception_handlers={AnyHTTPException: _say, VoucherError: _say_so},
        openapi_url=None,
    )
    app.state.orders = orders
    app.add_middleware(Visits)
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    app.include_router(browsing.router)
    app.include_router(ordering.router)
    return app


async def _say(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException | AnyHTTPException) else 500
    words = _WORDS.get(status, "That did not work.")
    return HTMLResponse(show("problem", title=words), status_code=status)


async def _say_so(request: Request, error: VoucherError) -> Response:
    """Answer what no route has caught: a handler that was cancelled, as by a server that stops."""
    problem = problem_of(error)
    log_answer(error, problem, request.method)
    return await _say(request, HTTPException(problem.status))
