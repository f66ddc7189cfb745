"""A server that gives secrets back."""

from __future__ import annotations

import asyncio
import json

from tests.rawserver import RawServer
from tests.secrets.search import CLIENT_SECRET, TOKEN, Search
from voucher_async import ManualClock, Timeout, VoucherClient


class Hostile(RawServer):
    """A server that gives the planted token, and to anything else a scripted answer; one a connection."""

    def __init__(self) -> None:
        super().__init__()
        self.said = b""
        self.answers: dict[str, bytes] = {}  # end of the path -> answer, before `said`
        self.token = reply(
            200, json.dumps({"access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600}).encode()
        )
        self.hang = False

    async def answer(
        self, head: str, body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        del body
        path = head.split()[1].partition("?")[0]
        is_token = path.endswith("/oauth/token")
        if self.hang and not is_token:
            await reader.read()
        scripted = (answer for end, answer in self.answers.items() if path.endswith(end))
        writer.write(self.token if is_token else next(scripted, self.said))
        await writer.drain()
        writer.close()

    def searched(self, search: Search, *, total: float = 5.0) -> VoucherClient:
        """A client of this server, all of whose words are searched."""
        timeout = Timeout(total=total, connect=2.0, read=1.0)
        settings = self.settings(client_secret=CLIENT_SECRET, timeout=timeout)
        search.show(settings)
        return VoucherClient(settings=settings, hooks=[search], clock=ManualClock(skip_sleeps=True))


def reply(status: int, body: bytes, *headers: str, kind: str = "application/json", cut: int = 0) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}", "Connection: close", *headers]
    lines.append(f"Content-Length: {len(body) + cut}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def broken(said: str) -> dict[str, bytes]:
    """What is no answer, with something said in it."""
    return {
        "no HTTP": f"HTTP/9.9 {said}\r\n{said}\r\n\r\n".encode(),
        "chunks that are none": f"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n{said}\r\n".encode(),
        "nothing": b"",
    }
