"""Sharing a token store with other processes, and going on without one that fails."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Final, TypeVar, cast

import attrs

from voucher_async.auth.store import StoredToken
from voucher_async.cancelling import cancelled_from_outside, quietly
from voucher_async.errors import TokenStoreFailed
from voucher_async.realtime import Real

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from voucher_async.auth.store import TokenStore
    from voucher_async.auth.token import Token
    from voucher_async.clock import Clock

__all__ = [
    "LEASE_SECONDS",
    "LEFT_ALONE_SECONDS",
    "POLL_SECONDS",
    "WAIT_SECONDS",
    "SharedStore",
    "StoreVisit",
    "share",
]

T = TypeVar("T")

LEASE_SECONDS: Final = 10.0
"""Seconds that one process may take to request a token, before another one may."""

WAIT_SECONDS: Final = LEASE_SECONDS + 2.0
"""Seconds that a process waits for the token of another. When the one with the lease has died, one of those
who wait asks at the lease's end, and the others have two seconds left to see its token."""

POLL_SECONDS: Final = 0.1
"""Seconds between two looks of the others whether it is there."""

LEFT_ALONE_SECONDS: Final = 30.0
"""Seconds for which a store is left alone that gave no answer in time."""

_PATIENCE: Final = 2.0
_QUICK: Final = 0.1  # seconds of an operation that cost no patience: who waits for a lease asks many times

_logger: Final = logging.getLogger("voucher_async")


class _UnsoundError(Exception):
    """A store returned a value that no store can return."""


def _anything(_: object) -> bool:
    return True


def _is_token(given: object) -> bool:
    """True for None or a sound token; one that was unpickled, say, was not checked when it was made."""
    if isinstance(given, StoredToken):
        try:
            attrs.validate(given)
        except ValueError:
            return False
        return isinstance(given.lifetime, float)
    return given is None


def _is_lease(given: object) -> bool:
    return given is None or (isinstance(given, str) and given != "")


async def _sound(given: object, is_sound: Callable[[object], bool]) -> object:
    """Await the result of a store's method, and check it."""
    if not isinstance(given, Awaitable):
        raise _UnsoundError(f"it gave a {type(given).__name__} that cannot be awaited")
    result = await cast("Awaitable[object]", given)
    if is_sound(result):
        return result
    if asyncio.iscoroutine(result):
        result.close()
    raise _UnsoundError(f"it gave a {type(result).__name__} that is of no use")


