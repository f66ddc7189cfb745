"""Hosts that an emulator is reached by."""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Hosts", "host_of", "reachable", "url_of"]

_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}  # noqa: S104 - not bound to
_HEADER: Final = re.compile(r"(\[[^\]]*\]|[^:]*)(:[0-9]+)?")


def reachable(host: str) -> str:
    """The host by which this machine reaches a server that listens on one, or on all of its addresses."""
    return _EVERYWHERE.get(host, host)


def url_of(host: str, port: int) -> str:
    """An address without a path."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def host_of(header: str) -> str | None:
    """The host that a `Host` header names, in small letters, without its port; None when none can be read."""
    found = _HEADER.fullmatch(header.strip())
    return None if found is None else found[1].lower().strip("[]")


class Hosts:
    """Hosts that a request may be for: a page of a browser, whose own name leads here, asks for another one.

    Args:
        names: what clients call the server; every address, this machine's name and `localhost` go, too.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names: tuple[str, ...] = tuple(names)
        own = ("localhost", socket.gethostname())
        self._known = frozenset(name.lower() for name in (*self.names, *own))

    def allow(self, header: str | None) -> bool:
        """True for a `Host` that is one of them; a request without one is no browser's."""
        if header is None:
            return True
        host = host_of(header)
        if host is None:
            return False
        return host.rstrip(".") in self._known or _is_address(host)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
