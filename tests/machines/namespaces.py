"""Machines as network namespaces: a bridge for each service, and a link from each machine to each bridge.

For a process that is in a namespace of its own already, so that all of it is gone with the process. The
neighbours are written down, or a link that was cut would be answered with "no route to host".
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from asyncio.subprocess import DEVNULL, Process
from pathlib import Path
from typing import Self

from tests.machines.network import SERVICES, Cut, Service, run
from tests.outage.namespace import prefix, set_loopback

__all__ = ["Namespaces"]

_KNOWN = "nud permanent"
_FIRST = 10  # the last number of the first machine's addresses


def _server(service: Service) -> str:
    return f"10.77.{SERVICES.index(service)}.1"


def _machine(machine: int, service: Service) -> str:
    return f"10.77.{SERVICES.index(service)}.{_FIRST + machine}"


def _hardware(service: Service, number: int) -> str:
    return f"02:00:00:00:{SERVICES.index(service):02x}:{number:02x}"


def _link(machine: int, service: Service) -> str:
    return f"{service}{machine}"


class Namespaces:
    """The network of all machines.

    Args:
        machines: how many there are.
    """

    def __init__(self, machines: int) -> None:
        self._machines = range(machines)
        self._holders: list[Process] = []
        self._ports: dict[Service, int] = {}
        self._reset: set[tuple[int, Service]] = set()

    async def __aenter__(self) -> Self:
        set_loopback(up=True)
        for service in SERVICES:
            lines = (
                f"link add {service} address {_hardware(service, 1)} type bridge",
                f"addr add {_server(service)}/24 dev {service}",
                f"link set {service} up",
            )
            await _ip(*lines)
        try:
            for machine in self._machines:
                await self._make(machine)
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end()

    async def _end(self) -> None:
        for holder in self._holders:
            with contextlib.suppress(ProcessLookupError):
                holder.kill()
            await holder.wait()

    async def _make(self, machine: int) -> None:
        """Make a machine's namespace, which lasts as long as the process that holds it, and its links."""
        sleep = shutil.which("sleep") or "sleep"
        holder = await asyncio.create_subprocess_exec(*prefix(), sleep, "infinity", stdin=DEVNULL)
        self._holders.append(holder)
        while _namespace(holder.pid) == _namespace(os.getpid()):
            await asyncio.sleep(0.005)
        inside = ["link set lo up"]
        for service in SERVICES:
            link, hardware = _link(machine, service), _hardware(service, _FIRST + machine)
            await _ip(
                f"link add {link} type veth peer name {service} address {hardware} netns {holder.pid}",
                f"link set {link} master {service} up",
                f"neigh replace {_machine(machine, service)} lladdr {hardware} dev {service} {_KNOWN}",
            )
            inside += [
                f"addr add {_machine(machine, service)}/24 dev {service}",
                f"link set {service} up",
                f"neigh replace {_server(service)} lladdr {_hardware(service, 1)} dev {service} {_KNOWN}",
            ]
        await _ip(*inside, within=self.within(machine))

    def place(self, service: Service) -> str:
        """The address that a service has to listen at."""
        return _server(service)

    async def attach(self, service: Service, port: int) -> None:
        """Note where a service listens."""
        self._ports[service] = port

    def address(self, machine: int, service: Service) -> tuple[str, int]:
        """The same for every machine."""
        return _server(service), self._ports[service]

    def within(self, machine: int) -> tuple[str, ...]:
        """The beginning of a command that runs the rest of it on a machine."""
        return (shutil.which("nsenter") or "nsenter", f"--net=/proc/{self._holders[machine].pid}/ns/net")

    async def cut(self, machine: int, service: Service, how: Cut) -> None:
        """Take the link down: silence; or let the machine itself answer at the service's address: resets."""
        if how == "silent":
            await _ip(f"link set {_link(machine, service)} down")
        else:
            self._reset.add((machine, service))
            await _ip(f"addr add {_server(service)}/32 dev lo", within=self.within(machine))

    async def mend(self, machine: int, service: Service) -> None:
        """Bring the link up, and take the foreign address away."""
        await _ip(f"link set {_link(machine, service)} up")
        if (machine, service) in self._reset:
            self._reset.remove((machine, service))
            await _ip(f"addr del {_server(service)}/32 dev lo", within=self.within(machine))


def _namespace(process: int) -> str:
    return str(Path(f"/proc/{process}/ns/net").readlink())


async def _ip(*lines: str, within: tuple[str, ...] = ()) -> None:
    await run(*within, shutil.which("ip") or "ip", "-batch", "-", lines="\n".join(lines) + "\n")
