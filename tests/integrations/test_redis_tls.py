"""A token store behind TLS whose network is cut: closing waits for no farewell."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time

import trustme

from voucher_async.integrations.redis import RedisTokenStore

PATIENCE = 2.0  # seconds
BUSY = 8.0  # seconds that a busy machine may take beside
ANSWERS = {b"SETINFO": b"+OK\r\n", b"EVAL": b"*2\r\n$-1\r\n:-2\r\n"}  # no token is there


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while said := await reader.read(4096):
            for word, words in ANSWERS.items():
                writer.write(words * said.count(word))
    writer.close()


class Cable:
    """A network that carries bytes until it is cut."""

    def __init__(self, port: int) -> None:
        self._port, self._is_cut, self._ends = port, False, asyncio.Event()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_connection("127.0.0.1", self._port)
        pumps = [asyncio.create_task(self._pump(*pair)) for pair in ((reader, outer), (inner, writer))]
        await self._ends.wait()
        for end in (outer, writer):
            end.close()
        await asyncio.gather(*pumps)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while said := await reader.read(4096):
                if not self._is_cut:
                    writer.write(said)

    def cut(self) -> None:
        self._is_cut = True

    def remove(self) -> None:
        self._ends.set()


async def test_closing_does_not_wait_for_a_farewell_that_never_comes() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as server:
        cable = Cable(server.sockets[0].getsockname()[1])
        async with await asyncio.start_server(cable.carry, "127.0.0.1", 0) as between:
            port = between.sockets[0].getsockname()[1]
            url = f"rediss://127.0.0.1:{port}/0?ssl_cert_reqs=none&ssl_check_hostname=False"
            store = RedisTokenStore.from_url(url)
            assert await store.load("key") is None
            cable.cut()
            began = time.monotonic()
            await store.aclose()
            assert time.monotonic() - began < PATIENCE + BUSY
            cable.remove()
