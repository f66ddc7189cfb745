"""Runs a storm: starts the server and the workers, kills some, calms it down, and has it judged."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import attrs

from tests.chaos.config import Storm
from tests.chaos.judge import Verdict, judge
from tests.chaos.records import Began, Entry, Record, Turn, read
from tests.chaos.running import ask, line_of, send, started
from tests.chaos.turns import Turns
from tests.chaos.worker import journal_of
from tests.journals.postgres import Server
from voucher_async.payments.ownership import LEASE


@attrs.frozen(kw_only=True)
class Report:
    """What came of a storm.

    Attributes:
        storm: the storm.
        verdict: what the judge found.
        calls: how many calls that move money were begun.
        requests: how many requests the server answered.
        injected: how many faults it injected, by kind.
        outages: how often the token endpoint went down.
        kills: how many workers were killed.
        pauses: how often a worker was stopped for longer than its lease.
        late: seconds that the server was late at worst.
        seconds: how long it all took.
        noise: what the processes wrote to their standard error.
    """

    storm: Storm
    verdict: Verdict
    calls: int
    requests: int
    injected: dict[str, int]
    outages: int
    kills: int
    pauses: int
    late: float
    seconds: float
    noise: str


class Conductor:
    """Runs one storm.

    Args:
        storm: the storm.
        folder: where everything is written; empty.
    """

    def __init__(self, storm: Storm, folder: Path) -> None:
        self._storm = storm
        self._folder = folder
        self._access = ""
        self._noise = folder / "noise.txt"
        self._calm = asyncio.Event()
        self._working = storm.workers
        self._all_worked = asyncio.Event()
        self._killed: list[str] = []
        self._pauses = 0
        self._pausing = random.Random(f"{storm.seed}/pauses")
        self._rng = random.Random(f"{storm.seed}/kills")

    async def run(self) -> Report:
        """Run it, and have it judged.

        Raises:
            StormFailed: one of its processes failed.
        """
        began = time.monotonic()
        async with self._sharing(), self._started("server", self._storm.to_json()) as server:
            self._access = await line_of(server)
            async with asyncio.TaskGroup() as workers:
                numbers = range(self._storm.workers)
                kills = [self._points(self._rng, self._storm.kills) for _ in numbers]
                pauses = [self._points(self._pausing, self._storm.pauses) for _ in numbers]
                for number in numbers:
                    workers.create_task(self._work(number, kills[number], pauses[number]))
                workers.create_task(self._calm_down(server))
            if not self._storm.journal:
                await self._settle_for_the_killed()
            path = self._folder / "ledger.json"
            await ask(server, f"ledger {path}")
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        records = [record for each in sorted(self._folder.glob("*.jsonl")) for record in read(each)]
        return self._report(records, found, time.monotonic() - began)

    def _report(self, records: Sequence[Record], found: dict[str, Any], seconds: float) -> Report:
        entries = [Entry(**entry) for entry in found.pop("entries")]
        turns = Turns(Turn(**turn) for turn in found.pop("turns"))
        found.pop("tokens")
        return Report(
            storm=self._storm,
            verdict=judge(records, entries, turns),
            calls=sum(isinstance(record, Began) for record in records),
            kills=len(self._killed),
            pauses=self._pauses,
            seconds=seconds,
            noise=self._noise.read_text(encoding="utf-8"),
            **found,
        )

    def _points(self, rng: random.Random, times: int) -> list[int]:
        """After how many calls something is done to a worker, each time."""
        share = self._storm.calls // (1 if self._storm.is_shared else self._storm.workers)
        return sorted(rng.randint(share // 10, share * 8 // 10) for _ in range(times))

    @contextlib.asynccontextmanager
    async def _sharing(self) -> AsyncIterator[None]:
        """Around a storm: the journal that its workers share, if they do."""
        if self._storm.variant == "keys-sqlite":
            self._storm = attrs.evolve(self._storm, journal=f"sqlite:///{self._folder / 'journal.db'}")
        if self._storm.variant != "keys-postgresql":
            yield
            return
        server = await asyncio.to_thread(Server)
        try:
            server.run("CREATE DATABASE storm")
            self._storm = attrs.evolve(self._storm, journal=server.url("storm"))
            yield
        finally:
            await asyncio.to_thread(server.close)

    def _started(self, module: str, *arguments: str) -> contextlib.AbstractAsyncContextManager[Process]:
        return started(f"tests.chaos.{module}", *arguments, noise=self._noise)

    async def _work(self, number: int, kill_points: list[int], pause_points: list[int]) -> None:
        """See a worker through, starting it again when it was killed.

        Args:
            number: which worker.
            kill_points: after how many calls it is killed.
            pause_points: after how many calls it is stopped for a while.
        """
        share = -(-self._storm.calls // (1 if self._storm.is_shared else self._storm.workers))
        for generation in range(len(kill_points) + 1):
            made, following = self._so_far(number, generation)
            numbers = [str(each) for each in (number, generation, following, max(share - made, 0))]
            arguments = (self._storm.to_json(), self._access, str(self._folder), *numbers)
            async with self._started("worker", *arguments) as worker:
                kill_at = kill_points[generation] if generation < len(kill_points) else None
                if await self._watch(worker, made, kill_at, pause_points):
                    self._killed.append(journal_of(self._folder, number, generation).name)
                    continue
                self._working -= 1
                if not self._working:
                    self._all_worked.set()
                await self._calm.wait()
                send(worker, "calm")
                return

    def _so_far(self, number: int, generations: int) -> tuple[int, int]:
        """How far a worker is, and the number of its next piece of work."""
        made, following = 0, 0
        for generation in range(generations):
            for record in read(journal_of(self._folder, number, generation)):
                if isinstance(record, Began):
                    made += 1
                    following = max(following, record.unit + 1)
        return 0 if self._storm.is_shared else made, following

    async def _watch(self, worker: Process, made: int, kill_at: int | None, pause_points: list[int]) -> bool:
        """Wait until a worker has done its work, or kill it; whether it was killed.

        Args:
            worker: the worker.
            made: how many calls it had made before it was started.
            kill_at: after how many calls it is killed; None: it is not.
            pause_points: after how many calls it is stopped for a while; those that are over are dropped.
        """
        while (said := await line_of(worker)) != "worked":
            count = made + int(said.removeprefix("at "))
            if kill_at is not None and count >= kill_at:
                await asyncio.sleep(self._rng.uniform(0.0, 0.3))
                worker.kill()
                await worker.wait()
                return True
            if pause_points and count >= pause_points[0]:
                pause_points.pop(0)
                await self._pause(worker)
        return False

    async def _pause(self, worker: Process) -> None:
        """Stop a worker until its lease is over, and others have had time to take over its calls."""
        await asyncio.sleep(self._pausing.uniform(0.0, 0.3))
        worker.send_signal(signal.SIGSTOP)
        self._pauses += 1
        await asyncio.sleep(LEASE + self._pausing.uniform(0.0, 5.0))
        worker.send_signal(signal.SIGCONT)

    async def _calm_down(self, server: Process) -> None:
        await self._all_worked.wait()
        await ask(server, "calm")
        self._calm.set()

    async def _settle_for_the_killed(self) -> None:
        if self._killed:
            arguments = (self._storm.to_json(), self._access, str(self._folder), *self._killed)
            async with self._started("settler", *arguments):
                pass
