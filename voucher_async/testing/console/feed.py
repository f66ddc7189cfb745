"""The stream of changes to every open page (server-sent events).

While a page listens, one task compares the emulator with what it was a moment ago. Pages have no queues: each
is told what changed since it was last told. One that reads slowly gets fewer and larger events, and one that
comes back with its `Last-Event-ID` gets what it missed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Final

from aiohttp import web

from voucher_async.forks import keep, renew_in_children
from voucher_async.testing.console.guard import Refused

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from voucher_async.testing.console.books import Books

__all__ = ["Feed"]

_PAUSE: Final = 0.1  # seconds between two looks at the emulator
_SHARE: Final = 10  # a look that takes long is followed by a pause this many times as long
_GLANCE: Final = 1.0  # seconds after which a listener that left is noticed
_HEARTBEAT: Final = 15.0  # seconds after which a silent stream says that it lives
_AGAIN: Final = 1000  # milliseconds after which a page that lost the stream comes back
_MOST: Final = 64  # pages at once


class Feed:
    """Tells pages what changes.

    Args:
        books: what they are told.
    """

    def __init__(self, books: Books) -> None:
        self._books = books
        self._listeners: set[asyncio.Event] = set()
        self._looking: asyncio.Task[None] | None = None
        self._is_open = False
        renew_in_children(self)

    def after_fork(self) -> None:
        """Leave task and listeners to the parent; a child serves nothing."""
        keep(self._looking, *self._listeners)
        self._looking, self._listeners, self._is_open = None, set(), False

    @property
    def listeners(self) -> int:
        """Number of pages that listen."""
        return len(self._listeners)

    def open(self) -> None:
        """Let pages listen."""
        self._is_open = True

    async def close(self) -> None:
        """End every stream."""
        self._is_open = False
        self._wake()
        looking, self._looking = self._looking, None
        if looking is not None:
            looking.cancel()
            await asyncio.wait({looking})

    def refresh(self) -> None:
        """Look at the emulator at once."""
        if self._books.refresh():
            self._wake()

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Tell a page what changes until it leaves or the emulator stops.

        Raises:
            Refused: with 503 when too many pages listen.
        """
        if len(self._listeners) >= _MOST:
            raise Refused(503, f"{_MOST} pages listen already.")
        response = web.StreamResponse(
            headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        )
        response.content_type = "text/event-stream"
        with self._listening() as changed, contextlib.suppress(ConnectionError):
            await response.prepare(request)
            await response.write(f"retry: {_AGAIN}\n\n".encode())
            await self._tell(request, response, changed)
        return response

    async def _tell(self, request: web.Request, response: web.StreamResponse, changed: asyncio.Event) -> None:
        told, quiet = self._told(request), 0.0
        is_first = True
        while self._is_open and not _is_gone(request):
            changed.clear()
            if is_first or told < self._books.version:
                event = self._event(told)
                told, quiet, is_first = self._books.version, 0.0, False
                await response.write(event)
            elif quiet >= _HEARTBEAT:
                quiet = 0.0
                await response.write(b":\n\n")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GLANCE):
                    await changed.wait()
            quiet += _GLANCE

    def _told(self, request: web.Request) -> int:
        """The version that a page knows already; 0 for one that knows nothing, or other books."""
        last = request.headers.get("Last-Event-ID") or request.query.get("after", "")
        run, _, version = last.partition("-")
        if run != self._books.run or not (version.isascii() and version.isdecimal()):
            return 0
        return int(version) if len(version) < len(str(2**63)) and int(version) <= self._books.version else 0

    def _event(self, told: int) -> bytes:
        data: Mapping[str, object] = self._books.after(told)
        return f"id: {self._books.run}-{self._books.version}\ndata: {json.dumps(data)}\n\n".encode()

    @contextlib.contextmanager
    def _listening(self) -> Generator[asyncio.Event, None, None]:
        changed = asyncio.Event()
        self._listeners.add(changed)
        self.refresh()
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        try:
            yield changed
        finally:
            self._listeners.discard(changed)

    async def _look(self) -> None:
        """Look again and again, until nobody listens."""
        loop = asyncio.get_running_loop()
        while self._listeners and self._is_open:
            begun = loop.time()
            self.refresh()
            await asyncio.sleep(max(_PAUSE, _SHARE * (loop.time() - begun)))
        self._looking = None

    def _wake(self) -> None:
        for changed in self._listeners:
            changed.set()


def _is_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()
