"""Requests that the console refuses: those that a page of another site may have made a browser send.

The console has no log-in. A browser on this machine reaches it, and so does every page in that browser whose
own name is made to lead here (DNS rebinding), or which sends forms to addresses that it cannot read.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

from voucher_async.testing._hosts import host_of

if TYPE_CHECKING:
    from aiohttp import web

__all__ = ["Refused", "check_host", "check_origin", "check_site"]

_OWN: Final = frozenset({"same-origin", "none"})  # none: an address that was typed


class Refused(Exception):
    """A request that the console does not carry out.

    Attributes:
        status: the status of the answer.
        message: what a person can do about it.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def check_host(request: web.Request, listens_on: str) -> None:
    """Refuse a `Host` that is neither this machine, as it calls itself, nor the address that was reached.

    Args:
        request: the request.
        listens_on: the host that the emulator was told to listen on.

    Raises:
        Refused: with 421.
    """
    host = host_of(request.headers.get("Host", ""))
    if host is None or not (_is_loopback(host) or host in {listens_on.lower(), _reached(request)} - {""}):
        raise Refused(
            421, "The console is reached as localhost, or by the address that the emulator listens on."
        )


def check_site(request: web.Request) -> None:
    """Refuse what a browser says that another site's page asks for.

    Raises:
        Refused: with 403.
    """
    if request.headers.get("Sec-Fetch-Site", "none").lower() not in _OWN:
        raise Refused(403, "Only the console's own page may ask for this.")


def check_origin(request: web.Request) -> None:
    """Refuse a change that the console's own page does not ask for: a browser says who asks with every POST.

    Raises:
        Refused: with 403, or with 415 for a body that a form of another site could have.
    """
    own = f"http://{request.headers.get('Host', '')}".lower()
    if request.headers.get("Origin", "").lower() != own:
        raise Refused(
            403, "Only the console's own page may change something: the header Origin has to name it."
        )
    if request.content_type != "application/json":
        raise Refused(415, "The body has to be application/json.")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _reached(request: web.Request) -> str:
    """The address of this machine that the connection was made to."""
    name = request.transport.get_extra_info("sockname") if request.transport is not None else None
    return str(name[0]).lower().removeprefix("::ffff:") if name else ""
