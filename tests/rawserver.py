"""A TCP server that does what no honest server does, one script a request."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import struct
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp

from voucher_async import VoucherClient
from voucher_async.config import Settings, Timeout

# connection -> the charge that its last request asked for
ASKED: weakref.WeakKeyDictionary[asyncio.StreamWriter, dict[str, str]] = weakref.WeakKeyDictionary()

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

CHARGE: dict[str, Any] = {
    "id": "ch-1",
    "voucher_id": "v-1",
    "client_id": "c-1",
    "type": "charge",
    "amount": "10.00",
    "order_number": "o-1",
    "created_at": "2026-01-01T12:00:00+00:00",
    "updated_at": "2026-01-01T12:00:00+00:00",
}

VOUCHER: dict[str, Any] = {
    "id": "v-1",
    "client_id": "c-1",
    "sku": None,
    "batch": None,
    "amount": "10.00",
    "currency": "EUR",
    "valid_until": None,
    "validity_value": 3,
    "validity_interval": "years",
    "status": "inactive",
    "type": "digital",
    "taxable": False,
    "tax_rate": None,
    "order_number": None,
    "data": None,
    "created_at": "2026-01-01T12:00:00+00:00",
    "updated_at": "2026-01-01T12:00:00+00:00",
    "remaining_amount": "10.00",
    "deletable": True,
}


def reply(
    content: object = CHARGE, status: int = 200, *, headers: str = "", body: bytes | None = None
) -> Script:
    """A complete answer; `CHARGE` is answered as the charge that was asked for."""
    if content is CHARGE and body is None:

        async def charged(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            made = ASKED.get(writer, CHARGE)
            await reply(dict(made), status, headers=headers)(reader, writer)

        return charged
    body = json.dumps(content).encode() if body is None else body

    async def script(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        writer.write(head.encode() + headers.encode() + b"\r\n" + body)
        await writer.drain()

    return script


def send_then(text: bytes, end: Script) -> Script:
    """The beginning of an answer, and then something else."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(text)
        await writer.drain()
        await end(reader, writer)

    return script


async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Say nothing until the client goes away."""
    await reader.read()


async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close the connection in good order."""
    writer.close()


async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Break the connection off."""
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.close()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 400\r\n"


class RawServer:
    """Answers each request with the next script, the last one again and again; tokens are given out aside."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.scripts: list[Script] = [reply()]
        self.requests: list[tuple[str, bytes]] = []
        self.tokens = 0
        self.connections = 0
        self.port = 0
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen; after a `stop` on the same port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        scheme = "https" if self._tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self.port}"

    async def stop(self) -> None:
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def until_asked(self, times: int = 1) -> None:
        while len(self.requests) < times:
            await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while not writer.is_closing():
                    await self._one(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.split("\r\n")
        lengths = [int(text.split(":")[1]) for text in lines if text.lower().startswith("content-length")]
        body = await reader.readexactly(lengths[0] if lengths else 0)
        await self.answer(head, body, reader, writer)

    async def answer(
        self, head: str, body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        line, _, _ = head.partition("\r\n")
        if "/oauth/token" in line:
            self.tokens += 1
            token = {"access_token": f"t-{self.tokens}", "token_type": "Bearer", "expires_in": 3600}
            await reply(token)(reader, writer)
            return
        self.requests.append((head, body))
        if line.split(" ")[1].endswith("/charge"):
            reservation, order = line.split("/")[3], json.loads(body)["order_number"]
            ASKED[writer] = {**CHARGE, "id": reservation.replace("r-", "ch-"), "order_number": order}
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        await script(reader, writer)

    def settings(self, **changes: object) -> Settings:
        values: dict[str, object] = {
            "client_id": "c-1",
            "client_secret": "hush-hush-secret",
            "base_url": f"{self.url}/v1",
            "token_url": f"{self.url}/oauth/token",
            "timeout": Timeout(total=5.0, connect=2.0, read=3.0),
        }
        return Settings(**{**values, **changes})  # type: ignore[arg-type]

    @contextlib.asynccontextmanager
    async def with_one_connection(self) -> AsyncIterator[tuple[aiohttp.ClientSession, VoucherClient]]:
        """A session that has one connection, and a client on it that makes one attempt."""
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
            yield session, VoucherClient(settings=self.settings(max_attempts=1), session=session)

    def client(self, **changes: object) -> VoucherClient:
        return VoucherClient(settings=self.settings(**changes))
