"""A machine: its worker, and the workers that follow it there."""

from __future__ import annotations

import asyncio
import signal
from asyncio.subprocess import Process
from pathlib import Path
from typing import Final

import attrs

from tests.chaos.records import Began, read
from tests.chaos.running import StormFailed, line_of, send, spawn
from tests.chaos.worker import journal_of
from tests.machines.plan import MachineStorm

__all__ = ["Machine"]

_STOPPING: Final = 40.0  # seconds


@attrs.define
class Machine:
    """The place of a worker.

    Args:
        number: which one.
        storm: the storm.
        folder: where records go.
        access: how its workers reach their services, as JSON.
        within: the beginning of a command that runs on this machine.

    Attributes:
        worked: its worker has made all payments.
    """

    number: int
    storm: MachineStorm
    folder: Path
    access: str
    within: tuple[str, ...]
    worked: asyncio.Event = attrs.Factory(asyncio.Event)
    _process: Process | None = None
    _listening: asyncio.Task[None] | None = None
    _generation: int = 0
    _at: int = 0
    _allowed: int = 0
    _moved: asyncio.Event = attrs.Factory(asyncio.Event)

    @property
    def process(self) -> Process:
        """The worker's process."""
        assert self._process is not None
        return self._process

    async def start(self) -> None:
        """Start a worker, where the one before has come to."""
        following = self._following()
        numbers = (str(each) for each in (self.number, self._generation, following))
        arguments = (self.storm.to_json(), self.access, str(self.folder), *numbers)
        noise = self.folder / "noise.txt"
        self._process = await spawn("tests.machines.worker", *arguments, noise=noise, within=self.within)
        self._generation += 1
        await line_of(self._process)
        self._listening = asyncio.create_task(self._listen(self._process))
        self.allow(self._allowed)

    def _following(self) -> int:
        """The number of the next piece of work."""
        paths = [journal_of(self.folder, self.number, each) for each in range(self._generation)]
        records = (record for path in paths if path.exists() for record in read(path))
        return max((record.unit + 1 for record in records if isinstance(record, Began)), default=0)

    async def _listen(self, process: Process) -> None:
        assert process.stdout is not None
        while line := (await process.stdout.readline()).decode().strip():
            if line == "worked":
                self._at = self.storm.calls
                self.worked.set()
            else:
                self._at = int(line.removeprefix("at "))
            self._moved.set()
        self._moved.set()

    def allow(self, upto: int) -> None:
        """Let its worker begin more payments."""
        self._allowed = upto
        self._say(f"upto {upto}")

    def skew(self, seconds: float) -> None:
        """Set its clock wrong."""
        self._say(f"skew {seconds}")

    def calm(self) -> None:
        """Tell its worker that the storm is over."""
        self._say("calm")

    def _say(self, word: str) -> None:
        send(self.process, word)

    async def caught_up(self) -> None:
        """Wait until its worker has begun all that it may.

        Raises:
            StormFailed: it has ended before.
        """
        while self._at < self._allowed and not self.worked.is_set():
            self._moved.clear()
            await self._moved.wait()
            await self._check_running()

    async def done(self) -> None:
        """Wait until its worker has made all payments.

        Raises:
            StormFailed: it has ended before.
        """
        while not self.worked.is_set():
            self._moved.clear()
            await self._moved.wait()
            await self._check_running()

    async def _check_running(self) -> None:
        if self._listening is not None and self._listening.done() and not self.worked.is_set():
            await self.process.wait()
            self.check()
            raise StormFailed(f"worker {self.number} ended before it should have")

    async def kill(self) -> None:
        """Kill its worker (SIGKILL)."""
        self.process.kill()
        await self._ended()

    async def stop(self) -> None:
        """Stop its worker as a server is stopped (SIGTERM).

        Raises:
            StormFailed: it does not end, or not well.
        """
        self.process.terminate()
        try:
            async with asyncio.timeout(_STOPPING):
                await self._ended()
        except TimeoutError:
            raise StormFailed(f"worker {self.number} does not end after a SIGTERM") from None
        self.check()

    def pause(self) -> None:
        """Stop the time of its worker (SIGSTOP)."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let its worker go on."""
        self.process.send_signal(signal.SIGCONT)

    async def end(self) -> None:
        """Wait for the end of its worker."""
        await self._ended()
        self.check()

    def check(self) -> None:
        """Make sure that its worker has ended well.

        Raises:
            StormFailed: it has not.
        """
        if self.process.returncode:
            noise = (self.folder / "noise.txt").read_text("utf-8")[-5_000:]
            raise StormFailed(f"worker {self.number} ended with {self.process.returncode}: {noise}")

    async def abandon(self) -> None:
        """Kill what is left, when the storm has failed."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._ended()

    async def _ended(self) -> None:
        if self._listening is not None:
            await self._listening
        await self.process.wait()
