"""A client on one of two machines, while its link is cut: `python -m tests.machines.probing MEANS`.

Prints as JSON what it sees of an echo: in order, and beside it what the other machine sees.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Final, Literal

from tests.machines.namespaces import Namespaces
from tests.machines.network import Cut, Network, run
from tests.machines.relays import Relays

__all__ = ["SEEN"]

SEEN: Final[tuple[Cut | Literal["echo"], ...]] = (
    *("echo", "silent", "echo", "reset"),
    *("echo", "silent", "reset", "echo"),
)
"""What a client sees of a link that is open, cut in both ways, and mended."""

_CLIENT: Final = """
import socket, sys
try:
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), 0.5) as made:
        made.settimeout(0.5)
        made.sendall(b"echo")
        print(made.recv(100).decode() or "closed")
except TimeoutError:
    print("silent")
except ConnectionError:
    print("reset")
"""


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.readexactly(4))
    await reader.read()
    writer.close()


async def _see(network: Network, machine: int) -> str:
    host, port = network.address(machine, "valkey")
    command = (*network.within(machine), sys.executable, "-ISc", _CLIENT, host, str(port))
    return (await run(*command)).strip()


async def _probe(network: Network) -> list[list[str]]:
    server = await asyncio.start_server(_echo, network.place("valkey"), 0)
    async with server:
        await network.attach("valkey", server.sockets[0].getsockname()[1])
        seen: list[list[str]] = []
        for word in SEEN:
            await network.mend(0, "valkey")
            if word != "echo":
                await network.cut(0, "valkey", word)
            seen.append(list(await asyncio.gather(_see(network, 0), _see(network, 1))))
        await network.mend(0, "valkey")
    return seen


async def _main(means: str) -> None:
    async with (Namespaces if means == "namespaces" else Relays)(2) as network:
        print(json.dumps(await _probe(network)))  # noqa: T201


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
