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

__all__ = ["arm", "armed_socket", "destroy", "disarm", "hear_out", "is_closing", "owners"]

_FORMAT: Final = "hh" if sys.platform == "win32" else "ii"
_DESTROY: Final = struct.pack(_FORMAT, 1, 0)
_DELIVER: Final = struct.pack(_FORMAT, 0, 0)
_TURNS: Final = 6  # turns of the loop after which a closed TLS connection is known in all layers

# the body that is under way on a descriptor: when one is answered, the next may be on it already
owners: Final[dict[int, object]] = {}


class _Armed(socket.socket):
    """A socket that is armed from its making on, so that nothing has to be set for a request."""

    __slots__ = ()

    def close(self) -> None:
        """Destroy the connection under a request; close an idle one as any other."""
        if owners.pop(self.fileno(), None) is None:
            disarm(self)
        super().close()


def armed_socket(address: tuple[Any, ...]) -> socket.socket:
    """A socket whose connection is destroyed when it is closed under a request.

    Args:
        address: begins with its family, its type and its protocol.
    """
    made = _Armed(*address[:3])
    arm(made)
    return made


def arm(sock: Any) -> None:
    """From now on destroy the connection when it is closed."""
    _linger(sock, _DESTROY)


def disarm(sock: Any) -> None:
    """From now on deliver what was written when the connection is closed."""
    _linger(sock, _DELIVER)


def _linger(sock: Any, how: bytes) -> None:
    with contextlib.suppress(OSError, AttributeError):  # closed already, or not a TCP connection
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, how)


def destroy(transport: asyncio.BaseTransport) -> None:
    """Forget what was written and is not with the server yet, and break the connection off."""
    arm(transport.get_extra_info("socket"))
    layer: Any = transport
    while layer is not None:  # closing one of TLS only begins a farewell that the peer has to end
        under = _under(layer)
        with contextlib.suppress(RuntimeError):  # its loop is closed, and its sockets with it
            layer.abort()
        layer = under


def is_closing(transport: asyncio.BaseTransport) -> bool:
    """True when nothing can be written any more; a TLS transport does not say so of the one under it."""
    layer: Any = transport
    while layer is not None:
        if layer.is_closing():
            return True
        layer = _under(layer)
    return False


def _under(layer: Any) -> Any:
    """The transport under one of TLS; None under any other."""
    return getattr(getattr(layer, "_ssl_protocol", None), "_transport", None)


async def hear_out(transport: asyncio.BaseTransport) -> None:
    """Let the loop process what has arrived on a connection that nothing was asked on.

    It is the end of the connection, as a rule.
    """
    try:
        descriptor = transport.get_extra_info("socket").fileno()
    except (OSError, AttributeError):
        return
    if descriptor < 0 or not _has_news(descriptor):
        return
    for _ in range(_TURNS):
        if is_closing(transport):
            return
        await asyncio.sleep(0)


def _has_news(descriptor: int) -> bool:
    if sys.platform == "win32":
        return bool(select.select([descriptor], [], [], 0)[0])
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
