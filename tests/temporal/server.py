"""A Temporal server for tests: the dev server that comes from pip, with its state in a file."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sysconfig
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import attrs
from temporalio.client import Client
from temporalio.service import RPCError

from tests.processes import plain_environment

__all__ = ["Server", "serving"]


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@attrs.define(eq=False)
class Server:
    """A server; killed and started again, it goes on with what is in its file.

    Attributes:
        folder: has its file and its log.
        namespaces: those that it has; one each keeps the workers of tests apart.
        port: where it serves.
    """

    folder: Path
    namespaces: Sequence[str]
    port: int = attrs.Factory(_free_port)
    _process: asyncio.subprocess.Process | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it, and wait until it has all its namespaces."""
        program = str(Path(sysconfig.get_path("scripts")) / "temporal")
        options = ["--headless", "--log-level", "error", "--ip", "127.0.0.1", "--port", str(self.port)]
        options += ["--db-filename", str(self.folder / "temporal.db")]
        for name in self.namespaces:
            options += ["--namespace", name]
        with (self.folder / "temporal.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(program, "server", "start-dev", *options), env=plain_environment(), stdout=log, stderr=log
            )
        async with asyncio.timeout(60):
            for name in self.namespaces:
                while not await self._answers(name):
                    assert self._process.returncode is None, (self.folder / "temporal.log").read_text()
                    await asyncio.sleep(0.25)

    async def _answers(self, namespace: str) -> bool:
        try:
            client = await self.client(namespace)
            return await client.count_workflows("WorkflowType = 'none'") is not None
        except (RPCError, RuntimeError):
            return False

    async def kill(self) -> None:
        """Kill it."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    async def client(self, namespace: str) -> Client:
        """A connection, as the shop has one."""
        return await Client.connect(self.address, namespace=namespace)

    def stored(self) -> bytes:
        """All that it has written: its database, with what is beside it, and its log."""
        return b"".join(file.read_bytes() for file in sorted(self.folder.glob("temporal*")))


@contextlib.asynccontextmanager
async def serving(folder: Path, *namespaces: str) -> AsyncIterator[Server]:
    """A server, which is killed in the end; what it has written stays in the folder."""
    folder.mkdir(exist_ok=True)
    server = Server(folder, namespaces)
    try:
        await server.start()
        yield server
    finally:
        await server.kill()
