"""A session that was handed in: what is checked, and what it must not add."""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import TYPE_CHECKING, Any, Final

from voucher_async.cancelling import quietly
from voucher_async.errors import ConfigurationError

if TYPE_CHECKING:
    import aiohttp

__all__ = ["check_session", "for_the_proxy_alone", "warn_of_anybody"]

_logger: Final = logging.getLogger("voucher_async")


def check_session(session: aiohttp.ClientSession) -> None:
    """A session must be open, and on the running loop.

    Raises:
        ConfigurationError: it is not.
    """
    if session.closed:
        raise ConfigurationError("the session that was handed in is closed")
    loop = getattr(session, "_loop", None)  # its public name warns
    if isinstance(loop, asyncio.AbstractEventLoop) and loop is not asyncio.get_running_loop():
        raise ConfigurationError(
            "the session that was handed in belongs to another event loop; open it on the loop that uses it"
        )


def warn_of_anybody(session: aiohttp.ClientSession) -> None:
    """Log a warning when a session takes any server for the one that was asked for."""
    how = getattr(session.connector, "_ssl", True)  # it has no public name
    if how is False or (isinstance(how, ssl.SSLContext) and how.verify_mode is ssl.CERT_NONE):
        quietly(
            _logger.warning,
            "the session that was handed in verifies no TLS certificate: whoever is on the way to the server "
            "can read and change what is sent, the client secret, tokens and voucher codes included",
        )


def for_the_proxy_alone(session: aiohttp.ClientSession, headers: dict[str, str]) -> dict[str, Any]:
    """Options for a request of a session that trusts the environment: its proxy, no Authorization of its own.

    aiohttp takes one from a .netrc file, and refuses to make the request when it carries one already.

    Args:
        session: makes the request.
        headers: of the request; an Authorization in it is put in at the very end instead.
    """
    authorization = headers.pop("Authorization", None)

    async def authorize(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        request.headers.popall("Authorization", None)
        if authorization is not None:
            request.headers["Authorization"] = authorization
        return await handler(request)

    # those of a request take the place of the session's
    return {"middlewares": (*getattr(session, "_middlewares", ()), authorize)}
