"""Runs a storm over machines: the network, the servers, the workers, the faults by turns, and the judge."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import attrs

from tests.chaos.judge import Verdict, judge
from tests.chaos.records import Entry, Record, Tokens, Turn, read
from tests.chaos.running import ask, line_of, started
from tests.chaos.server import LIFETIME
from tests.machines.access import Access
from tests.machines.columns import AFTERWARDS, Column, columns_of
from tests.machines.faults import Site, inject
from tests.machines.machine import Machine
from tests.machines.namespaces import Namespaces
from tests.machines.network import Network
from tests.machines.plan import MachineStorm, turns
from tests.machines.relays import Relays
from tests.machines.servers import Valkey, postgresql, url_of
from voucher_async.testing import EmulatorSettings

__all__ = ["Conductor", "MachineReport"]

_CATCHING_UP: Final = 60.0  # seconds that workers have after a fault until the next one comes


@attrs.frozen(kw_only=True)
class MachineReport:
    """What came of a storm.

    Attributes:
        storm: the storm.
        verdict: what the judge found.
        columns: what came of the payments under each fault.
        requests: how many requests the API answered.
        injected: how many faults it injected, by kind.
        kills: how many workers were killed.
        pauses: how many were stopped for longer than their lease.
        restarts: how many were stopped by SIGTERM.
        late: seconds that the API was late at worst.
        seconds: how long it all took.
        noise: what the processes wrote to their standard error.
    """

    storm: MachineStorm
    verdict: Verdict
    columns: Mapping[str, Column]
    requests: int
    injected: dict[str, int]
    kills: int
    pauses: int
    restarts: int
    late: float
    seconds: float
    noise: str


class Conductor:
    """Runs one storm.

    Args:
        storm: the storm.
        folder: where everything is written; empty.
    """

    def __init__(self, storm: MachineStorm, folder: Path) -> None:
        self._storm = storm
        self._folder = folder
        self._noise = folder / "noise.txt"
        self._turns: list[Turn] = []

    async def run(self) -> MachineReport:
        """Run it, and have it judged.

        Raises:
            StormFailed: one of its processes failed.
        """
        began = time.monotonic()
        async with self._site() as site:
            try:
                await asyncio.gather(*(machine.start() for machine in site.machines))
                await self._blow(site)
                await self._calm(site)
            finally:
                await asyncio.gather(*(machine.abandon() for machine in site.machines))
            path = self._folder / "ledger.json"
            await ask(site.api, f"ledger {path}")
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return self._report(site, found, time.monotonic() - began)

    @contextlib.asynccontextmanager
    async def _site(self) -> AsyncIterator[Site]:
        kind = Namespaces if self._storm.means == "namespaces" else Relays
        async with contextlib.AsyncExitStack() as stack:
            network: Network = await stack.enter_async_context(kind(self._storm.workers))
            self._storm = attrs.evolve(self._storm, host=network.place("api"))
            database, port = await stack.enter_async_context(postgresql(network.place("database")))
            await network.attach("database", port)
            place = network.place("valkey")
            valkey = await stack.enter_async_context(Valkey(place, self._folder / "valkey"))
            await network.attach("valkey", valkey.port)
            serving = started("tests.machines.server", self._storm.to_json(), noise=self._noise)
            api = await stack.enter_async_context(serving)
            settings: EmulatorSettings = json.loads(await line_of(api))
            await network.attach("api", urlsplit(settings["base_url"]).port or 0)
            machines = [
                Machine(
                    number=number,
                    storm=self._storm,
                    folder=self._folder,
                    access=_access(network, settings, number).to_json(),
                    within=network.within(number),
                )
                for number in range(self._storm.workers)
            ]
            yield Site(self._storm, machines, network, database, valkey, api)

    async def _blow(self, site: Site) -> None:
        """Let each fault have its turn, under load."""
        for turn in turns(self._storm):
            self._turns.append(Turn(at=time.monotonic(), habit=turn.fault))
            for machine in site.machines:
                machine.allow(turn.payments)
            await inject(site, turn)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CATCHING_UP):
                    await asyncio.gather(*(machine.caught_up() for machine in site.machines))
        for machine in site.machines:
            machine.allow(self._storm.calls)

    async def _calm(self, site: Site) -> None:
        await asyncio.gather(*(machine.done() for machine in site.machines))
        await ask(site.api, "calm")
        self._turns.append(Turn(at=time.monotonic(), habit=AFTERWARDS))
        for machine in site.machines:
            machine.calm()
        await asyncio.gather(*(machine.end() for machine in site.machines))

    def _report(self, site: Site, found: dict[str, Any], seconds: float) -> MachineReport:
        records: list[Record] = [
            record for each in sorted(self._folder.glob("*.jsonl")) for record in read(each)
        ]
        entries = [Entry(**entry) for entry in found["entries"]]
        verdict = judge(records, entries)
        tokens, troubles = Tokens(**found["tokens"]), site.valkey_troubles
        columns = columns_of(records, entries, verdict, self._turns, tokens, troubles=troubles, life=LIFETIME)
        return MachineReport(
            storm=self._storm,
            verdict=verdict,
            columns=columns,
            requests=found["requests"],
            injected=found["injected"],
            kills=site.kills,
            pauses=site.pauses,
            restarts=site.restarts,
            late=found["late"],
            seconds=seconds,
            noise=self._noise.read_text(encoding="utf-8"),
        )


def _access(network: Network, settings: EmulatorSettings, machine: int) -> Access:
    host, port = network.address(machine, "api")

    def reached(url: str) -> str:
        return urlsplit(url)._replace(netloc=f"{host}:{port}").geturl()

    api: EmulatorSettings = {
        **settings,
        "base_url": reached(settings["base_url"]),
        # a token belongs to its URL, which must be one for all machines; so relays are left out here
        "token_url": settings["token_url"] if isinstance(network, Relays) else reached(settings["token_url"]),
    }
    host, port = network.address(machine, "valkey")
    journal = url_of(network.address(machine, "database"))
    return Access(api=api, journal=journal, valkey=f"redis://{host}:{port}")
