"""One token for all workers on all machines, in Redis or Valkey (`pip install "voucher-async[redis]"`).

    store = RedisTokenStore.from_url("rediss://shop:password@valkey.internal/0")
    client = VoucherClient.from_env(token_store=store)

`docs/tokens.md` has what is stored, and what happens when the server is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import inspect
import math
import secrets
from collections.abc import AsyncGenerator
from typing import Any, Final, Protocol, cast

import attrs

try:
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        'voucher_async.integrations.redis needs redis: pip install "voucher-async[redis]"', name="redis"
    ) from None

from voucher_async.auth.claims import Claims
from voucher_async.auth.store import StoredToken
from voucher_async.clock import Clock, SystemClock
from voucher_async.errors import ConfigurationError, TokenStoreFailed
from voucher_async.forks import renew_in_children
from voucher_async.journals.urls import shown
from voucher_async.loops import PerLoop
from voucher_async.masking import SecretBytes, conceal

__all__ = ["PREFIX", "RedisTokenStore"]

PREFIX: Final = "voucher_async:token:"
"""The beginning of all keys, unless told otherwise."""

_redis: Final[Any] = Redis  # it leaves types of its methods out
_LIMIT: Final = 2.0  # seconds of an operation, connecting included
_MILLISECONDS: Final = 1000
_FORMS: Final = '"redis://user:password@host:6379/0", "rediss://..." or "unix:///run/valkey.sock"'

# one step each on the server, which keeps the time: clocks of workers may be apart
_LOAD: Final = "return {redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}"
# redis-py may send it twice, after a connection that broke; a key without an end is no lease of this SDK
_LEASE: Final = """
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
if redis.call('PTTL', KEYS[1]) == -1 then
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
    return 1
end
if redis.call('GET', KEYS[1]) == ARGV[1] then return 1 end
return 0"""
_DELETE: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0"""

# by the name of the error's class in redis-py, or of one that it derives from
_ADVICE: Final = {
    "AuthenticationError": "the server refuses the login: check the user and the password of the URL",
    "NoPermissionError": "the user may not do that: allow it GET, SET, DEL, PTTL and EVAL on keys that begin "
    "with the store's prefix, and SELECT where the URL names another database than 0",
    "OutOfMemoryError": "the server is full: raise its maxmemory, or let it evict keys (maxmemory-policy)",
    "ReadOnlyError": "the server is a read-only replica: let the URL lead to the primary",
    "BusyLoadingError": "the server is starting",
    "ConnectionError": "the server cannot be reached: is it running, and are host and port right?",
    "OSError": "the server cannot be reached: is it running, and are host and port right?",
}


class _Commands(Protocol):
    """The part of a client that is used."""

    async def execute_command(self, *args: object) -> Any:
        """Send a command; its answer."""
        ...


