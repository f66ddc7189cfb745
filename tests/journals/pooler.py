"""A connection pooler in transaction mode, as strict as pgbouncer.

It refuses settings in the first message, and gives each transaction the connection of the server that was
unused for longest, so that whatever is left in a session is found by somebody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from pathlib import Path

__all__ = ["Pooler", "pooler"]

_CONNECTIONS = 3
_VERSION = 3 << 16
_TRACKED = {"user", "database", "client_encoding", "application_name"}

_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _read(reader: asyncio.StreamReader) -> bytes:
    """One message."""
    head = await reader.readexactly(5)
    return head + await reader.readexactly(struct.unpack("!xI", head)[0] - 4)


async def _read_startup(reader: asyncio.StreamReader) -> dict[str, str]:
    size, version = struct.unpack("!II", await reader.readexactly(8))
    if version != _VERSION:  # a request to cancel, which gets no answer
        raise asyncio.IncompleteReadError(b"", None)
    words = (await reader.readexactly(size - 8)).decode().split("\0")
    return dict(zip(words[::2], words[1::2], strict=False))


def _refusal(name: str) -> bytes:
    said = b"SFATAL\0VFATAL\0C08P01\0M" + f"unsupported startup parameter: {name}".encode() + b"\0\0"
    return b"E" + struct.pack("!I", len(said) + 4) + said


class Pooler:
    """A pooler.

    Attributes:
        folder: where it listens.
        is_silent: it answers nobody.
        is_asked: somebody connected meanwhile.
        loses_commits: it loses the server's answers to COMMIT, and the clients that wait for them.
    """

    def __init__(self, folder: Path, socket: Path, database: str, *, ignores_settings: bool) -> None:
        self.folder = folder
        self._path, self._database, self._ignores = socket / ".s.PGSQL.5432", database, ignores_settings
        self.loses_commits = self.is_silent = False
        self.is_asked = asyncio.Event()
        self._idle: asyncio.Queue[_Streams] = asyncio.Queue()
        self._greeting = b""
        self._clients: set[asyncio.Task[None]] = set()
        self._open: set[asyncio.StreamWriter] = set()
        self._closes = False

    async def connect(self) -> None:
        reader, writer = await asyncio.open_unix_connection(self._path)
        words = f"user\0postgres\0database\0{self._database}\0client_encoding\0utf-8\0\0".encode()
        self._open.add(writer)
        writer.write(struct.pack("!II", len(words) + 8, _VERSION) + words)
        greeting = b""
        while not greeting.endswith(b"Z\0\0\0\5I"):
            greeting += await _read(reader)
        self._greeting = greeting
        await self._idle.put((reader, writer))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        self._open.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            names = set(filter(None, await _read_startup(reader))) - _TRACKED
            if names and not self._ignores:
                writer.write(_refusal(names.pop()))
            elif self.is_silent:
                self.is_asked.set()
                await reader.read()
            else:
                writer.write(self._greeting)
                await self._converse(reader, writer)
        writer.close()
        self._clients.discard(task)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        message = await _read(reader)
        while message[:1] != b"X":
            server = await self._idle.get()
            answering = asyncio.create_task(self._answer(server, writer))
            try:
                while not answering.done() and message[:1] != b"X":
                    server[1].write(message)
                    asking = asyncio.create_task(_read(reader))
                    await asyncio.wait({asking, answering}, return_when=asyncio.FIRST_COMPLETED)
                    message = await asking  # the client's next message, within this transaction or not
            except (asyncio.IncompleteReadError, OSError):
                if not answering.done():  # a transaction that was left ends with its connection
                    answering.cancel()
                    server[1].close()
                    if not self._closes:
                        await self.connect()
                raise

    async def _answer(self, server: _Streams, writer: asyncio.StreamWriter) -> None:
        message = b""
        while message[:1] != b"Z" or message[-1:] != b"I":
            message = await _read(server[0])
            if self.loses_commits and message[5:] == b"COMMIT\0":
                writer.close()
            if message[:1] == b"Z" and message[-1:] == b"I":
                self._idle.put_nowait(server)
            if not (writer.is_closing() or self.is_silent):
                writer.write(message)

    async def aclose(self) -> None:
        self._closes = True
        for writer in self._open:
            writer.close()
        await asyncio.gather(*self._clients, *(each.wait_closed() for each in self._open))


@contextlib.asynccontextmanager
async def pooler(
    folder: Path, socket: Path, database: str, *, ignores_settings: bool = False
) -> AsyncIterator[Pooler]:
    """Run a pooler.

    Args:
        folder: where it listens.
        socket: the folder of the server's socket.
        database: the database that it leads to.
        ignores_settings: it takes settings in the first message, and does nothing about them.
    """
    made = Pooler(folder, socket, database, ignores_settings=ignores_settings)
    for _ in range(_CONNECTIONS):
        await made.connect()
    listening = await asyncio.start_unix_server(made.serve, folder / ".s.PGSQL.5432")
    try:
        yield made
    finally:
        listening.close()
        await made.aclose()
