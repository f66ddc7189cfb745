"""ASGI: one client for any application, also where its framework or its server runs no lifespan.

    app = VoucherMiddleware(get_asgi_application())  # Django

    async def pay(request, order):
        charge = await client_of(request.scope).redeem(...)

Django's application refuses the lifespan protocol, and daphne never speaks it. Nothing is needed but the SDK.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final, TypeAlias

from voucher_async.cancelling import quietly
from voucher_async.client import VoucherClient
from voucher_async.errors import ConfigurationError
from voucher_async.integrations.problems import answer_of

__all__ = ["STATE", "VoucherMiddleware", "answer_of", "client_of"]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]

STATE: Final = "voucher_async_client"
"""The client's name in `scope["state"]`."""

_FAILED: Final = "lifespan.shutdown.failed"

_logger: Final = logging.getLogger("voucher_async")


def client_of(scope: Mapping[str, Any]) -> VoucherClient:
    """The application's client, for a request or a websocket.

    Args:
        scope: the connection's; frameworks have it as `request.scope`.

    Raises:
        ConfigurationError: the application is not wrapped in `VoucherMiddleware`.
    """
    client = scope.get("state", {}).get(STATE)
    if not isinstance(client, VoucherClient):
        raise ConfigurationError(
            "no VoucherClient here: wrap the ASGI application, app = VoucherMiddleware(app), and serve that"
        )
    return client


class VoucherMiddleware:
    """An application with a client in the state of each of its connections.

    The client is opened when the server starts the lifespan, before that of the wrapped application, and
    closed when it has ended. An application that knows no lifespan has the client, too. Closing waits for
    money calls under way for `Settings.close_wait` seconds: give the server a longer grace.

    A server that runs no lifespan has a client from its first request on. It is closed before the reactor of
    Twisted stops (daphne), or else when the event loop shuts its asynchronous generators down, as
    `asyncio.run` does.

    Args:
        app: the application that is wrapped.
        make: makes the client; default: `VoucherClient.from_env`.
    """

    def __init__(self, app: App, make: Callable[[], VoucherClient] = VoucherClient.from_env) -> None:
        self._app = app
        self._make = make
        self._served: VoucherClient | None = None  # that of the lifespan, for servers that pass no state on
        self._late: _Late | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a connection, or the lifespan."""
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        if STATE not in state:
            state[STATE] = self._served or await self._opened_late()
        await self._app(scope, receive, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        lifespan = _Lifespan(receive, send, await receive())
        try:
            client = self._make()
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            raise
        try:
            async with client:
                self._served = client
                scope.setdefault("state", {})[STATE] = client
                await lifespan.run(self._app, scope)
        except Exception as error:
            await lifespan.fail(error)
            raise
        finally:
            self._served = None
        await lifespan.end()

    async def _opened_late(self) -> VoucherClient:
        late = self._late
        if late is None or late.is_over:
            self._late = late = _Late(self._make())
            await late.begin()
        return late.client


class _Lifespan:
    """A lifespan: run by an application that knows the protocol, or in its stead.

    Args:
        receive: gives the server's messages.
        send: answers them.
        startup: the first message.
    """

    def __init__(self, receive: Receive, send: Send, startup: Message) -> None:
        self._receive = receive
        self._send = send
        self._startup: Message | None = startup
        self._answer: str | None = None  # to the start, once it is sent
        self._is_stopping = False
        self._last: Message = {"type": "lifespan.shutdown.complete"}

    async def run(self, app: App, scope: Scope) -> None:
        """Return when the server stops, and the application has ended; `end` says so."""
        try:
            await app(scope, self.receive, self.send)
        except Exception as error:
            if self._startup is None or self._answer is not None:
                raise  # it knows the protocol, and has failed
            # by the specification the application knows no lifespan then, and is served all the same
            quietly(_logger.info, "the application runs no lifespan of its own (%s)", type(error).__name__)
        if self._answer is None:
            await self.send({"type": "lifespan.startup.complete"})
        while self._answer == "lifespan.startup.complete" and not self._is_stopping:
            await self.receive()

    async def end(self) -> None:
        """Tell the server that all is over: it may end the process then."""
        if self._is_stopping:
            await self._send(self._last)

    async def fail(self, error: Exception) -> None:
        """Tell the server that stopping has failed, which would take it for an unknown protocol otherwise."""
        if not self._is_stopping:
            return
        if self._last["type"] != _FAILED:
            self._last = {"type": _FAILED, "message": f"{type(error).__name__}: {error}"}
        await self._send(self._last)

    async def receive(self) -> Message:
        startup, self._startup = self._startup, None
        message = startup if startup is not None else await self._receive()
        self._is_stopping = message["type"] == "lifespan.shutdown"
        return message

    async def send(self, message: Message) -> None:
        if message["type"].startswith("lifespan.shutdown"):
            self._last = message
            return
        self._answer = message["type"]
        await self._send(message)


class _Late:
    """A client that is opened while its server runs already, and closed as that ends.

    Args:
        client: the client.
    """

    def __init__(self, client: VoucherClient) -> None:
        self.client = client
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._keeper = self._keep()

    @property
    def is_over(self) -> bool:
        """True when it was closed with its event loop: another one needs a client of its own."""
        return self._closed and self._loop is not asyncio.get_running_loop()

    async def begin(self) -> None:
        """Have it closed as the server ends."""
        await anext(self._keeper)
        _before_the_reactor_stops(self._loop, self._keeper)

    async def _keep(self) -> AsyncGenerator[None]:
        try:
            async with self.client:
                yield
        finally:
            self._closed = True


def _before_the_reactor_stops(loop: asyncio.AbstractEventLoop, keeper: AsyncGenerator[None]) -> None:
    """Close when Twisted runs the loop, which shuts no asynchronous generators down."""
    reactor: Any = sys.modules.get("twisted.internet.reactor")
    if getattr(reactor, "_asyncioEventloop", None) is not loop:
        return
    deferred: Any = sys.modules["twisted.internet.defer"]

    def close() -> Any:
        return deferred.Deferred.fromFuture(loop.create_task(keeper.aclose()))

    reactor.addSystemEventTrigger("before", "shutdown", close)
