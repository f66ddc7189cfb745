"""The shop's processes: `uvicorn --workers 2`, as in production, but in development mode."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import sys
import time
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, Final

from tests.chaos.shop.plan import ShopStorm

_ROOT: Final = Path(__file__).resolve().parents[3]
_PORTS: Final = range(15_000, 30_000)


def free_port() -> int:
    """A port that is free, and that no connection of a client gets while the shop is away."""
    for port in random.SystemRandom().sample(_PORTS, 50):
        with socket.socket() as listening, contextlib.suppress(OSError):
            listening.bind(("127.0.0.1", port))
            return port
    raise OSError("no free port")


class Shop:
    """One shop, which is stopped and started.

    Args:
        storm: the storm.
        environ: the variables of its processes, beside those of this one.
        log: where they write.

    Attributes:
        port: where customers find it.
    """

    def __init__(self, storm: ShopStorm, environ: Mapping[str, str], log: Path) -> None:
        self.port = free_port()
        self._command = (
            *(sys.executable, "-X", "dev", "-m", "uvicorn", "tests.chaos.shop.app:app"),
            *("--workers", str(storm.workers), "--timeout-graceful-shutdown", str(storm.grace)),
            *("--port", str(self.port), "--no-access-log"),
        )
        # development mode but for its checks of every byte of memory, which are for what is written in C
        mode = {"PYTHONWARNINGS": "default", "PYTHONMALLOC": "pymalloc"}
        self._environ = {**os.environ, **mode, **environ}
        self._log = log

    @property
    def url(self) -> str:
        """Where customers find it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """All that its processes have written."""
        return self._log.read_text("utf-8", errors="replace")

    async def serve(self, until: Coroutine[Any, Any, object]) -> float:
        """Open, wait until something is done, then close by a SIGTERM; the seconds that closing took.

        Raises:
            RuntimeError: it ended by itself.
        """
        with self._log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *self._command, stdout=log, stderr=log, cwd=_ROOT, env=self._environ
            )
        doing, ended = asyncio.create_task(until), asyncio.create_task(process.wait())
        try:
            await asyncio.wait({doing, ended}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                raise RuntimeError(f"the shop ended with {process.returncode}: {self.log[-2000:]}")
            await doing
        finally:
            doing.cancel()
            began = time.monotonic()
            if process.returncode is None:
                process.terminate()
            await ended
        return time.monotonic() - began
