"""The engine and the way to it behind an aiohttp application on a loopback port."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import math
import os
import socket
from email.utils import format_datetime
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from voucher_async.forks import keep, renew_in_children
from voucher_async.testing._engine import Call, Engine
from voucher_async.testing._misbehaving import misbehave
from voucher_async.testing._refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from aiohttp.typedefs import Handler

    from voucher_async.clock import Clock
    from voucher_async.testing._hosts import Hosts
    from voucher_async.testing._state import Outcome
    from voucher_async.testing._way import Way
    from voucher_async.testing.console import Console
    from voucher_async.testing.console.emulated import Emulated
    from voucher_async.testing.faults import Faults

__all__ = ["Server", "new_console"]

_LARGEST_BODY = 2**20  # bytes
_MISDIRECTED = "The emulator is not known by this host; --name HOST, or hosts=, names it.\n"
_SHUTDOWN = 0.1  # seconds for requests under way when the server stops


class Server:
    """Serves an engine over HTTP.

    Args:
        way: leads to what answers.
        clock: measures how slow or late it is.
        faults: what goes wrong.
        host: the address to listen on.
        port: the port to listen on, 0 for any free one.
        hosts: those that requests may be for; None: any.
        console: a page beside the API, if there is one.
    """

    def __init__(
        self,
        way: Way,
        clock: Clock,
        faults: Faults,
        host: str,
        port: int,
        *,
        hosts: Hosts | None = None,
        console: Console | None = None,
    ) -> None:
        self.way = way
        self.engine = way.engine
        self.clock = clock
        self.faults = faults
        self.host = host
        self.port = port
        self.hosts = hosts
        self.console = console
        self._runner: web.AppRunner | None = None
        self._listening: socket.socket | None = None
        self._held: socket.socket | None = None  # keeps the port while connections are refused
        self._refused_until = -math.inf  # on the clock's monotonic time
        self._tasks: set[asyncio.Task[None]] = set()
        renew_in_children(self)

    def after_fork(self) -> None:
        """Let go of every socket in a child: while it has a copy, what the parent closes stays open."""
        runner, listening, held = self._runner, self._listening, self._held
        nothing = os.open(os.devnull, os.O_RDWR)
        for each in (listening, held, *_connections(runner)):
            if each is not None and each.fileno() >= 0:
                # the number stays taken: its owner may close it once more
                os.dup2(nothing, each.fileno(), inheritable=False)
        os.close(nothing)
        keep(runner, listening, held, *self._tasks)
        self._runner = self._listening = self._held = None
        self._tasks = set()

    @property
    def running(self) -> bool:
        """True while it listens."""
        return self._runner is not None

    async def start(self) -> None:
        """Listen; `port` is then the port it listens on, and taken again by the next start."""
        # A middleware sees what no route would match, such as a line break in a path.
        application = web.Application(middlewares=[self._handle], client_max_size=_LARGEST_BODY)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=_SHUTDOWN)
        bound = _bind(self.host, self.port)
        self.port = int(bound.getsockname()[1])
        try:
            await runner.setup()
            await self._listen(runner, bound)
        except BaseException:
            bound.close()
            await runner.cleanup()
            raise
        self._runner = runner
        if self.console is not None:
            self.console.feed.open()

    async def _listen(self, runner: web.AppRunner, bound: socket.socket) -> None:
        await web.SockSite(runner, bound).start()
        self._listening = bound

    async def stop(self) -> None:
        """Close the port and every connection; does nothing when it does not listen.

        What was to be carried out late is not carried out any more.
        """
        runner, self._runner = self._runner, None  # from now on no task is started
        await self._end_tasks()  # first, so that slow answers end, and no task makes the server listen again
        await self._stop_accepting()
        if self.console is not None:
            await self.console.feed.close()  # or the runner would wait for pages that listen
        try:
            if runner is not None:
                await runner.cleanup()
        finally:
            self._refused_until = -math.inf
            held, self._held = self._held, None
            if held is not None:
                held.close()

    async def _end_tasks(self) -> None:
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def wait(self, seconds: float) -> bool:
        """Let so many seconds pass; False when the server stops before they are over."""
        if not self.running:
            return False
        waiting = self._start_task(self.clock.sleep(seconds))
        await asyncio.wait({waiting})  # from outside: stopping cancels the task, not the handler
        return not waiting.cancelled()

    def later(self, seconds: float, act: Callable[[], object]) -> None:
        """Do something so many seconds later, unless the server stops before."""
        due = self.clock.monotonic() + seconds  # another thread may move the clock before the task begins

        async def work() -> None:
            await self.clock.sleep(max(due - self.clock.monotonic(), 0.0))
            act()

        if self.running:
            self.faults.is_late(self._start_task(work()))

    def _start_task(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def refuse(self, seconds: float) -> None:
        """Refuse new connections for at least so many seconds from now."""
        self._refused_until = max(self._refused_until, self.clock.monotonic() + seconds)
        runner, listening = self._runner, self._listening
        if runner is None or listening is None:
            return  # the server is stopping, or refuses already
        await self._stop_accepting()
        if self._runner is None:
            return  # the server was stopped meanwhile
        # In one turn of the loop: closing resets every connection that was made and not yet accepted.
        queued = _accept_queued(listening)
        for site in tuple(runner.sites):
            await site.stop()
        # Bound, but not listening: connections are refused, and the system gives the port to nobody else, a
        # client's end of a connection included, which would then connect to itself.
        self._held = _bind(self.host, self.port)
        self._start_task(self._listen_again(runner, self._held))
        for accepted in queued:
            self._serve(runner, accepted)

    def _serve(self, runner: web.AppRunner, accepted: socket.socket) -> None:
        async def connect() -> None:
            if runner.server is not None:
                await asyncio.get_running_loop().connect_accepted_socket(runner.server, accepted)

        def close(connecting: asyncio.Task[None]) -> None:
            if connecting.cancelled() or runner.server is None:
                accepted.close()

        self._start_task(connect()).add_done_callback(close)

    async def _listen_again(self, runner: web.AppRunner, held: socket.socket) -> None:
        while (left := self._refused_until - self.clock.monotonic()) > 0:
            await self.clock.sleep(left)
        self._held = None
        opening = asyncio.create_task(self._listen(runner, held))
        try:
            await asyncio.shield(opening)
        finally:
            await opening  # cancelled halfway, it would leave a listening socket open

    async def _stop_accepting(self) -> None:
        """Accept nothing more, and let connections that were just accepted get through.

        asyncio loses them when it closes.
        """
        listening, self._listening = self._listening, None
        if listening is not None:
            with contextlib.suppress(NotImplementedError):  # the loop of Windows has no readers
                asyncio.get_running_loop().remove_reader(listening)
            for _ in range(3):
                await asyncio.sleep(0)

    @web.middleware
    async def _handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The one way from a request to its answer: read, decide, commit, respond."""
        del handler  # unused: this middleware answers every request itself
        if self.hosts is not None and not self.hosts.allow(request.headers.get("Host")):
            return web.Response(status=421, text=_MISDIRECTED)
        if self.console is not None and self.console.has(request.rel_url.raw_path):
            return await self.console.respond(request)
        call = await _receive(request)
        copy = self.way.copy(call)
        if copy is not None:
            return self.respond(copy)
        fault = self.faults.next(self.engine.operation_of(call)) if self.faults.active else None
        if fault is not None:
            return await misbehave(self, request, call, fault)
        return self.respond(self.way.fetch(call).outcome)

    def headers(self, outcome: Outcome) -> dict[str, str]:
        """The headers of an answer."""
        shown = self.engine.date(outcome)
        if self.faults.date_offset:
            shown += dt.timedelta(seconds=self.faults.date_offset)
        return {**outcome.headers, "Date": format_datetime(shown, usegmt=True)}

    def respond(self, outcome: Outcome) -> web.Response:
        """An outcome as an answer."""
        headers = self.headers(outcome)
        body = outcome.content
        if body is None:
            return web.Response(status=outcome.status, headers=headers)
        return web.Response(
            status=outcome.status, headers=headers, body=body, content_type=outcome.media_type
        )


