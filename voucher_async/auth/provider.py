"""Provider of the token: one request at a time, made early, so that callers seldom wait."""

from __future__ import annotations

import asyncio
import collections
import copy
import logging
import random
from typing import TYPE_CHECKING, Final

from voucher_async.api_errors import ApiError, AuthenticationError
from voucher_async.auth.flight import Flight
from voucher_async.auth.sharing import SharedStore, share
from voucher_async.auth.token import Token
from voucher_async.cancelling import cancelled_from_outside, quietly
from voucher_async.errors import ConfigurationError, VoucherError
from voucher_async.events import TokenRefresh
from voucher_async.forks import keep, renew_in_children
from voucher_async.loops import elsewhere

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from voucher_async.auth.sharing import StoreVisit
    from voucher_async.auth.store import StoredToken, TokenStore
    from voucher_async.auth.token import TokenGrant
    from voucher_async.clock import Clock

__all__ = ["REMEMBERED", "TokenProvider"]

REMEMBERED: Final = 5.0
"""Seconds a refusal of the credentials is remembered, and at most a Retry-After of the token endpoint."""

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_REJECTED_KEPT: Final = 8

_logger: Final = logging.getLogger("voucher_async")


class TokenProvider:
    """Obtains tokens and keeps the newest one.

    * Up to its soft threshold a token is returned and nothing else happens.
    * From there to the hard threshold it is still returned, while a new one is requested in the background.
      When that fails, no call does: it is tried again after 1 s, 2 s, 4 s ... 60 s (half of it random), not
      before the server's Retry-After is over.
    * From the hard threshold on callers wait for the request under way. If it fails, all of them get the
      error, each an object of its own, and the next caller starts a new request. Only two errors are
      remembered and given to later callers too: refused credentials for 5 s, and a Retry-After for as long as
      it says, but 5 s at most.

    There is never more than one request at a time. Cancelling callers does not cancel it. Nothing is bound to
    an event loop before it is used: a request that was under way on a loop that ended is made anew on the
    next. Not thread-safe.

    Args:
        fetch: asks the token endpoint once; raises VoucherError.
        clock: measures the token's life.
        store: shares the token with other processes; None keeps it here.
        key: the token's key in the store, see `store_key`.
        rng: where jitter comes from; give a seeded one for repeatable runs.
        on_refresh: told of every request; what it raises is logged and ignored.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[TokenGrant]],
        *,
        clock: Clock,
        store: TokenStore | None = None,
        key: str = "",
        rng: random.Random | None = None,
        on_refresh: Callable[[TokenRefresh], None] | None = None,
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._monotonic = clock.monotonic
        self._store = None if store is None else SharedStore(store, key, clock)
        self._random = (rng or random.SystemRandom()).random
        self._on_refresh = on_refresh
        self._token: Token | None = None
        self._flight: Flight | None = None
        self._rejected: collections.deque[Token] = collections.deque(maxlen=_REJECTED_KEPT)
        self._undiscarded: collections.deque[Token] = collections.deque(maxlen=_REJECTED_KEPT)
        self._rejections = 0
        self._failures = 0
        self._retry_at = float("-inf")
        self._refusal: VoucherError | None = None
        self._refused_until = float("-inf")
        self._closed = False
        renew_in_children(self)

    def after_fork(self) -> None:
        """Keep the token, but not the request under way, which is the parent's, nor the moment to renew it.

        Otherwise all workers of a server would ask for a new one at once.
        """
        flight, self._flight = self._flight, None
        keep(flight)
        if self._token is not None:
            self._token = self._token.spread(self._random())

    def current(self) -> Token | None:
        """The token, if it may be used without waiting; awaits nothing.

        Past the soft threshold this also starts the refresh in the background.

        Returns:
            None when there is none, or it is past its hard threshold: then use `acquire`.
        """
        token = self._token
        if token is None:
            return None
        now = self._monotonic()
        if now < token.soft:
            return token
        if now >= token.hard:
            return None
        if now >= self._retry_at and not self._closed:
            self._refresh_early()
        return token

    async def acquire(self) -> Token:
        """The token; waits for a new one when there is none to use.

        Being cancelled while it waits harms neither the request nor another caller.

        Raises:
            AuthenticationError: the credentials were refused, now or within the last seconds.
            VoucherError: the request for a token failed.
            ConfigurationError: the provider is closed, or another event loop that still runs is requesting a
                token.
        """
        while True:
            token = self.current()
            if token is not None:
                return token
            flight = self._join()
            await flight.wait()
            if flight.error is not None:
                raise _again(flight.error)
            # a token that is past its refresh threshold from the start is still the freshest to be had
            if flight.token is not None and flight.token is self._token:
                return flight.token

    def invalidate(self, token: Token | str) -> None:
        """Stop using a token the server refused; does nothing when another one is in use by now.

        The store forgets it at the next refresh, or when the provider is closed.

        Args:
            token: the very object that was returned, or its text. With the object a late complaint is told
                apart even when the token endpoint gave the same text again.
        """
        current = self._token
        if current is None or (token is not current and token != current.value):
            return
        self._token = None
        self._rejections += 1
        self._rejected.append(current)
        self._undiscarded.append(current)

    async def aclose(self) -> None:
        """Cancel the request under way, if any, and wait until it is over; callers that wait get an error.

        One that has its token is not cancelled: others wait for that in the store.
        """
        self._closed = True
        flight, self._flight = self._flight, None
        if flight is not None:
            is_here = flight.loop is asyncio.get_running_loop()
            if flight.token is None or not is_here:
                flight.cancel()
            if is_here:
                await flight.wait_for_end()
        if self._store is not None and self._undiscarded:
            await self._discard(self._store.visit())

    def _under_way(self) -> Flight | None:
        return None if self._flight is None or self._flight.done else self._flight

    def _refresh_early(self) -> None:
        flight = self._under_way()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        if flight is None or (flight.loop is not loop and not flight.loop.is_running()):
            self._start(background=True)

    def _join(self) -> Flight:
        """The request under way, or a new one."""
        if self._closed:
            raise ConfigurationError("the client is closed")
        flight = self._under_way()
        if flight is not None and flight.loop is asyncio.get_running_loop():
            return flight
        if flight is not None and flight.loop.is_running():
            raise elsewhere("this client is in use (a token is being requested)")
        if self._refusal is not None and self._monotonic() < self._refused_until:
            raise _again(self._refusal)
        return self._start(background=False)

    def _start(self, *, background: bool) -> Flight:
        flight = Flight(background=background)
        former, self._flight = self._flight, flight
        if former is not None:
            former.cancel()  # the task has ended, or its event loop has
        flight.start(self._fly(flight))
        return flight

    async def _fly(self, flight: Flight) -> None:
        try:
            flight.token = await self._obtain(flight)
        except VoucherError as error:
            self._failed(flight, error)
        except asyncio.CancelledError:
            if cancelled_from_outside():
                raise
            self._failed(flight, VoucherError("the token request was cancelled from within"))
        except Exception as error:  # noqa: BLE001 - any failure has to reach the callers that wait
            failure = VoucherError(f"the token request failed unexpectedly ({type(error).__name__})")
            failure.__cause__ = error
            self._failed(flight, failure)

    async def _obtain(self, flight: Flight) -> Token:
        if self._store is None:
            return await self._request(flight)
        visit = self._store.visit()
        await self._discard(visit)
        return await share(visit, self._clock, usable=self._take, request=lambda: self._request(flight))

    async def _discard(self, visit: StoreVisit) -> None:
        while self._undiscarded:
            await visit.discard(self._undiscarded.popleft().value)

    def _take(self, stored: StoredToken | None) -> Token | None:
        """Use what the store holds if it is better than what is here."""
        if stored is None or any(stored.access_token == token.value for token in self._rejected):
            return None
        token = Token.shared(stored, self._clock, jitter=self._random())
        current = self._token
        if token.hard <= self._monotonic():
            return None
        if current is not None and (token.value == current.value or token.hard <= current.hard):
            return None
        self._adopt(token)
        return token

    async def _request(self, flight: Flight) -> Token:
        flight.asked = asked = self._monotonic()
        rejections = self._rejections
        grant = await self._fetch()
        if self._rejections != rejections and self._was_rejected(grant):
            # a 401 rejected this very token while its answer was on the way: fetch once more
            asked = self._monotonic()
            grant = await self._fetch()
        token = Token.granted(grant, self._clock, asked=asked, jitter=self._random())
        self._adopt(token)
        quietly(_logger.debug, "a token that lives %g s was obtained", token.lifetime)
        self._tell(flight, lifetime=token.lifetime)
        flight.land(token)
        return token

    def _was_rejected(self, grant: TokenGrant) -> bool:
        return any(grant.access_token == token.value for token in self._rejected)

    def _adopt(self, token: Token) -> None:
        self._token = token
        self._failures = 0
        self._retry_at = float("-inf")
        self._refusal = None

    def _failed(self, flight: Flight, error: VoucherError) -> None:
        flight.error = error.with_traceback(None)
        if flight is not self._flight:
            return  # cancelled, then failed while unwinding: the token endpoint is not to blame
        now = self._monotonic()
        retry_after = (error.retry_after or 0.0) if isinstance(error, ApiError) else 0.0
        remembered = min(retry_after, REMEMBERED)
        if isinstance(error, AuthenticationError):
            remembered = REMEMBERED
        self._refusal, self._refused_until = error, now + remembered
        self._failures += 1
        pause = min(_FIRST_PAUSE * 2 ** min(self._failures - 1, 10), _LONGEST_PAUSE)
        pause = max(pause * (0.5 + self._random() / 2), retry_after, remembered)
        self._retry_at = now + pause
        if flight.background:
            quietly(
                _logger.warning,
                "refreshing the token failed, the old one stays in use: %s; next try in %.1f s",
                error,
                pause,
            )
        self._tell(flight, error=error)

    def _tell(
        self, flight: Flight, *, error: VoucherError | None = None, lifetime: float | None = None
    ) -> None:
        if self._on_refresh is None or flight.asked is None:
            return
        event = TokenRefresh(
            succeeded=error is None,
            background=flight.background,
            elapsed=self._monotonic() - flight.asked,
            error=error,
            lifetime=lifetime,
        )
        try:
            self._on_refresh(event)
        except Exception:  # noqa: BLE001 - an observer is foreign code; its failure is logged
            quietly(_logger.exception, "on_refresh failed and was ignored")


def _again(error: VoucherError) -> VoucherError:
    """The same error for one more caller.

    Raising one object again and again makes its traceback longer each time, and a caller that adds facts to
    it would add them for all.
    """
    twin = copy.copy(error)
    twin.__cause__ = error.__cause__
    return twin
