"""Connections to PostgreSQL: few per event loop, made when they are needed, each with a time limit.

They are asyncpg's, its pool is not: that resets a connection by a statement of its own after each use, and
may wait for a server that hangs. Here a connection whose statement failed is dropped.

A connection pooler such as pgbouncer may hand the server's connection to somebody else after each
transaction. It refuses settings in the first message: then every statement has a transaction of its own that
begins with them, and none is prepared under a name. So it is with one that takes and ignores them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeAlias, TypeVar
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

import asyncpg  # type: ignore[import-untyped]

from voucher_async.errors import ConfigurationError, JournalFailed
from voucher_async.journals.refusals import refusal
from voucher_async.masking import conceal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

__all__ = ["Connection", "Connections", "Rows", "Server"]

T = TypeVar("T")

Rows: TypeAlias = "Sequence[Sequence[Any]]"
"""The rows that a statement gives."""

_CONNECTING: Final = 5.0  # seconds
_SPARE: Final = 5.0  # seconds that a statement has beside the time that it may wait for locks
_STANDSTILL: Final = 2.0  # seconds of a transaction's silence: others wait for its locks
_MOST: Final = 4  # connections of a loop
_STALE: Final = 60.0  # seconds unused, after which a firewall may have forgotten a connection
_PARTING: Final = 1.0  # seconds
_TRIES: Final = 10
# serialization failure, deadlock, a transaction that was silent for too long: nothing was stored
_AGAIN: Final = frozenset({"40001", "40P01", "25P03"})
_CACHE: Final = "statement_cache_size"

# A plan that is made while the tables are next to empty is kept by a connection that is in use, and may read
# them from end to end later. Each statement has an index that gives what it asks for in order.
_BY_INDEX: Final = {"enable_seqscan": "off", "enable_bitmapscan": "off"}

_asyncpg: Final[Any] = asyncpg


class Prepared(Protocol):
    """The part of asyncpg's prepared statement that is used."""

    async def fetch(self, *values: object) -> Rows:
        """Run it; the rows that it gives."""
        ...


class Connection(Protocol):
    """The part of asyncpg's connection that is used."""

    async def fetch(self, query: str, *values: object) -> Rows:
        """Run one statement that is prepared; the rows that it gives."""
        ...

    async def prepare(self, query: str) -> Prepared:
        """Prepare a statement for one use."""
        ...

    async def execute(self, query: str) -> str:
        """Run statements without values."""
        ...

    async def close(self, *, timeout: float) -> None:
        """Say good-bye to the server, and close."""
        ...

    def is_closed(self) -> bool:
        """True when it was closed, by either side."""
        ...

    def terminate(self) -> None:
        """Close without a word."""
        ...


class Server:
    """The database server, and the way to connect to it.

    Args:
        url: its URL. `statement_cache_size=0` in it says that it leads to a connection pooler.
        lock_timeout: seconds that a statement waits for locks.

    Attributes:
        pooled: it is a connection pooler.
        patience: seconds that a write waits for locks.
        limit: seconds that a statement may take, connecting included.
        secrets: the password.

    Raises:
        ConfigurationError: the URL cannot be read.
    """

    def __init__(self, url: str, lock_timeout: float) -> None:
        url = conceal(url)
        parts = _split(url)
        if parts is None:
            raise ConfigurationError(
                "the URL of the journal cannot be read: are its special characters quoted?"
            )
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        self.pooled: bool = options.pop(_CACHE, "") == "0"
        self._url = conceal(parts._replace(query=urlencode(options)).geturl())
        passwords = conceal(unquote(parts.password or "")), conceal(options.get("password", ""))
        self.secrets: tuple[str, ...] = tuple(filter(None, passwords))
        self.patience: float = lock_timeout
        self.limit: float = lock_timeout + 2 * _SPARE
        self._settings = {
            "lock_timeout": str(round(lock_timeout * 1000)),
            # an odd number, by which a pooler's own setting is told from it
            "statement_timeout": str(round((lock_timeout + _SPARE) * 1000) + 7),
            # a worker that stands still within a transaction must not keep others from their records: it is
            # ended before they give up waiting for its locks
            "idle_in_transaction_session_timeout": str(round(_STANDSTILL * 1000)),
            **_BY_INDEX,
        }

    @property
    def begin(self) -> str:
        """The statements that begin a transaction."""
        local = [f"SET LOCAL {name} = {value}" for name, value in self._settings.items()]
        return "; ".join(["BEGIN ISOLATION LEVEL READ COMMITTED", *(local if self.pooled else ())])

    async def connect(self) -> Connection:
        """Connect.

        Raises:
            Exception: whatever asyncpg raises; its frames show the password.
        """
        if not self.pooled:
            try:
                made = await self._connect(
                    {"default_transaction_isolation": "read committed", **self._settings}
                )
            except _asyncpg.ProtocolViolationError as error:
                if "startup parameter" not in str(error):
                    raise
            else:
                if await self._keeps_settings(made):
                    return made
            self.pooled = True
        return await self._connect({}, statement_cache_size=0)

    async def _keeps_settings(self, made: Connection) -> bool:
        """Tell a pooler that ignores settings: there a statement's name may be that of somebody else's."""
        milliseconds = self._settings["statement_timeout"]
        question = f"current_setting('statement_timeout')::interval = interval '{milliseconds} ms'"
        try:
            await made.execute(f"SELECT 1 / ({question})::int")  # in the simple protocol, which has no names
        except _asyncpg.DivisionByZeroError:
            made.terminate()
            return False
        except BaseException:
            made.terminate()
            raise
        return True

    async def _connect(self, settings: dict[str, str], **options: Any) -> Connection:
        settings = {"application_name": "voucher_async", **settings}
        # asyncpg's own limit is one per address
        async with asyncio.timeout(_CONNECTING):
            made: Connection = await _asyncpg.connect(
                self._url, timeout=_CONNECTING, server_settings=settings, **options
            )
        return made


