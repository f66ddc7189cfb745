"""The connection under a request: whether it can take one, and how it is destroyed.

A connection that is merely closed goes on living in the kernel, which sends what was written again and again
until the server has it - long after the call has ended and was judged. So from the moment a request is begun
until its answer is there, closing its connection means destroying it, whoever closes it: this package,
aiohttp, the interpreter at its end, or the operating system after a crash.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import struct
import sys
from typing import Any, Final

__all__ = ["Connection", "hear_out", "is_closing"]

_FORMAT: Final = "hh" if sys.platform == "win32" else "ii"
_DESTROY: Final = struct.pack(_FORMAT, 1, 0)
_DELIVER: Final = struct.pack(_FORMAT, 0, 0)
_TURNS: Final = 6  # turns of the loop after which a closed TLS connection is known in all layers


class Connection:
    """A connection that a request is written to, from then on until its answer is there.

    Args:
        transport: what the request is written to.
    """

    __slots__ = ("_descriptor", "_socket", "_transport")

    # descriptor -> its latest request: once released, a descriptor may already serve the next one
    _owners: Final[dict[int, Connection]] = {}

    def __init__(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._socket: Any = transport.get_extra_info("socket")
        self._descriptor = _descriptor_of(self._socket)
        if self._descriptor >= 0:
            self._owners[self._descriptor] = self
        self._linger(_DESTROY)

    def release(self) -> None:
        """The answer is there: from now on the connection is closed as any other."""
        if self._owners.get(self._descriptor) is self:
            del self._owners[self._descriptor]
            self._linger(_DELIVER)

    def destroy(self) -> None:
        """Forget what was written and is not with the server yet, and break the connection off."""
        if self._owners.get(self._descriptor) is self:
            del self._owners[self._descriptor]
            self._linger(_DESTROY)
        for layer in _layers(self._transport):
            with contextlib.suppress(RuntimeError):  # its loop is closed, and its sockets with it
                layer.abort()

    def _linger(self, how: bytes) -> None:
        try:  # noqa: SIM105 - on the path of every call, where `suppress` is slower
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, how)
        except (OSError, AttributeError):
            pass  # closed already, or not a TCP connection


def _layers(transport: Any) -> tuple[Any, ...]:
    """A transport and those under it; closing one of TLS only begins a farewell that the peer has to end."""
    under = _under(transport)
    return (transport,) if under is None else (transport, *_layers(under))


def _under(transport: Any) -> Any:
    return getattr(getattr(transport, "_ssl_protocol", None), "_transport", None)


def _descriptor_of(sock: Any) -> int:
    try:
        return int(sock.fileno())
    except (OSError, AttributeError):
        return -1


def is_closing(transport: asyncio.BaseTransport) -> bool:
    """True when nothing can be written any more; a TLS transport does not say so of the one under it."""
    layer: Any = transport
    while layer is not None:
        if layer.is_closing():
            return True
        layer = _under(layer)
    return False


async def hear_out(transport: asyncio.BaseTransport) -> None:
    """Let the loop process what has arrived on a connection that nothing was asked on.

    It is the end of the connection, as a rule.
    """
    descriptor = _descriptor_of(transport.get_extra_info("socket"))
    if descriptor < 0 or not _has_news(descriptor):
        return
    for _ in range(_TURNS):
        await asyncio.sleep(0)
        if is_closing(transport):
            return


def _has_news(descriptor: int) -> bool:
    if sys.platform == "win32":
        return bool(select.select([descriptor], [], [], 0)[0])
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
