"""Real proxies as child processes on a loopback port, each with a folder of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
from abc import ABC, abstractmethod
from asyncio.subprocess import Process
from pathlib import Path
from typing import Final

PROGRAMS: Final = {"nginx": "nginx", "haproxy": "haproxy", "varnish": "varnishd"}
"""The program of each Debian package."""

_PLACES: Final = os.pathsep.join(
    (os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin")
)
_START: Final = 10.0  # seconds until a proxy has to listen


def program(package: str) -> str | None:
    """The path of a package's program; None when it is not installed."""
    return shutil.which(PROGRAMS[package], path=_PLACES)


def free_port() -> int:
    """A loopback port that nothing uses at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])


class Proxy(ABC):
    """A proxy between clients and an upstream.

    Args:
        folder: an empty folder for its configuration, its temporary files and its log.
        upstream: the port that it forwards to.
        lines: the part of its configuration that makes the scenario.
    """

    package: str

    def __init__(self, folder: Path, upstream: int, lines: str) -> None:
        self.folder = folder
        self.port = free_port()
        self._upstream = upstream
        self._lines = lines
        self._running: list[Process] = []

    @property
    def running(self) -> bool:
        """Whether a process of it lives."""
        return any(process.returncode is None for process in self._running)

    @abstractmethod
    def _configuration(self) -> str:
        """The text of its configuration file."""

    @abstractmethod
    def _command(self, file: Path) -> list[str]:
        """The command that runs it in the foreground, without the program itself."""

    async def start(self) -> None:
        """Start it, and wait until it listens.

        Raises:
            RuntimeError: it ended, or did not listen in time; its log is in the message.
        """
        file = self.folder / "configuration"
        file.write_text(self._configuration().replace("@FOLDER@", str(self.folder)), encoding="utf-8")
        await self._spawn(*self._command(file))
        await self._until_it_listens()

    async def kill(self) -> None:
        """End it and its workers at once, as an out-of-memory killer or a lost machine does."""
        for process in self._running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        self._running.clear()

    @abstractmethod
    async def reload(self) -> None:
        """Let new workers take over, as a deployment of a new configuration does."""

    def pause(self) -> None:
        """Stop it and its workers without a word to anybody, as a suspended machine does."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        for process in self._running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)

    async def _spawn(self, *arguments: str) -> Process:
        path = program(self.package)
        if path is None:
            raise RuntimeError(f"{self.package} is not installed")
        with (self.folder / "log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                path, *arguments, stdout=log, stderr=log, cwd=self.folder, start_new_session=True
            )
        self._running.append(process)
        return process

    async def _until_it_listens(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _START
        while loop.time() < deadline and self.running:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                return
            await asyncio.sleep(0.02)
        log = (self.folder / "log").read_text(encoding="utf-8", errors="replace")
        raise RuntimeError(f"{self.package} does not listen: {log[-2000:]}")


class Nginx(Proxy):
    """nginx with one location, whose lines are given."""

    package = "nginx"

    def _configuration(self) -> str:
        paths = "".join(
            f"{name}_temp_path @FOLDER@/{name};\n"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        server = f"server 127.0.0.1:{self._upstream} max_fails=0;\n"
        location, _, rest = self._lines.partition("---\n")
        shared, _, locations = rest.partition("---\n")
        return (
            "user root;\nworker_processes 2;\npid @FOLDER@/nginx.pid;\nerror_log @FOLDER@/log;\n"
            "events { worker_connections 512; }\nhttp {\naccess_log off;\n"
            f"{paths}{shared}"
            f"upstream emulator {{ {server}{server} keepalive 8; }}\n"
            f"server {{\nlisten 127.0.0.1:{self.port};\nlocation / {{\nproxy_pass http://emulator;\n"
            f"proxy_http_version 1.1;\nproxy_set_header Connection '';\n{location}}}\n{locations}}}\n}}\n"
        )

    def _command(self, file: Path) -> list[str]:
        return ["-p", str(self.folder), "-c", str(file), "-g", "daemon off;"]

    async def reload(self) -> None:
        file = self.folder / "configuration"
        process = await self._spawn("-p", str(self.folder), "-c", str(file), "-s", "reload")
        await process.wait()
        self._running.remove(process)


class Haproxy(Proxy):
    """haproxy with one backend, whose lines are given."""

    package = "haproxy"

    def _configuration(self) -> str:
        servers = "".join(f"server s{n} 127.0.0.1:{self._upstream}\n" for n in (1, 2))
        return (
            "defaults\nmode http\ntimeout connect 1s\ntimeout client 5s\ntimeout server 5s\n"
            f"frontend shop\nbind 127.0.0.1:{self.port}\ndefault_backend emulator\n"
            f"backend emulator\n{self._lines}{servers}"
        )

    def _command(self, file: Path) -> list[str]:
        return ["-db", "-f", str(file)]

    async def reload(self) -> None:
        old = [process for process in self._running if process.returncode is None]
        file = self.folder / "configuration"
        await self._spawn(*self._command(file), "-sf", *(str(process.pid) for process in old))
        await self._until_it_listens()


class Varnish(Proxy):
    """Varnish, with lines of VCL."""

    package = "varnish"

    def _configuration(self) -> str:
        server = f'.host = "127.0.0.1"; .port = "{self._upstream}";'
        return f"vcl 4.1;\nbackend emulator {{ {server} }}\n{self._lines}"

    def _command(self, file: Path) -> list[str]:
        address = f"127.0.0.1:{self.port}"
        memory = ["-s", "malloc,16m"]
        return ["-F", "-j", "none", "-n", str(self.folder / "work"), "-a", address, "-f", str(file), *memory]

    async def reload(self) -> None:
        raise NotImplementedError("varnish loads a configuration without a change of its workers")


KINDS: Final[dict[str, type[Proxy]]] = {kind.package: kind for kind in (Nginx, Haproxy, Varnish)}
