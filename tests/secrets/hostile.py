"""A server that gives secrets back."""

from __future__ import annotations

import asyncio
import contextlib
import json

from tests.secrets.search import CLIENT_SECRET, TOKEN, Search
from voucher_async import ManualClock, Settings, Timeout, VoucherClient


class Hostile:
    """A server that gives the planted token, and to anything else a scripted answer."""

    def __init__(self) -> None:
        self.answer = b""
        self.answers: dict[str, bytes] = {}  # by the end of the path, before `answer`
        self.token = reply(
            200, json.dumps({"access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600}).encode()
        )
        self.hang = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.decode().lower().split("\r\n")
                lengths = [int(line.split(":")[1]) for line in lines if line.startswith("content-length")]
                await reader.readexactly(lengths[0] if lengths else 0)
                is_token = b"/oauth/token" in head
                if self.hang and not is_token:
                    await reader.read()
                path = head.split()[1].decode().partition("?")[0]
                scripted = (answer for end, answer in self.answers.items() if path.endswith(end))
                writer.write(self.token if is_token else next(scripted, self.answer))
                await writer.drain()
        finally:
            self._tasks.discard(task)
            writer.close()

    def client(self, search: Search, *, total: float = 5.0) -> VoucherClient:
        settings = Settings(
            client_id="c-1",
            client_secret=CLIENT_SECRET,
            base_url=f"{self.url}/v1",
            token_url=f"{self.url}/oauth/token",
            timeout=Timeout(total=total, connect=2.0, read=1.0),
        )
        search.show(settings)
        return VoucherClient(settings=settings, hooks=[search], clock=ManualClock(skip_sleeps=True))


def reply(status: int, body: bytes, *headers: str, kind: str = "application/json", cut: int = 0) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}", "Connection: close", *headers]
    lines.append(f"Content-Length: {len(body) + cut}")
    return "\r\n".join([*lines, "", ""]).encode() + body
