"""Processes that say a line of JSON, and answer each line that they are given by one."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

from tests.processes import plain_environment

__all__ = ["Process", "cpu_of_server", "say", "started"]

_ROOT: Final = Path(__file__).resolve().parents[2]
_PATIENCE: Final = 30.0  # seconds
_TICKS: Final = os.sysconf("SC_CLK_TCK")


def say(line: object) -> None:
    """Write a line of JSON to standard output."""
    sys.stdout.write(f"{json.dumps(line)}\n")
    sys.stdout.flush()


class Process:
    """A module that runs in a process of its own.

    Args:
        module: its name.
        arguments: its arguments, as JSON.
    """

    def __init__(self, module: str, *arguments: object) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *map(json.dumps, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
            env=plain_environment() | {"PYTHONPATH": str(_ROOT)},
        )

    def told(self) -> Any:
        """The next line that it says."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"a process ended with {self._process.wait()}, see above"
        return json.loads(line)

    def tell(self, line: object = "") -> None:
        """Give it a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{json.dumps(line)}\n")
        self._process.stdin.flush()

    def ask(self, line: object = "") -> Any:
        """Give it a line; the line that it answers."""
        self.tell(line)
        return self.told()

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        self._process.kill()

    def close(self) -> None:
        """Close its standard input, which ends it; kill it when it does not."""
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate(timeout=_PATIENCE)


@contextlib.contextmanager
def started(module: str, *arguments: object) -> Generator[Process]:
    """A process that has ended afterwards."""
    process = Process(module, *arguments)
    try:
        yield process
    finally:
        try:
            process.close()
        except subprocess.TimeoutExpired:
            process.kill()
            process.close()


def cpu_of_server(postmaster: int) -> float:
    """Seconds of CPU that PostgreSQL has used, with all its processes.

    Args:
        postmaster: the id of its first process.
    """
    ticks = 0
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                ticks += _ticks((folder / "stat").read_text(), int(folder.name), postmaster)
    return ticks / _TICKS


def _ticks(stat: str, process: int, postmaster: int) -> int:
    """The ticks of one process, those of its ended children included where it is the first one."""
    fields = stat.rpartition(") ")[2].split()  # from the third field on, the state
    parent, own, ended = int(fields[1]), sum(map(int, fields[11:13])), sum(map(int, fields[13:15]))
    if process == postmaster:
        return own + ended
    return own if parent == postmaster else 0
