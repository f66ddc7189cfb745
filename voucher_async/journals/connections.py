"""Connections to PostgreSQL: few per event loop, made when they are needed, each with a time limit.

They are asyncpg's, its pool is not: that resets a connection by a statement of its own after each use, and
may wait for a server that hangs. Here a connection whose statement did not come to its end is dropped.

A connection pooler such as pgbouncer hands a connection of the server to somebody else after each
transaction. It refuses settings in the first message, and then they are left out: each statement gets a
transaction of its own that says them, and none is prepared under a name.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import asyncpg  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]

from voucher_async.errors import JournalFailed
from voucher_async.forks import keep

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence

__all__ = ["Connection", "Connections", "Server", "code_of"]

T = TypeVar("T")

CONNECTING: Final = 5.0  # seconds
ANSWERING: Final = 10.0  # seconds, waiting for a connection included
_MOST: Final = 4  # connections of a loop
_STALE: Final = 60.0  # seconds unused, after which a firewall may have dropped a connection
_PARTING: Final = 1.0  # seconds
_LIMITS: Final = {"statement_timeout": "8000", "lock_timeout": "4000"}  # milliseconds, as the server ends them
_BEGIN: Final = "; ".join(
    ["BEGIN ISOLATION LEVEL READ COMMITTED", *(f"SET LOCAL {name} = {value}" for name, value in _LIMITS.items())]
)
_SETTINGS: Final = {"default_transaction_isolation": "read committed", **_LIMITS}

_asyncpg: Final[Any] = asyncpg


class Connection(Protocol):
    """The part of asyncpg's connection that is used."""

    async def fetch(self, query: str, *values: object) -> Sequence[Sequence[Any]]: ...

    async def execute(self, query: str) -> str: ...

    async def close(self, *, timeout: float) -> None: ...

    def is_closed(self) -> bool: ...

    def terminate(self) -> None: ...


def code_of(error: BaseException) -> str:
    """The SQLSTATE of an error; empty for one that is not the server's."""
    return str(getattr(error, "sqlstate", None) or "")


class Server:
    """The database server, and the way to connect to it.

    Args:
        arguments: those of `asyncpg.connect`, the password included.
        pooled: it is known to be a connection pooler.

    Attributes:
        pooled: it is a connection pooler.
    """

    def __init__(self, arguments: Mapping[str, Any], *, pooled: bool = False) -> None:
        self._arguments = arguments
        self.pooled: bool = pooled

    async def connect(self) -> Connection:
        """Connect.

        Raises:
            Exception: whatever asyncpg raises; its frames show the password.
        """
        if not self.pooled:
            try:
                return await self._connect(server_settings=_SETTINGS)
            except _asyncpg.ProtocolViolationError as error:
                if "startup parameter" not in str(error):
                    raise
            self.pooled = True
        return await self._connect(statement_cache_size=0)

    async def _connect(self, **options: Any) -> Connection:
        async with asyncio.timeout(CONNECTING):
            settings = {"application_name": "voucher_async", **options.pop("server_settings", {})}
            found: Connection = await _asyncpg.connect(
                **{**self._arguments, **options, "server_settings": settings}, timeout=CONNECTING
            )
            return found
