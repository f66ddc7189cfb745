"""The hosts that a client talks to, and the way there: direct, or through a proxy."""

from __future__ import annotations

import asyncio
import base64
import re
import ssl
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import attrs

from voucher_async.masking import Secret, conceal
from voucher_async.proxy import login_of, without_login
from voucher_async.statuses import SUCCESS

if TYPE_CHECKING:
    from voucher_async.config import Settings

__all__ = ["Place", "Refused", "Route", "close", "place_of", "places_of", "proxy_for"]

_PORTS: Final = {"http": 80, "https": 443}
_STATUS: Final = re.compile(rb"HTTP/1\.[01] (\d{3})")
_PARTING: Final = 0.5  # seconds


@attrs.frozen
class Place:
    """A host and a port.

    Attributes:
        host: its name or address.
        port: the port.
        secure: TLS is spoken there.
        uses: what it is for, such as `the API`; not compared.
    """

    host: str
    port: int
    secure: bool
    uses: tuple[str, ...] = attrs.field(default=(), eq=False)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Refused(Exception):
    """A proxy makes no tunnel.

    Attributes:
        status: its HTTP status; None when what it said is none.
    """

    def __init__(self, status: int | None) -> None:
        super().__init__(f"HTTP {status}" if status else "no HTTP")
        self.status: int | None = status


def place_of(url: str, *uses: str) -> Place:
    """The place that a URL leads to."""
    parts = urlsplit(url)
    return Place(
        parts.hostname or "", parts.port or _PORTS[parts.scheme], secure=parts.scheme == "https", uses=uses
    )


def places_of(settings: Settings) -> tuple[Place, ...]:
    """The places of the API and of its tokens, one where they are the same."""
    api, tokens = place_of(settings.base_url, "the API"), place_of(settings.token_url, "tokens")
    return (attrs.evolve(api, uses=("the API", "tokens")),) if api == tokens else (api, tokens)


def proxy_for(settings: Settings, place: Place) -> str | None:
    """The URL of the proxy on the way to a place, its login included; None when the way is direct."""
    if settings.proxy is not None or not settings.trust_env:
        return conceal(settings.proxy)
    if proxy_bypass(place.host):
        return None
    return conceal(getproxies().get("https" if place.secure else "http"))


@attrs.frozen
class Route:
    """The way to a place.

    Attributes:
        place: its end.
        proxy: the URL of the proxy in between; None when there is none.
        context: what an https proxy is verified with.
        address: the address to connect to; None leaves that to the resolver.
        limit: seconds for a connection, TLS included.
    """

    place: Place
    proxy: str | None = attrs.field(default=None, repr=False)
    context: ssl.SSLContext | None = None
    address: str | None = None
    limit: float = 5.0

    async def open(self, context: ssl.SSLContext | None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection, through a tunnel if there is a proxy.

        Args:
            context: speak TLS, by this; None: do not.

        Raises:
            OSError: no connection, no TLS (`ssl.SSLError` is one), or not in time (`TimeoutError` is one).
            Refused: the proxy does not want to.
        """
        async with asyncio.timeout(self.limit):
            return await self._opened(context)

    async def _opened(
        self, context: ssl.SSLContext | None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        place = self.place
        name = place.host if context is not None else None
        if self.proxy is None:
            where = self.address or place.host
            return await asyncio.open_connection(where, place.port, ssl=context, server_hostname=name)
        reader, writer = await self._tunnel(self.proxy)
        if context is not None:
            try:
                await writer.start_tls(context, server_hostname=name)
            except BaseException:
                await close(writer)
                raise
        return reader, writer

    async def _tunnel(self, proxy: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        at = place_of(without_login(proxy))
        reader, writer = await asyncio.open_connection(
            at.host, at.port, ssl=self.context if at.secure else None
        )
        try:
            writer.write(_request(self.place, login_of(proxy)))
            _check_made(await reader.readuntil(b"\r\n\r\n"))
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            await close(writer)
            raise Refused(None) from None
        except BaseException:
            await close(writer)
            raise
        return reader, writer


def _check_made(head: bytes) -> None:
    """Refuse the answer to a CONNECT that is no success.

    Raises:
        Refused: it is none.
    """
    said = _STATUS.match(head)
    status = int(said[1]) if said else None
    if status not in SUCCESS:
        raise Refused(status)


def _request(place: Place, login: str) -> bytes:
    lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
    if login:
        plain = Secret(unquote(login, encoding="latin-1"))
        user, _, password = plain.partition(":")
        coded = base64.b64encode(f"{user}:{password}".encode("latin-1", "replace")).decode()
        lines.append(Secret(f"Proxy-Authorization: Basic {coded}"))
    return "\r\n".join([*lines, "", ""]).encode()


async def close(writer: asyncio.StreamWriter) -> None:
    """Close a connection, without waiting long for the other side."""
    writer.close()
    try:
        async with asyncio.timeout(_PARTING):
            await writer.wait_closed()
    except (OSError, TimeoutError):
        writer.transport.abort()
