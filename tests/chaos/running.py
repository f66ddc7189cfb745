"""Processes of a storm: started, spoken to by lines, and ended."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from tests.processes import plain_environment

__all__ = ["StormFailed", "ask", "line_of", "send", "spawn", "started"]

_ROOT = Path(__file__).resolve().parents[2]
_KILLED = -9


class StormFailed(Exception):
    """A process of the storm itself failed; nothing was judged."""


async def spawn(module: str, *arguments: str, noise: Path, within: Sequence[str] = ()) -> Process:
    """Start a module of the tests in a process of its own.

    Args:
        module: its name.
        arguments: what it is told.
        noise: the file that gets its standard error.
        within: the beginning of a command that runs the rest of it somewhere else.
    """
    # resources that a worker leaves open are its bug; the server breaks connections on purpose
    warn = "ignore" if module.endswith("server") else "default"
    with noise.open("a", encoding="utf-8") as complaints:
        return await asyncio.create_subprocess_exec(
            *(*within, sys.executable, "-W", warn, "-m", module, *arguments),
            stdin=PIPE,
            stdout=PIPE,
            stderr=complaints,
            cwd=_ROOT,
            env=plain_environment(),
        )


@contextlib.asynccontextmanager
async def started(module: str, *arguments: str, noise: Path) -> AsyncIterator[Process]:
    """The same for as long as it is needed: the end of its input ends it.

    Raises:
        StormFailed: it failed.
    """
    process = await spawn(module, *arguments, noise=noise)
    try:
        yield process
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode not in {0, _KILLED}:
        raise StormFailed(f"{module} ended with {process.returncode}: {noise.read_text('utf-8')}")


async def line_of(process: Process) -> str:
    """The next line that a process says.

    Raises:
        StormFailed: it says no more.
    """
    if process.stdout is None:
        raise StormFailed("no output to read")
    line = (await process.stdout.readline()).decode().strip()
    if not line:
        raise StormFailed("a process ended before it should have")
    return line


def send(process: Process, word: str) -> None:
    """Tell a process something."""
    if process.stdin is not None:
        process.stdin.write(f"{word}\n".encode())


async def ask(process: Process, command: str) -> None:
    """Tell a process to do something, and wait until it is done."""
    send(process, command)
    await line_of(process)
