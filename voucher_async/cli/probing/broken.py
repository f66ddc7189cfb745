"""A request whose connection is closed as soon as it is written, as no HTTP library would do it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

from voucher_async.cli.probing.line import Unfit
from voucher_async.masking import SecretBytes

if TYPE_CHECKING:
    from voucher_async.config import Settings

__all__ = ["charge_and_leave"]

_CLOSING: Final = 5.0


async def charge_and_leave(settings: Settings, token: str, reservation: str, order_number: str) -> None:
    """Write a whole charge request, and close the connection without waiting for an answer.

    Args:
        settings: where to, and by which TLS context.
        token: authorises it.
        reservation: the id of the reservation that is to be charged.
        order_number: of the charge.

    Raises:
        Unfit: there is a proxy on the way, or no connection.
    """
    if settings.proxy is not None or settings.trust_env:
        raise Unfit("there is a proxy on the way, whose connections to the server are its own")
    parts = urlsplit(settings.base_url)
    secure = parts.scheme == "https"
    context = (settings.ssl or ssl.create_default_context()) if secure else None
    port = parts.port or (443 if secure else 80)
    try:
        async with asyncio.timeout(settings.timeout.connect):
            _, writer = await asyncio.open_connection(parts.hostname, port, ssl=context)
    except OSError as error:
        raise Unfit(f"no connection: {type(error).__name__}") from None
    try:
        path = f"{parts.path.rstrip('/')}/reservations/{quote(reservation, safe='')}/charge"
        writer.write(_request(parts.netloc, path, token, order_number))
        await writer.drain()
    except OSError as error:
        raise Unfit(f"the request could not be written: {type(error).__name__}") from None
    finally:
        await _close(writer)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_CLOSING):
            await writer.wait_closed()


def _request(host: str, path: str, token: str, order_number: str) -> bytes:
    body = json.dumps({"order_number": order_number}).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
        f"Accept: application/json\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return SecretBytes(head.encode() + body)