def new_console(emulator: Emulated, engine: Engine, listens_on: str) -> Console:
    """A page beside the API; nothing of it is loaded for emulators without one."""
    from voucher_async.testing.console import Console  # noqa: PLC0415 - see above

    return Console(emulator, engine, listens_on)


def _connections(runner: web.AppRunner | None) -> list[socket.socket]:
    if runner is None or runner.server is None:
        return []
    transports = [connection.transport for connection in runner.server.connections]
    return [each.get_extra_info("socket") for each in transports if each is not None]


def _bind(host: str, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        if host == "::":  # every address, the older ones included
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        if os.name == "posix":  # on Windows the option lets others share the port
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except BaseException:
        bound.close()
        raise
    return bound


def _accept_queued(listening: socket.socket) -> list[socket.socket]:
    """Accept what the kernel has connected; the event loop has not come to it."""
    accepted: list[socket.socket] = []
    with contextlib.suppress(OSError):  # no connection is left in the queue
        while True:
            accepted.append(listening.accept()[0])
    return accepted


async def _receive(request: web.Request) -> Call:
    body, problem = await _read(request)
    return Call(
        method=request.method,
        raw_path=request.rel_url.raw_path,
        query=dict(request.query.items()),
        authorization=request.headers.get("Authorization"),
        content_type=request.headers.get("Content-Type"),
        cache_control=request.headers.get("Cache-Control"),
        request_id=request.headers.get("X-Request-Id"),
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
