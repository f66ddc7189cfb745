"""The engine behind an aiohttp application on a loopback port."""

from __future__ import annotations

import json
from email.utils import format_datetime
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from voucher_async.testing._engine import Call
from voucher_async.testing._refusals import Refusal

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

    from voucher_async.testing._engine import Engine
    from voucher_async.testing._state import Outcome

__all__ = ["Server"]

_LARGEST_BODY = 2**20  # bytes
_SHUTDOWN = 0.1  # seconds that a request under way may still take when the server stops


class Server:
    """Serves an engine over HTTP.

    Args:
        engine: what answers.
        host: the address to listen on.
        port: the port to listen on, 0 for any free one.
    """

    def __init__(self, engine: Engine, host: str, port: int) -> None:
        self._engine = engine
        self.host = host
        self.port = port
        self._runner: web.AppRunner | None = None

    @property
    def running(self) -> bool:
        """Whether it listens."""
        return self._runner is not None

    async def start(self) -> None:
        """Listen; `port` is then the port it listens on, and taken again by the next start."""
        # A middleware sees what no route would match, such as a line break in a path.
        application = web.Application(middlewares=[self._handle], client_max_size=_LARGEST_BODY)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=_SHUTDOWN)
        await runner.setup()
        try:
            await web.TCPSite(runner, self.host, self.port).start()
        except BaseException:
            await runner.cleanup()
            raise
        self.port = int(runner.addresses[0][1])
        self._runner = runner

    async def stop(self) -> None:
        """Close the port and every connection; does nothing when it does not listen."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    @web.middleware
    async def _handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The one way from a request to its answer: read, decide, commit, respond."""
        del handler  # there is no route behind this
        call = await _receive(request)
        decision = self._engine.decide(call)
        self._engine.commit(call, decision)
        return self._respond(decision.outcome)

    def _respond(self, outcome: Outcome) -> web.Response:
        headers = {**outcome.headers, "Date": format_datetime(self._engine.now(), usegmt=True)}
        if outcome.body is None:
            return web.Response(status=outcome.status, headers=headers)
        body = json.dumps(outcome.body).encode()
        return web.Response(
            status=outcome.status, headers=headers, body=body, content_type="application/json"
        )


async def _receive(request: web.Request) -> Call:
    body, problem = await _read(request)
    return Call(
        method=request.method,
        raw_path=request.rel_url.raw_path,
        query=dict(request.query.items()),
        authorization=request.headers.get("Authorization"),
        content_type=request.headers.get("Content-Type"),
        body=body,
        problem=problem,
    )


async def _read(request: web.Request) -> tuple[bytes, Refusal | None]:
    try:
        return await request.read(), None
    except web.HTTPRequestEntityTooLarge:
        return b"", Refusal(413, "PAYLOAD_TOO_LARGE", "The body is too large.")
    except (HttpProcessingError, web.RequestPayloadError, ConnectionResetError):
        return b"", Refusal(400, "MALFORMED_BODY", "The body cannot be read.")
