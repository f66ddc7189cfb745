"""A forward proxy: it tunnels CONNECT, forwards plain requests, asks for a login, and fails as tests want."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import Awaitable, Callable
from typing import Self, TypeAlias
from urllib.parse import urlsplit

__all__ = ["ForwardProxy", "after_delivery", "cut", "refusing"]

Reader: TypeAlias = asyncio.StreamReader
Writer: TypeAlias = asyncio.StreamWriter
Failure: TypeAlias = Callable[["ForwardProxy", str, bytes, Writer], Awaitable[None]]


class ForwardProxy:
    """Listens on a port of its own.

    Attributes:
        failures: what happens to the next requests, by what their request line begins with, such as
            `CONNECT`; once each.
        lines: the request lines that came.
        logins: the `Proxy-Authorization` of each; empty where there was none.
        wanted: the login that is asked for; empty for none.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, *, wanted: str = "") -> None:
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()
        self.failures: list[tuple[str, Failure]] = []
        self.lines: list[str] = []
        self.logins: list[str] = []
        self.wanted = wanted

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.url = f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def fail(self, begins: str, failure: Failure, times: int = 1) -> None:
        """Let a failure happen to the next requests."""
        self.failures += [(begins, failure)] * times

    async def _serve(self, reader: Reader, writer: Writer) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while not writer.is_closing():
                    await self._one(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _one(self, reader: Reader, writer: Writer) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *fields = head.rstrip().split("\r\n")
        named = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        body = await reader.readexactly(_length(head))
        self.lines.append(line)
        self.logins.append(named.get("proxy-authorization", ""))
        failure = next((each for each in self.failures if line.startswith(each[0])), None)
        if failure is not None:
            self.failures.remove(failure)
            await failure[1](self, line, head.encode() + body, writer)
        elif self.logins[-1] != self.wanted:
            await answer(writer, "407 Proxy Authentication Required")
        elif line.startswith("CONNECT "):
            await self._tunnel(line.split(" ")[1], reader, writer)
        else:
            writer.write(await self.forward(line, head.encode() + body))
            await writer.drain()

    async def _tunnel(self, place: str, reader: Reader, writer: Writer) -> None:
        host, _, port = place.rpartition(":")
        there = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.wait(
            [asyncio.ensure_future(_pump(reader, there[1])), asyncio.ensure_future(_pump(there[0], writer))]
        )
        there[1].close()

    async def forward(self, line: str, whole: bytes) -> bytes:
        """The answer to a plain request, which is delivered over a connection of its own."""
        method, url, version = line.split(" ")
        parts = urlsplit(url)
        assert parts.hostname is not None
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        rest = whole.split(b"\r\n", 1)[1]
        writer.write(f"{method} {path} {version}\r\n".encode() + rest)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            return head + await reader.readexactly(_length(head.decode()))
        finally:
            writer.close()


def _length(head: str) -> int:
    named = re.search(r"^content-length: *(\d+)", head, re.IGNORECASE | re.MULTILINE)
    return int(named[1]) if named else 0


async def _pump(reader: Reader, writer: Writer) -> None:
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(65_536):
            writer.write(piece)
            await writer.drain()
    writer.close()


async def answer(writer: Writer, status: str) -> None:
    writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 4\r\n\r\noops".encode())
    await writer.drain()


def refusing(status: str) -> Failure:
    """Answer so, and deliver nothing."""

    async def refuse(_proxy: ForwardProxy, _line: str, _whole: bytes, writer: Writer) -> None:
        await answer(writer, status)

    return refuse


async def cut(_proxy: ForwardProxy, _line: str, _whole: bytes, writer: Writer) -> None:
    """Break the connection off, and deliver nothing."""
    writer.transport.abort()


def after_delivery(status: str) -> Failure:
    """Deliver the request, and answer so in the place of its answer."""

    async def lose(proxy: ForwardProxy, line: str, whole: bytes, writer: Writer) -> None:
        await proxy.forward(line, whole)
        await answer(writer, status)

    return lose
