"""Runs programs as processes of their own, each of which may be killed at one of its steps.

A step is a commit of the program's own database, before and after, and a charge that it was told of. They are
forks of a process that has what they import, and no more.
"""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import os
import runpy
import signal
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import attrs
from sqlalchemy.engine.default import DefaultDialect

from voucher_async import VoucherClient
from voucher_async.journals import sqlite  # noqa: F401 - once, and not in every fork

__all__ = ["Program", "Running"]

_FORKS: Final = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["pytest", "sqlalchemy.dialects.sqlite", "tests.docs.killed"])


@attrs.frozen
class Program:
    """A program that is to be run.

    Attributes:
        file: its text.
        arguments: those of its command line.
        environ: its variables.
        step: the step at which it is killed, from 1; 0 for none.
        log: the file for what it writes to its standard error.
        trace: the file for the names of its steps.
    """

    file: Path
    arguments: tuple[str, ...]
    environ: Mapping[str, str]
    step: int
    log: Path
    trace: Path

    def start(self) -> Running:
        """Run it in a process of its own."""
        process = _FORKS.Process(target=_run, args=(self,))
        process.start()
        return Running(self, process)


@attrs.frozen
class Running:
    """A program that runs, or has run.

    Attributes:
        program: the program.
        process: its process.
    """

    program: Program
    process: Any

    async def end(self) -> int:
        """Wait until it ends: its status, that of a signal below 0."""
        loop, over, sentinel = asyncio.get_running_loop(), asyncio.Event(), self.process.sentinel
        loop.add_reader(sentinel, over.set)
        try:
            await over.wait()
        finally:
            loop.remove_reader(sentinel)
        # in the thread that starts processes: starting one looks for others that have ended, and a status
        # that is read in two threads is read once
        self.process.join()
        return int(self.process.exitcode)

    @property
    def complaints(self) -> str:
        """The text that it wrote to its standard error."""
        lines = self.program.log.read_text(encoding="utf-8").splitlines()
        # development mode reports slow callbacks, which a busy machine causes
        return "\n".join(line for line in lines if not line.startswith("Executing <"))

    @property
    def steps(self) -> tuple[str, ...]:
        """The names of its steps so far; it was killed at the last one, if it was killed."""
        trace = self.program.trace
        return tuple(trace.read_text(encoding="utf-8").splitlines()) if trace.exists() else ()


def _run(program: Program) -> None:
    os.environ.clear()
    os.environ.update(program.environ)
    os.dup2(os.open(program.log, os.O_CREAT | os.O_WRONLY | os.O_TRUNC), 2)
    warnings.simplefilter("error")
    _watch(_Steps(program))
    sys.argv = [str(program.file), *program.arguments]
    runpy.run_path(str(program.file), run_name="__main__")


class _Steps:
    def __init__(self, program: Program) -> None:
        self._program = program
        self._numbers = itertools.count(1)

    def take(self, name: str) -> None:
        with self._program.trace.open("a", encoding="utf-8") as trace:
            trace.write(f"{name}\n")
        if next(self._numbers) == self._program.step:
            os.kill(os.getpid(), signal.SIGKILL)


def _watch(steps: _Steps) -> None:
    commit: Callable[[DefaultDialect, Any], None] = DefaultDialect.do_commit
    redeem = VoucherClient.redeem

    def do_commit(dialect: DefaultDialect, connection: Any) -> None:
        steps.take("before a commit")
        commit(dialect, connection)
        steps.take("after a commit")

    async def told(client: VoucherClient, **payment: Any) -> Any:
        charge = await redeem(client, **payment)
        steps.take("after the charge")
        return charge

    changed: Any
    for kind, name, changed in ((DefaultDialect, "do_commit", do_commit), (VoucherClient, "redeem", told)):
        setattr(kind, name, changed)
