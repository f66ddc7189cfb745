"""The web servers of the examples: real ones, in processes of their own, as a shop runs them."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs
import httpx

from tests.processes import plain_environment

__all__ = ["SERVERS", "Server", "started"]

_AIOHTTP: Final = "import socket, sys; from aiohttp import web; from aiohttp_web_shop import app; \
web.run_app(app, sock=socket.socket(fileno=int(sys.argv[1])))"
_WAITRESS: Final = "import signal, socket, sys, waitress; from wsgi_shop import app; \
signal.signal(signal.SIGTERM, lambda *_: sys.exit()); \
waitress.serve(app, sockets=[socket.socket(fileno=int(sys.argv[1]))], threads=12)"


@attrs.frozen
class Server:
    """A server and the example that it runs.

    Attributes:
        command: what follows `python`; `FD` stands for its socket.
        exits: what it may exit with.
        own: in lines of complaints that are the server's and the framework's own.
    """

    command: tuple[str, ...]
    exits: tuple[int, ...] = (0, -signal.SIGTERM)
    own: tuple[str, ...] = ()


SERVERS: Final = {
    "starlette-uvicorn": Server(("-m", "uvicorn", "starlette_shop:app", "--fd", "FD")),
    "litestar-uvicorn": Server(("-m", "uvicorn", "litestar_shop:app", "--fd", "FD")),
    "quart-hypercorn": Server(("-m", "hypercorn", "quart_shop:app", "--bind", "fd://FD")),
    "django-uvicorn": Server(("-m", "uvicorn", "django_shop:app", "--fd", "FD")),
    "django-daphne": Server(
        ("-m", "daphne", "--fd", "FD", "django_shop:app"),
        # Django's watch for a customer who hangs up has nobody who asks it when daphne ends the request
        own=("ERROR    Task exception was never retrieved", "Traceback (most recent call last):"),
    ),
    "aiohttp": Server(("-c", _AIOHTTP, "FD")),
    "wsgi-waitress": Server(
        ("-c", _WAITRESS, "FD"),
        own=("unclosed <socket.socket", "waitress/wasyncore.py"),  # it leaves its connections to the process
    ),
}


@attrs.define
class Started:
    """A server that runs.

    Attributes:
        address: where it listens.
        server: what it is.
    """

    address: str
    server: Server
    _process: subprocess.Popen[bytes]
    _errors: Path

    def client(self) -> httpx.AsyncClient:
        """A client of it, which waits for the server to be up."""
        return httpx.AsyncClient(base_url=self.address, timeout=60)

    def stop(self) -> None:
        """Stop it, as a supervisor does, and see that it has left nothing open."""
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(timeout=60)
        said = self.said
        complaints = [line for line in said.splitlines() if any(word in line for word in _COMPLAINTS)]
        complaints = [line for line in complaints if not any(word in line for word in self.server.own)]
        assert complaints == [], said
        assert code in self.server.exits, said

    @property
    def said(self) -> str:
        """What it wrote."""
        return self._errors.read_text(encoding="utf-8")


_COMPLAINTS: Final = (
    "/voucher_async/",
    "Unclosed",
    "unclosed",
    "Traceback",
    "never awaited",
    "never retrieved",
    "destroyed",
    "Warning",
)


@contextlib.contextmanager
def started(server: Server, root: Path, folder: Path, environ: dict[str, str]) -> Iterator[Started]:
    """Start a server; whatever happens, it has ended afterwards.

    Args:
        server: the server.
        root: the folder that has `examples`.
        folder: for what it writes.
        environ: variables for it alone.
    """
    errors = folder / "stderr.txt"
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening, errors.open("wb") as writing:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        number = listening.fileno()
        process = subprocess.Popen(
            [sys.executable, "-W", "default", *(part.replace("FD", str(number)) for part in server.command)],
            env={**plain_environment(), **environ, "PYTHONPATH": f"{root / 'examples'}{os.pathsep}{root}"},
            pass_fds=[number],
            stdout=writing,
            stderr=writing,
            cwd=folder,
        )
    try:
        yield Started(address, server, process, errors)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