class RedisTokenStore:
    """Shares a token between all workers whose clients have the same credentials; see `TokenStore`.

    Args:
        client: a client of redis-py, which stays the caller's own. It serves the event loop that it is first
            used on, in the process that it is first used in; `from_url` serves any number of both.
        prefix: the beginning of all keys: two for each set of credentials. The value of one holds the token.
        clock: the time, of which the store takes differences alone; default: the system's.

    Raises:
        ConfigurationError: it is no asynchronous client.
    """

    def __init__(self, client: Redis, *, prefix: str = PREFIX, clock: Clock | None = None) -> None:
        is_asynchronous = inspect.iscoroutinefunction(getattr(client, "execute_command", None))
        if isinstance(client, type) or not is_asynchronous:
            raise ConfigurationError(
                f"{type(client).__name__} of {type(client).__module__} is no client of redis.asyncio; for a "
                "URL take RedisTokenStore.from_url"
            )
        self._start(_Given(cast("_Commands", client)), prefix, clock)

    @classmethod
    def from_url(cls, url: str, *, prefix: str = PREFIX, clock: Clock | None = None) -> RedisTokenStore:
        """A store that connects by itself, on each event loop and in each process that uses it.

        Args:
            url: `redis://`, `rediss://` (with TLS) or `unix://`, as redis-py reads it; a password is never
                shown.
            prefix: see the class.
            clock: see the class.

        Raises:
            ConfigurationError: it is no such URL.
        """
        url = conceal(url)
        store = cls.__new__(cls)
        store._start(_Own(url), prefix, clock)  # noqa: SLF001 - of its own class
        return store

    def _start(self, clients: _Given | _Own, prefix: str, clock: Clock | None) -> None:
        self._clients = clients
        self._prefix = prefix
        self._clock = clock or SystemClock()
        self._claims = Claims()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._clients.shown}>"

    async def load(self, key: str) -> StoredToken | None:
        """The token under that key; None when there is none.

        Raises:
            TokenStoreFailed: the server failed, or the value is none of this SDK.
            TimeoutError: it gave no answer within two seconds.
        """
        asked = self._clock.now()
        text, left = _concealed(*await self._ask("EVAL", _LOAD, 1, self._prefix + key))
        if text is None:
            return None
        token = self._read(text)
        # by the server's clock; a key that somebody has made permanent has none
        ends = token.expires_at if left < 0 else asked + dt.timedelta(milliseconds=left)
        return attrs.evolve(token, expires_at=ends)

    async def save(self, key: str, token: StoredToken) -> None:
        """Keep a token under that key until it expires.

        Raises:
            TokenStoreFailed, TimeoutError: see `load`.
        """
        left = (token.expires_at - self._clock.now()).total_seconds()
        left = math.floor(min(left, token.lifetime) * _MILLISECONDS)
        if left > 0:
            await self._ask("SET", self._prefix + key, conceal(token.to_json()), "PX", left)

    async def discard(self, key: str, access_token: str) -> None:
        """Forget the token under that key if it still is this one.

        Raises:
            TokenStoreFailed, TimeoutError: see `load`.
        """
        access_token = conceal(access_token)
        name = self._prefix + key
        text = _concealed(await self._ask("GET", name))[0]
        if text is not None and self._read(text).access_token == access_token:
            await self._delete(name, text)

    async def lease(self, key: str, seconds: float) -> str | None:
        """Claim the right to request a new token; None while another client has it.

        A claim whose caller is cancelled is given back behind it.

        Raises:
            TokenStoreFailed, TimeoutError: see `load`.
        """
        name, lease = self._lease_of(key), secrets.token_hex(16)

        async def claim() -> bool:
            said = await self._ask("EVAL", _LEASE, 1, name, lease, math.ceil(seconds * _MILLISECONDS))
            return bool(said)

        given = await self._claims.make(claim, lambda: self.release(key, lease))
        return lease if given else None

    async def release(self, key: str, lease: str) -> None:
        """Give a claim back, if it is still held.

        Raises:
            TokenStoreFailed, TimeoutError: see `load`.
        """
        await self._delete(self._lease_of(key), lease)

    async def aclose(self) -> None:
        """End claims under way, and close connections that the store has made; a second call does nothing."""
        await self._claims.end()
        await self._clients.aclose()

    def _lease_of(self, key: str) -> str:
        return f"{self._prefix}{key}:lease"

    async def _delete(self, name: str, value: str | bytes) -> None:
        await self._ask("EVAL", _DELETE, 1, name, value)

    def _read(self, text: str | bytes) -> StoredToken:
        text = _concealed(text)[0] or ""
        try:
            return StoredToken.from_json(text)
        except ValueError:
            failure = TokenStoreFailed(
                f"a key that begins with {self._prefix!r} holds something else than a token of this SDK: "
                "does another program use the prefix?"
            )
        raise failure

    async def _ask(self, *command: object) -> Any:
        failure: Exception
        try:
            async with asyncio.timeout(_LIMIT):
                client = await self._clients.here()
                return await client.execute_command(*command)
        except TokenStoreFailed:
            raise
        except asyncio.CancelledError as error:
            raise error.with_traceback(None)  # noqa: B904 - it is the same one, without the frames of redis-py
        except Exception as error:  # noqa: BLE001 - what breaks in a driver can be anything
            failure = _failure(error)
        # raised out here, not from redis-py's error, whose frames show the token and the password
        raise failure


