"""A token, and the times of its renewal."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

import attrs

from voucher_async.auth.store import StoredToken
from voucher_async.masking import Secret, conceal, conceals

if TYPE_CHECKING:
    from voucher_async.clock import Clock

__all__ = ["ASSUMED_LIFE", "LONGEST_LIFE", "Thresholds", "Token", "TokenGrant", "thresholds"]

ASSUMED_LIFE: Final = 300.0
"""Seconds a token is taken to live when the answer does not say, or says something absurd. Too short costs a
request every few minutes, too long would cost a refused request each time."""

LONGEST_LIFE: Final = 86_400.0
"""Seconds a token is used at most, however long it lives: an administrator's change of a client takes effect
within a day."""

_SHORTEST_SAID: Final = 1.0
_LONGEST_SAID: Final = 10 * 366 * 86_400.0
_SOFT_SHARE, _SOFT_CAP = 0.25, 600.0
_HARD_SHARE, _HARD_CAP = 0.1, 30.0
_SPREAD: Final = 0.5


@conceals("access_token")
@attrs.frozen(kw_only=True)
class TokenGrant:
    """The result of a token request (RFC 6749 section 5.1).

    Attributes:
        access_token: the token; secret, not shown in the repr.
        expires_in: seconds it lives by the answer, whatever the answer said; None when it said nothing.
    """

    access_token: str = attrs.field(repr=False)
    expires_in: float | None = None


@attrs.frozen(kw_only=True)
class Thresholds:
    """The moments of a token's life, in seconds since it began: `0 < soft < hard < life`.

    Attributes:
        soft: from here on a new token is requested in the background while this one stays in use.
        hard: from here on callers wait for the new one.
        life: the end.
    """

    soft: float
    hard: float
    life: float


def thresholds(expires_in: float | None, jitter: float = 0.0) -> Thresholds:
    """Compute when to replace a token.

    The soft threshold is a quarter of the life before its end, but no more than 10 minutes; jitter makes that
    up to half as much again, so that processes started together do not ask together. The hard one is a tenth
    of the life before its end, but no more than 30 seconds.

    Args:
        expires_in: seconds the token lives by the answer. Missing, not a number, below 1 second or above 10
            years: `ASSUMED_LIFE`. Above a day: `LONGEST_LIFE`.
        jitter: from 0.0 to 1.0.
    """
    if expires_in is None or not _SHORTEST_SAID <= expires_in <= _LONGEST_SAID:
        life = ASSUMED_LIFE
    else:
        life = min(float(expires_in), LONGEST_LIFE)
    ahead = min(life * _SOFT_SHARE, _SOFT_CAP) * (1 + _SPREAD * jitter)
    return Thresholds(soft=life - ahead, hard=life - min(life * _HARD_SHARE, _HARD_CAP), life=life)


def _bearer(token: Token) -> str:
    return Secret(f"Bearer {token.value}")


@conceals("value")
@attrs.frozen(kw_only=True, eq=False)
class Token:
    """A token in use. Two of them are equal only when they are one object: each was obtained once.

    Attributes:
        value: the token itself; secret, not shown in the repr.
        obtained: when its life began, in monotonic seconds.
        soft: from this monotonic second on a new one is requested in the background.
        hard: from this monotonic second on callers wait for the new one.
        lifetime: seconds it lives.
        expires_at: the end of its life by the wall clock; aware, in UTC.
        authorization: the value of the `Authorization` header; secret, not shown in the repr.
    """

    value: str = attrs.field(repr=False)
    obtained: float
    soft: float
    hard: float
    lifetime: float
    expires_at: dt.datetime
    authorization: str = attrs.field(init=False, repr=False, default=attrs.Factory(_bearer, takes_self=True))

    @classmethod
    def granted(cls, grant: TokenGrant, clock: Clock, *, asked: float, jitter: float = 0.0) -> Token:
        """The token an answer gave just now.

        Its life is counted from the request, since the server may have issued it at once; an answer that was
        long in coming takes away half of the life at most, otherwise a token that lives for a second would be
        dead on arrival each time.

        Args:
            grant: the answer.
            clock: the clock its life is measured with.
            asked: when the request was made, in monotonic seconds.
            jitter: from 0.0 to 1.0.
        """
        limits = thresholds(grant.expires_in, jitter)
        now = clock.monotonic()
        return cls._born(grant.access_token, max(asked, now - limits.life / 2), limits, clock)

    @classmethod
    def shared(cls, stored: StoredToken, clock: Clock, *, jitter: float = 0.0) -> Token:
        """The token another process left in a store.

        Args:
            stored: what the store holds. When it seems to have more left than its whole life, the wall clock
                is behind and the life is counted from now.
            clock: the clock its life is measured with.
            jitter: from 0.0 to 1.0.
        """
        limits = thresholds(stored.lifetime, jitter)
        left = min((stored.expires_at - clock.now()).total_seconds(), limits.life)
        return cls._born(conceal(stored.access_token), clock.monotonic() + left - limits.life, limits, clock)

    @classmethod
    def _born(cls, value: str, obtained: float, limits: Thresholds, clock: Clock) -> Token:
        left = obtained + limits.life - clock.monotonic()
        return cls(
            value=value,
            obtained=obtained,
            soft=obtained + limits.soft,
            hard=obtained + limits.hard,
            lifetime=limits.life,
            expires_at=clock.now() + dt.timedelta(seconds=left),
        )

    def spread(self, jitter: float) -> Token:
        """The same token, replaced at another moment.

        Args:
            jitter: from 0.0 to 1.0.
        """
        return attrs.evolve(self, soft=self.obtained + thresholds(self.lifetime, jitter).soft)

    def to_store(self) -> StoredToken:
        """The same token as stores keep it."""
        return StoredToken(access_token=self.value, expires_at=self.expires_at, lifetime=self.lifetime)
