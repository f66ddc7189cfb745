"""The steps `dns`, `tcp` and `proxy`: names, connections, and the proxy in between."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import socket
import ssl
import time
from typing import TYPE_CHECKING, Final

import attrs

from voucher_async.cli.checking.findings import Finding, failed, ok, warning
from voucher_async.cli.checking.places import Refused, Route, close, place_of
from voucher_async.proxy import without_login

if TYPE_CHECKING:
    from voucher_async.cli.checking.findings import Fact
    from voucher_async.cli.checking.places import Place

__all__ = ["Reached", "connect_to", "look_up", "reason_of", "try_proxy"]

_MOST: Final = 4  # addresses of a host that are tried


@attrs.frozen
class Reached:
    """The finding of a step, and the addresses that later ones go on with."""

    finding: Finding
    addresses: tuple[str, ...] = ()


async def look_up(place: Place) -> Reached:
    """Look a host up."""
    name, about = "dns", place.host
    if _is_address(place.host):
        return Reached(ok(name, about, f"{place.host} is an address, not a name"), (place.host,))
    began = time.perf_counter()
    try:
        found = await asyncio.get_running_loop().getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        reason = error.strerror if isinstance(error, socket.gaierror) else "it is no host name"
        return Reached(
            failed(
                name,
                about,
                f"{place.host} has no address: {reason}",
                "Correct the address in the settings, or mend this machine's DNS or network.",
                problem="unknown-host",
            )
        )
    addresses = tuple(dict.fromkeys(str(each[4][0]) for each in found))
    seen = f"{place.host} is {', '.join(addresses)}"
    return Reached(ok(name, about, seen, addresses=addresses, lookup_ms=_since(began)), addresses)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def connect_to(place: Place, addresses: tuple[str, ...], limit: float) -> Reached:
    """Connect to each address of a host, at once.

    Args:
        place: the host and port.
        addresses: of the host.
        limit: seconds for a connection.
    """
    name, about = "tcp", str(place)
    tried = addresses[:_MOST]
    ends = await asyncio.gather(*(_connect(place, each, limit) for each in tried))
    good = {each: end for each, end in zip(tried, ends, strict=True) if isinstance(end, float)}
    bad = {each: str(end) for each, end in zip(tried, ends, strict=True) if not isinstance(end, float)}
    told = "; ".join(f"{each}: {reason}" for each, reason in bad.items())
    if not good:
        advice = "Open the way to this port in the firewall, or correct the address and port."
        return Reached(failed(name, about, f"no connection ({told})", advice, addresses=tried))
    fastest = min(good, key=lambda each: good[each])
    facts: dict[str, Fact] = {"addresses": tuple(good), "address": fastest, "connect_ms": good[fastest]}
    if bad:
        seen = f"connected to {fastest} in {good[fastest]:g} ms, not to all addresses ({told})"
        advice = "Mend the network's way to the other addresses (IPv6?): calls that try them wait in vain."
        return Reached(warning(name, about, seen, advice, **facts, failed_addresses=tuple(bad)), (fastest,))
    return Reached(ok(name, about, f"connected to {fastest} in {good[fastest]:g} ms", **facts), (fastest,))


async def _connect(place: Place, address: str, limit: float) -> float | str:
    """Milliseconds until there was a connection, or the reason why there was none."""
    began = time.perf_counter()
    try:
        async with asyncio.timeout(limit):
            _, writer = await asyncio.open_connection(address, place.port)
    except TimeoutError:
        return f"no answer in {limit:g} s"
    except OSError as error:
        return reason_of(error)
    took = _since(began)
    await close(writer)
    return took


async def try_proxy(route: Route) -> Finding:
    """Connect to the proxy on the way to a place, and have it make a tunnel where one is needed.

    Args:
        route: the way, with a proxy.
    """
    name, place, at = "proxy", route.place, place_of(without_login(route.proxy or ""))
    about = str(at)
    began = time.perf_counter()
    try:
        if place.secure:
            _, writer = await route.open(None)
        else:  # what is not encrypted goes through without a tunnel
            direct = Route(at, limit=route.limit)
            _, writer = await direct.open(route.context if at.secure else None)
    except Refused as error:
        return _refused(about, place, error.status)
    except OSError as error:
        seen = f"no connection to the proxy: {reason_of(error)}"
        return failed(name, about, seen, "Start the proxy, or correct its address in the settings.")
    took = _since(began)
    await close(writer)
    made = f"made a tunnel to {place}" if place.secure else "took a connection"
    return ok(name, about, f"the proxy {made} in {took:g} ms", connect_ms=took, target=str(place))


def _refused(about: str, place: Place, status: int | None) -> Finding:
    advice = f"Let the proxy allow tunnels to {place}, or take it out of the settings."
    seen = f"the proxy refused a tunnel to {place} (HTTP {status})"
    if status == 407:  # noqa: PLR2004 - Proxy Authentication Required
        seen = "the proxy refused the login (HTTP 407)"
        advice = "Correct user and password in the URL of the proxy."
    if status is None:
        seen = "what listens there answers like no proxy"
        advice = "Correct the address of the proxy in the settings."
    return failed("proxy", about, seen, advice, status=status, target=str(place))


def reason_of(error: OSError) -> str:
    """The words of the operating system, or the name of an error that has none."""
    number = 0 if isinstance(error, (ssl.SSLError, socket.gaierror)) else error.errno
    if number in errno.errorcode:
        return os.strerror(number or 0)
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return error.strerror or type(error).__name__


def _since(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 1)
