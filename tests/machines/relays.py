"""A TCP relay between each worker and each service, where there are no network namespaces."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import Final, Self

import attrs

from tests.machines.network import Cut, Service

__all__ = ["Relays"]

_HERE: Final = "127.0.0.1"
_PIECE: Final = 65_536
_RESET: Final = struct.pack("ii", 1, 0)  # no lingering: closing resets

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter


@attrs.define
class _Relay:
    """A link of one machine to one service."""

    port: int
    server: asyncio.Server | None = None
    cut: Cut | None = None
    mended: asyncio.Event = attrs.Factory(asyncio.Event)
    writers: set[Writer] = attrs.Factory(set)
    tasks: set[asyncio.Task[None]] = attrs.Factory(set)


class Relays:
    """The network of all machines.

    Args:
        machines: how many there are.
    """

    def __init__(self, machines: int) -> None:
        self._machines = range(machines)
        self._relays: dict[tuple[int, Service], _Relay] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for relay in self._relays.values():
            if relay.server is not None:
                relay.server.close()
            _abort(relay)
            tasks = tuple(relay.tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def place(self, service: Service) -> str:
        """This machine alone, for every service."""
        del service
        return _HERE

    async def attach(self, service: Service, port: int) -> None:
        """Begin to relay what comes from each machine."""
        for machine in self._machines:
            relay = _Relay(port)
            self._relays[machine, service] = relay

            async def take(reader: Reader, writer: Writer, relay: _Relay = relay) -> None:
                await _take(relay, reader, writer)

            relay.server = await asyncio.start_server(take, _HERE, 0)

    def address(self, machine: int, service: Service) -> tuple[str, int]:
        """The relay's."""
        server = self._relays[machine, service].server
        assert server is not None
        return _HERE, server.sockets[0].getsockname()[1]

    def within(self, machine: int) -> tuple[str, ...]:
        """Nothing: every worker is on this machine."""
        del machine
        return ()

    async def cut(self, machine: int, service: Service, how: Cut) -> None:
        """Take nothing from either side any more, or reset every connection."""
        relay = self._relays[machine, service]
        relay.cut = how
        relay.mended.clear()
        if how == "reset":
            _abort(relay)

    async def mend(self, machine: int, service: Service) -> None:
        """Go on with new connections.

        Those from before are reset: what a client has sent and then given up would be delivered late, which
        no kernel does.
        """
        relay = self._relays[machine, service]
        _abort(relay)
        relay.cut = None
        relay.mended.set()


async def _take(relay: _Relay, reader: Reader, writer: Writer) -> None:
    task = asyncio.current_task()
    assert task is not None
    relay.tasks.add(task)
    relay.writers.add(writer)
    try:
        if relay.cut == "reset":
            return
        if relay.cut == "silent":
            await relay.mended.wait()  # it is aborted then
            return
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await _pass(relay, reader, writer)
    finally:
        if relay.cut == "reset":
            _reset(writer)
        writer.close()
        relay.writers.discard(writer)
        relay.tasks.discard(task)


async def _pass(relay: _Relay, reader: Reader, writer: Writer) -> None:
    there_reader, there = await asyncio.open_connection(_HERE, relay.port)
    relay.writers.add(there)
    try:
        async with asyncio.TaskGroup() as ways:
            ways.create_task(_pump(relay, reader, there))
            ways.create_task(_pump(relay, there_reader, writer))
    finally:
        relay.writers.discard(there)
        there.transport.abort()


async def _pump(relay: _Relay, reader: Reader, writer: Writer) -> None:
    while piece := await reader.read(_PIECE):
        if relay.cut == "silent":
            await relay.mended.wait()
            return
        writer.write(piece)
        await writer.drain()
    if not relay.cut:
        writer.close()


def _abort(relay: _Relay) -> None:
    for writer in tuple(relay.writers):
        _reset(writer)


def _reset(writer: Writer) -> None:
    with contextlib.suppress(OSError):
        sock: socket.socket | None = writer.get_extra_info("socket")
        if sock is not None and sock.fileno() != -1:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