class StoreVisit:
    """A token store as one refresh uses it: it may raise or hang, and no call fails for it.

    Args:
        store: the store.
        key: the token's key.
        patience: seconds that all slow operations together may take. Once they are over, the store is left
            alone for the rest of the visit.
        on_hung: called then.
    """

    __slots__ = ("_hung", "_key", "_left", "_on_hung", "_patience", "_store")

    def __init__(
        self,
        store: TokenStore,
        key: str,
        *,
        patience: float = _PATIENCE,
        on_hung: Callable[[], None] | None = None,
    ) -> None:
        self._store = store
        self._key = key
        self._patience = self._left = patience
        self._on_hung = on_hung
        self._hung = patience <= 0

    def nobody_waits(self) -> None:
        """Be patient again with a store that was slow: its callers have their token by now."""
        self._left = self._patience

    async def load(self) -> StoredToken | None:
        """Load the token that the store holds; None also when it fails."""
        return await self._try("load", lambda: self._store.load(self._key), None, _is_token)

    async def save(self, token: StoredToken) -> None:
        """Keep a token, if the store can."""
        await self._try("save", lambda: self._store.save(self._key, token), None)

    async def discard(self, access_token: str) -> None:
        """Forget a token, if the store can."""
        await self._try("discard", lambda: self._store.discard(self._key, access_token), None)

    async def lease(self) -> str | None:
        """Claim the right to request a token; empty when the store fails, None while somebody else has it."""
        return await self._try("lease", lambda: self._store.lease(self._key, LEASE_SECONDS), "", _is_lease)

    @contextlib.asynccontextmanager
    async def releasing(self, lease: str | None) -> AsyncGenerator[None]:
        """Give the claim back at the end, if there is one."""
        try:
            yield
        except GeneratorExit:
            # the event loop is closed, so nothing can be awaited: the lease expires by itself
            raise
        except BaseException:
            await self._release(lease)
            raise
        else:
            await self._release(lease)

    async def _release(self, lease: str | None) -> None:
        if lease:
            await self._try("release", lambda: self._store.release(self._key, lease), None)

    async def _try(
        self,
        what: str,
        action: Callable[[], Awaitable[T]],
        default: T,
        is_sound: Callable[[object], bool] = _anything,
    ) -> T:
        if self._hung:
            return default
        begun = Real.monotonic()
        try:
            async with asyncio.timeout(self._left):
                return cast("T", await _sound(action(), is_sound))
        except (_UnsoundError, TokenStoreFailed) as error:
            reason = str(error)
        except TimeoutError:
            self._give_up()
            reason = "no answer in time"
        except asyncio.CancelledError:
            if cancelled_from_outside():
                raise
            reason = "cancelled from within"
        except Exception as error:  # noqa: BLE001 - a store is foreign code, and must not fail a payment
            # the class alone: the text of a store's error may quote the token
            reason = type(error).__name__
        finally:
            self._left -= max(Real.monotonic() - begun - _QUICK, 0.0)
        quietly(_logger.warning, "token store: %s failed (%s); going on without it", what, reason)
        return default

    def _give_up(self) -> None:
        self._hung = True
        if self._on_hung is not None:
            self._on_hung()


class SharedStore:
    """A token store as one client uses it. One that gave no answer in time is left alone for a while.

    Otherwise each request for a token would wait for it anew, as many do when the token endpoint fails, too.

    Args:
        store: the store.
        key: the token's key.
        clock: measures for how long it is left alone.
    """

    __slots__ = ("_clock", "_key", "_left_alone_until", "_store")

    def __init__(self, store: TokenStore, key: str, clock: Clock) -> None:
        self._store = store
        self._key = key
        self._clock = clock
        self._left_alone_until = float("-inf")

    def visit(self) -> StoreVisit:
        """The store for one refresh."""
        is_left_alone = self._clock.monotonic() < self._left_alone_until
        patience = 0.0 if is_left_alone else _PATIENCE
        return StoreVisit(self._store, self._key, patience=patience, on_hung=self._leave_alone)

    def _leave_alone(self) -> None:
        self._left_alone_until = self._clock.monotonic() + LEFT_ALONE_SECONDS


async def share(
    visit: StoreVisit,
    clock: Clock,
    *,
    usable: Callable[[StoredToken | None], Token | None],
    request: Callable[[], Awaitable[Token]],
) -> Token:
    """Take the token another process left, or request one and leave it for the others.

    One process at a time makes the request: the one with the lease. The others look for its result, and make
    the request themselves when it does not come.

    Args:
        visit: the store.
        clock: measures and waits.
        usable: makes a token of what the store holds; None when it is of no use.
        request: asks the token endpoint, and gives the token to those who wait for it.
    """
    give_up = clock.monotonic() + WAIT_SECONDS
    token = usable(await visit.load())
    lease = None if token else await visit.lease()
    while token is None and lease is None and clock.monotonic() < give_up:
        await clock.sleep(POLL_SECONDS)
        token = usable(await visit.load())
        lease = None if token else await visit.lease()
    if token is not None:
        return token
    async with visit.releasing(lease):
        # another process may have saved a token between the last read and this lease
        token = usable(await visit.load()) if lease else None
        if token is None:
            token = await request()
            visit.nobody_waits()
            await visit.save(token.to_store())
        return token