def _split(url: str) -> SplitResult | None:
    try:
        return urlsplit(url)
    except ValueError:
        return None


class _Transaction(Generic[T]):
    """Statements of one transaction, each time it is called.

    Args:
        server: the database server.
        work: runs the statements.
        is_single: there is one, which has a transaction of its own where no pooler is in between.

    Attributes:
        is_undone: the connection broke before the transaction was committed, so nothing was stored.
    """

    def __init__(
        self, server: Server, work: Callable[[Connection], Awaitable[T]], *, is_single: bool
    ) -> None:
        self._server = server
        self._work = work
        self._is_single = is_single
        self.is_undone: bool = False

    async def __call__(self, connection: Connection) -> T:
        if self._is_single and not self._server.pooled:
            return await self._work(connection)
        await connection.execute(self._server.begin)
        try:
            result = await self._work(connection)
        except BaseException:
            self.is_undone = connection.is_closed()
            raise
        await connection.execute("COMMIT")
        return result


class Connections:
    """The connections of one event loop. One is given to one user at a time.

    Args:
        server: the server.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._free = asyncio.Semaphore(_MOST)
        self._idle: list[tuple[Connection, float]] = []  # with the time since when
        self._now = asyncio.get_running_loop().time
        self._keeper = _keep(self)
        self._process = os.getpid()

    async def open(self) -> None:
        """Have the connections dropped when the loop ends: asyncio closes asynchronous generators before."""
        await anext(self._keeper)

    async def fetch(self, statement: str, *values: object) -> Rows:
        """Run one statement in a transaction of its own.

        Raises:
            JournalFailed: a `Refused` when it failed, or its end is not known.
        """

        async def work(connection: Connection) -> Rows:
            return await connection.fetch(statement, *values)

        return await self._run(_Transaction(self._server, work, is_single=True))

    async def fetch_planned(self, statement: str, *values: object) -> Rows:
        """Run one statement by a plan for its values: for one whose best plan depends on them.

        Raises:
            JournalFailed: as `fetch`.
        """

        async def work(connection: Connection) -> Rows:
            return await (await connection.prepare(statement)).fetch(*values)

        return await self._run(_Transaction(self._server, work, is_single=True))

    async def transact(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Run several statements in one transaction, which is undone when `work` raises.

        Raises:
            JournalFailed: as `fetch`; what `work` raises.
        """
        return await self._run(_Transaction(self._server, work, is_single=False))

    async def _run(self, work: _Transaction[T]) -> T:
        """Lend a connection; another one after a failure of which nothing was stored, such as a deadlock.

        Raises:
            JournalFailed: a `Refused` when it failed, or its end is not known; what `work` raises.
        """
        tries = _TRIES
        while True:
            tries -= 1
            try:
                async with asyncio.timeout(self._server.limit), self._free:
                    return await self._lend(work)
            except JournalFailed:
                raise
            except asyncio.CancelledError as error:
                raise error.with_traceback(None)  # noqa: B904 - it is the same one, without asyncpg's frames
            except Exception as error:  # noqa: BLE001 - what breaks in a driver can be anything
                failure = refusal(error, self._server.secrets)
            is_undone, work.is_undone = work.is_undone or failure.code in _AGAIN, False
            if not (is_undone and tries):
                break
        # raised out here, not from asyncpg's error, whose frames show the password
        raise failure

    async def _lend(self, work: _Transaction[T]) -> T:
        connection = self._take() or await self._server.connect()
        try:
            result = await work(connection)
        except BaseException:
            connection.terminate()
            raise
        self._idle.append((connection, self._now()))
        return result

    def _take(self) -> Connection | None:
        while self._idle:
            connection, since = self._idle.pop()
            if not connection.is_closed() and self._now() - since < _STALE:
                return connection
            connection.terminate()
        return None

    def drop(self) -> None:
        """Drop the connections that nobody uses."""
        while self._idle and self._process == os.getpid():
            self._idle.pop()[0].terminate()

    async def aclose(self) -> None:
        """Say good-bye to the server; a second call does nothing."""
        while self._idle:
            with contextlib.suppress(Exception):
                await self._idle.pop()[0].close(timeout=_PARTING)
        await self._keeper.aclose()


async def _keep(connections: Connections) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        connections.drop()
        await asyncio.sleep(0)  # transports are closed by callbacks