class _Given:
    """The caller's own client."""

    def __init__(self, client: _Commands) -> None:
        self._client = client
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_inherited = False
        renew_in_children(self)

    @property
    def shown(self) -> str:
        return f"by a client of {type(self._client).__module__.partition('.')[0]}"

    def after_fork(self) -> None:
        """Refuse connections that the parent goes on using: each would read the other's answers."""
        self._is_inherited = self._is_inherited or self._loop is not None

    async def here(self) -> _Commands:
        loop = asyncio.get_running_loop()
        if self._is_inherited:
            raise TokenStoreFailed(
                "its Redis client was used before this process was forked: make both after the fork, or the "
                "store by RedisTokenStore.from_url"
            )
        if self._loop is None:
            self._loop = loop
        if self._loop is not loop:
            raise TokenStoreFailed(
                "its Redis client belongs to another event loop: make one for each loop, or the store by "
                "RedisTokenStore.from_url"
            )
        return self._client

    async def aclose(self) -> None:
        """Leave the client to its owner."""


class _Own:
    """Clients by a URL, one for each event loop."""

    def __init__(self, url: str) -> None:
        url = conceal(url)
        self.shown = shown(url)
        if _client(url) is None:
            raise ConfigurationError(f"the URL of a token store looks like {_FORMS}, not {self.shown!r}")
        self._loops = PerLoop(lambda: _Opened(url))

    async def here(self) -> _Commands:
        if self._loops.is_closed:
            raise TokenStoreFailed("the token store was closed")
        return (await self._loops.here()).commands

    async def aclose(self) -> None:
        await self._loops.aclose()


class _Opened:
    """A client on its event loop, closed with it: asyncio closes asynchronous generators before."""

    def __init__(self, url: str) -> None:
        client = _client(url)
        assert client is not None  # noqa: S101 - or the store would not have been made
        self.commands = cast("_Commands", client)
        self._keeper = _keep(client)

    async def open(self) -> None:
        await anext(self._keeper)

    async def aclose(self) -> None:
        await self._keeper.aclose()


async def _keep(client: Redis) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        # it is gone all the same; TLS would wait for the server's farewell for half a minute
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_LIMIT):
                await client.aclose()


def _client(url: str) -> Redis | None:
    """A client, not connected yet; None for a URL that redis-py does not understand."""
    url = conceal(url)
    if url.partition("://")[0] not in {"redis", "rediss", "unix"}:
        return None
    # its messages quote the URL; the limit is `_LIMIT`, so it must not wait between two tries
    with contextlib.suppress(ValueError, TypeError):
        made: Any = _redis.from_url(url, retry=Retry(NoBackoff(), 1))
        made.connection_pool.make_connection()  # not connected; an option that is none raises here
        return cast("Redis", made)
    return None


def _concealed(text: str | bytes | None, *others: Any) -> tuple[Any, ...]:
    """The answer of the server, its first value not shown."""
    return (SecretBytes(text) if isinstance(text, bytes) else conceal(text), *others)


def _failure(error: Exception) -> Exception:
    """The error to raise in the place of one of redis-py; the server's own words may quote a command."""
    names = [cls.__name__ for cls in type(error).__mro__]
    if "TimeoutError" in names:
        return TimeoutError("the server gave no answer in time")
    advice = next((_ADVICE[name] for name in names if name in _ADVICE), None)
    return TokenStoreFailed(advice or f"the server refuses a command ({_code(error)})")


def _code(error: Exception) -> str:
    word = str(error).partition(" ")[0]
    is_code = word.isascii() and word.isupper() and word.isalpha()
    return f"{type(error).__name__}, {word}" if is_code else type(error).__name__
