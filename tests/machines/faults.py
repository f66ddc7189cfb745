"""The faults of a storm over machines: each hits some machines, lasts for a while, and is mended."""

from __future__ import annotations

import asyncio
import time
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

import attrs

from tests.chaos.running import ask
from tests.journals.postgres import Server
from tests.machines.machine import Machine
from tests.machines.network import Cut, Network, Service
from tests.machines.plan import FAULTS, Fault, MachineStorm, Turn
from tests.machines.servers import Valkey
from tests.machines.tokens import Troubles
from voucher_async.payments.ownership import LEASE

__all__ = ["Site", "inject"]


@attrs.define
class Site:
    """All that a fault may hit.

    Attributes:
        kills: how many workers were killed.
        pauses: how many were stopped for longer than their lease.
        restarts: how many were stopped by SIGTERM, and followed by new ones.
        valkey_troubles: what happened to Valkey.
    """

    storm: MachineStorm
    machines: Sequence[Machine]
    network: Network
    database: Server
    valkey: Valkey
    api: Process
    kills: int = 0
    pauses: int = 0
    restarts: int = 0
    valkey_troubles: Troubles = attrs.Factory(Troubles)

    def hit_by(self, turn: Turn) -> list[Machine]:
        """The machines of a turn."""
        return [self.machines[number] for number in turn.machines]


Way: TypeAlias = Callable[[Site, Turn], Awaitable[None]]


async def _none(_: Site, turn: Turn) -> None:
    await asyncio.sleep(turn.seconds)


def _cut(service: Service, how: Cut) -> Way:
    async def cut(site: Site, turn: Turn) -> None:
        began = time.monotonic()
        for machine in turn.machines:
            await site.network.cut(machine, service, how)
        await asyncio.sleep(turn.seconds)
        for machine in turn.machines:
            await site.network.mend(machine, service)
        if service == "valkey":
            site.valkey_troubles.away.append((began, time.monotonic()))

    return cut


async def _pause(site: Site, turn: Turn) -> None:
    began = time.monotonic()
    for machine in site.hit_by(turn):
        machine.pause()
        site.pauses += 1
    # others have time to take over its calls
    await asyncio.sleep(LEASE + turn.seconds)
    for machine in site.hit_by(turn):
        machine.resume()
    site.valkey_troubles.stopped.append((began, time.monotonic()))


async def _kill(site: Site, turn: Turn) -> None:
    for machine in site.hit_by(turn):
        await asyncio.sleep(turn.draw.uniform(0.0, 0.3))
        await machine.kill()
        site.kills += 1
    await asyncio.sleep(turn.seconds)
    await asyncio.gather(*(machine.start() for machine in site.hit_by(turn)))


async def _restart_postgresql(site: Site, turn: Turn) -> None:
    await asyncio.to_thread(site.database.stop, turn.draw.choice(("fast", "immediate")))
    await asyncio.sleep(turn.seconds / 2)
    await asyncio.to_thread(site.database.start)
    await asyncio.sleep(turn.seconds / 2)


async def _restart_valkey(site: Site, turn: Turn) -> None:
    """Lose what is in it: by a restart, and by a flush while it runs."""
    troubles, began = site.valkey_troubles, time.monotonic()
    site.valkey.stop()
    await asyncio.sleep(turn.seconds / 2)
    await site.valkey.start()
    troubles.away.append((began, time.monotonic()))
    await asyncio.sleep(turn.seconds / 4)
    await site.valkey.flush()
    troubles.emptied += [began, time.monotonic()]
    await asyncio.sleep(turn.seconds / 4)


async def _skew(site: Site, turn: Turn) -> None:
    for machine in site.machines:
        machine.skew(turn.skew(site.storm.minutes))
    await asyncio.sleep(turn.seconds)
    for machine in site.machines:
        machine.skew(0.0)


async def _roll(site: Site, turn: Turn) -> None:
    for machine in site.machines:
        await machine.stop()
        site.restarts += 1
        await machine.start()
    await asyncio.sleep(turn.seconds / 2)


async def _blow(site: Site, turn: Turn) -> None:
    await ask(site.api, "blow")
    await asyncio.sleep(turn.seconds)
    await ask(site.api, "calm")


async def _several(site: Site, turn: Turn) -> None:
    """The API's faults, and for each machine that is hit another trouble of its own."""
    troubles: list[Way] = [_cut("database", "silent"), _kill, _cut("valkey", "silent"), _pause]
    troubles += [_cut("api", "silent"), _skew_one]
    first = turn.draw.randrange(len(troubles))
    async with asyncio.TaskGroup() as group:
        group.create_task(_blow(site, turn))
        for place, machine in enumerate(turn.machines):
            trouble = troubles[(first + place) % len(troubles)]
            group.create_task(_coroutine(trouble, site, attrs.evolve(turn, machines=(machine,))))


async def _skew_one(site: Site, turn: Turn) -> None:
    (machine,) = site.hit_by(turn)
    machine.skew(turn.skew(site.storm.minutes))
    await asyncio.sleep(turn.seconds)
    machine.skew(0.0)


async def _coroutine(way: Way, site: Site, turn: Turn) -> None:
    await way(site, turn)


_WAYS: Final[dict[Fault, Way]] = {
    "none": _none,
    "database silent": _cut("database", "silent"),
    "database reset": _cut("database", "reset"),
    "Valkey silent": _cut("valkey", "silent"),
    "Valkey reset": _cut("valkey", "reset"),
    "API silent": _cut("api", "silent"),
    "API reset": _cut("api", "reset"),
    "paused": _pause,
    "killed": _kill,
    "PostgreSQL restarted": _restart_postgresql,
    "Valkey restarted": _restart_valkey,
    "clocks apart": _skew,
    "rolling restart": _roll,
    "API faults": _blow,
    "several at once": _several,
}
assert set(_WAYS) == set(FAULTS)


async def inject(site: Site, turn: Turn) -> None:
    """Let a fault happen, and mend it."""
    await _WAYS[turn.fault](site, turn)
