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

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from voucher_async.auth.store import TokenStore
    from voucher_async.auth.token import Token
    from voucher_async.clock import Clock

__all__ = ["LEASE_SECONDS", "POLL_SECONDS", "StoreVisit", "share"]

T = TypeVar("T")

LEASE_SECONDS: Final = 10.0
"""Seconds that one process may take to request a token before the others stop waiting for it."""

POLL_SECONDS: Final = 0.1
"""Seconds between two looks of the others whether it is there."""

_PATIENCE: Final = 2.0

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
        patience: seconds an operation may take. After one that took longer, the store is left alone for the
            rest of the visit.
    """

    __slots__ = ("_hung", "_key", "_patience", "_store")

    def __init__(self, store: TokenStore, key: str, *, patience: float = _PATIENCE) -> None:
        self._store = store
        self._key = key
        self._patience = patience
        self._hung = False

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
        try:
            async with asyncio.timeout(self._patience):
                return cast("T", await _sound(action(), is_sound))
        except _UnsoundError as error:
            reason = str(error)
        except TimeoutError:
            self._hung = True
            reason = "no answer in time"
        except asyncio.CancelledError:
            if cancelled_from_outside():
                raise
            reason = "cancelled from within"
        except Exception as error:  # noqa: BLE001 - a store is foreign code, and must not fail a payment
            # the class alone: the text of a store's error may quote the token
            reason = type(error).__name__
        quietly(_logger.warning, "token store: %s failed (%s); going on without it", what, reason)
        return default


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
        request: asks the token endpoint.
    """
    give_up = clock.monotonic() + LEASE_SECONDS
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
            await visit.save(token.to_store())
        return token
