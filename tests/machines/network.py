"""The network between the workers' machines and their services, which is cut and mended.

Each machine is a network namespace with a link of its own to each service. Where namespaces are not to be
had, a TCP relay stands between each worker and each service instead.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from typing import Final, Literal, Protocol, TypeAlias, get_args

from tests.outage.namespace import NoNamespaceError, prefix

__all__ = ["SERVICES", "Cut", "Means", "Network", "Service", "means"]

Service: TypeAlias = Literal["database", "valkey", "api"]
SERVICES: Final[tuple[Service, ...]] = get_args(Service)

Cut: TypeAlias = Literal["silent", "reset"]
"""The ways to cut: every packet is lost, or each is answered by a reset."""

Means: TypeAlias = Literal["namespaces", "relays"]
"""What stands between the machines and their services."""


class Network(Protocol):
    """The links of all machines to all services."""

    def place(self, service: Service) -> str:
        """The address that a service has to listen at."""
        ...

    async def attach(self, service: Service, port: int) -> None:
        """Link all machines to a service that listens at its place."""
        ...

    def address(self, machine: int, service: Service) -> tuple[str, int]:
        """The host and the port by which a machine reaches a service."""
        ...

    def within(self, machine: int) -> tuple[str, ...]:
        """The beginning of a command that runs the rest of it on a machine."""
        ...

    async def cut(self, machine: int, service: Service, how: Cut) -> None:
        """Cut a link."""
        ...

    async def mend(self, machine: int, service: Service) -> None:
        """Mend a link that was cut, in whichever way."""
        ...


def means() -> tuple[Means, str]:
    """What this machine has for it, and the reason in words."""
    if os.geteuid() != 0:
        return "relays", "not root"
    if shutil.which("ip") is None or shutil.which("nsenter") is None:
        return "relays", "`ip` of iproute2 and `nsenter` of util-linux are not both here"
    try:
        made = prefix()
    except NoNamespaceError as error:
        return "relays", str(error)
    if "-rn" in made:
        return "relays", "this root makes no network namespaces"
    return "namespaces", "root, with network namespaces"


async def run(*command: str, lines: str = "") -> str:
    """Run a command to its end, and give what it says.

    Raises:
        RuntimeError: it failed.
    """
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
    said, complained = await process.communicate(lines.encode())
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}: {complained.decode().strip()} {lines}")
    return said.decode()
