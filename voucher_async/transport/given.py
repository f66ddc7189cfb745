"""A session that was handed in: what is checked of it."""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import Final, Protocol

from voucher_async.cancelling import quietly
from voucher_async.errors import ConfigurationError
from voucher_async.transport.risks import ANYBODY

__all__ = ["check_session", "warn_of_anybody"]

_logger: Final = logging.getLogger("voucher_async")


class GivenSession(Protocol):
    """Part of an aiohttp session that is looked at."""

    @property
    def closed(self) -> bool:
        """True when it was closed."""
        ...

    @property
    def connector(self) -> object:
        """Connector that it makes connections with."""
        ...


def check_session(session: GivenSession) -> None:
    """A session must be open, and on the running loop.

    Raises:
        ConfigurationError: it is not.
    """
    if session.closed:
        raise ConfigurationError("the session that was handed in is closed")
    loop = getattr(session, "_loop", None)  # the public property warns
    if isinstance(loop, asyncio.AbstractEventLoop) and loop is not asyncio.get_running_loop():
        raise ConfigurationError(
            "the session that was handed in belongs to another event loop; open it on the loop that uses it"
        )


def warn_of_anybody(session: GivenSession) -> None:
    """Log a warning when a session takes any server for the one that was asked for."""
    how = getattr(session.connector, "_ssl", True)  # the connector has no public name for it
    if how is False or (isinstance(how, ssl.SSLContext) and how.verify_mode is ssl.CERT_NONE):
        quietly(
            _logger.warning,
            "the session that was handed in verifies no TLS certificate: %s",
            ANYBODY,
        )
