"""Decisions on whether a call is repeated, and when: pure, no waiting, no I/O.

The rules are the contract's table of retries. They hang on the operation and on what is known about the
request's fate, never on the HTTP method and never on an error code the vendor does not document.
"""

from __future__ import annotations

import enum
import functools
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import attrs

from voucher_async.errors import Fate
from voucher_async.operations import Retry
from voucher_async.statuses import is_failure

if TYPE_CHECKING:
    import random

__all__ = ["Attempt", "Backoff", "Budget", "Verdict", "is_repeatable", "judge"]

_DOUBLINGS = 64
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0

_ALWAYS_REPEATABLE: Final = frozenset(
    {Retry.SAFE, Retry.SAME_STATE, Retry.DELETE, Retry.REPLACES, Retry.DISCONNECT}
)


class Verdict(enum.Enum):
    """Step to take after an attempt."""

    RETURN = "hand the answer to the caller"
    DONE = "an earlier attempt did it already"
    FAIL = "raise"
    REPEAT = "make the request again after a pause"
    REAUTHENTICATE = "make the request again with a new token"


@attrs.frozen(kw_only=True)
class Attempt:
    """One attempt and what is known of those before it.

    Attributes:
        fate: what is known about this request.
        status: the HTTP status; None when no answer came.
        readable: whether the answer could be read.
        resent: the HTTP library sent the request twice by itself.
        in_doubt: an earlier attempt of the call may have been carried out.
        reauthenticated: the call was repeated with a new token before.
        secured: the request carried a token.
        repeatable: False for a creation without an id.
    """

    fate: Fate
    status: int | None = None
    readable: bool = True
    resent: bool = False
    in_doubt: bool = False
    reauthenticated: bool = False
    secured: bool = True
    repeatable: bool = True

    @property
    def is_second(self) -> bool:
        """True when an earlier delivery, of the call or of this request, may have been carried out."""
        return self.in_doubt or self.resent


def judge(retry: Retry, attempt: Attempt) -> Verdict:
    """Decide what follows an attempt, time and budget left aside.

    Args:
        retry: the operation's retry class.
        attempt: what is known.
    """
    if attempt.fate is Fate.NOT_SENT:
        return Verdict.REPEAT
    if _is_in_doubt(attempt):
        return Verdict.REPEAT if is_repeatable(retry, known_by_id=attempt.repeatable) else Verdict.FAIL
    if attempt.status is not None and attempt.status < HTTPStatus.MULTIPLE_CHOICES:
        return Verdict.RETURN
    return _after_refusal(retry, attempt)


@functools.cache
def is_repeatable(retry: Retry, *, known_by_id: bool) -> bool:
    """True when a second request does no harm.

    Args:
        retry: the operation's retry class.
        known_by_id: False for a creation without an id.
    """
    return known_by_id if retry is Retry.BY_ID else retry in _ALWAYS_REPEATABLE


def _after_refusal(retry: Retry, attempt: Attempt) -> Verdict:
    repeatable = is_repeatable(retry, known_by_id=attempt.repeatable)
    if attempt.is_second and not repeatable:
        return Verdict.FAIL  # a refusal of the second request proves nothing about the first
    if attempt.status == HTTPStatus.TOO_MANY_REQUESTS:
        # a proxy may have delivered the request before another one refused it
        return Verdict.REPEAT if repeatable else Verdict.FAIL
    if attempt.status == HTTPStatus.UNAUTHORIZED:
        return _after_401(retry, attempt)
    if retry is Retry.DELETE and attempt.status == HTTPStatus.NOT_FOUND and attempt.is_second:
        return Verdict.DONE
    return Verdict.FAIL


def _is_in_doubt(attempt: Attempt) -> bool:
    if attempt.fate is Fate.UNKNOWN or attempt.status is None:
        return True
    if is_failure(attempt.status):
        return True
    # a redirect is unreadable as well, but a repeat would be redirected, too
    return attempt.status < HTTPStatus.MULTIPLE_CHOICES and not attempt.readable


def _after_401(retry: Retry, attempt: Attempt) -> Verdict:
    if attempt.secured and not attempt.reauthenticated:
        return Verdict.REAUTHENTICATE  # worthless credentials fail at the token endpoint
    if retry is Retry.DISCONNECT and attempt.is_second:
        return Verdict.DONE
    return Verdict.FAIL


@attrs.frozen(kw_only=True)
class Backoff:
    """Time to wait before the next attempt: exponential, capped, with full jitter.

    Attributes:
        base: the upper bound of the first pause, in seconds.
        cap: the upper bound of every pause, in seconds.
        longest_wait: a `Retry-After` beyond this many seconds is not waited for.
    """

    base: float = 0.25
    cap: float = 4.0
    longest_wait: float = 60.0

    def pause(self, attempt: int, retry_after: float | None, rng: random.Random) -> float | None:
        """Seconds to wait after the given attempt (1 for the first); None when it would be too long.

        A server that says when to come back is believed, and callers it told the same are spread a little.
        """
        jitter = rng.uniform(0.0, min(self.cap, self.base * 2.0 ** min(attempt - 1, _DOUBLINGS)))
        if retry_after is None:
            return jitter
        if retry_after > self.longest_wait:
            return None
        return retry_after + min(jitter, self.base)

    @staticmethod
    def brief(attempt: int, rng: random.Random) -> float:
        """Seconds to wait before what was certainly not sent is tried again: up to 1 s, half of it random.

        Nothing reached the server, so it is asked more often than one that answered; never sooner than half
        of a first bound of 0.05 s, for a refused connection fails at once.
        """
        bound = min(_LONGEST_PAUSE, _SHORTEST_PAUSE * 2.0 ** min(attempt - 1, _DOUBLINGS))
        return bound * rng.uniform(0.5, 1.0)


@attrs.define
class Budget:
    """Limits what repeats add to a struggling server: a bucket that healthy answers fill and repeats drain.

    Attributes:
        capacity: how many repeats may be made in a row while no call is answered well.
        refill: what one healthy answer gives back.
    """

    capacity: float = 100.0
    refill: float = 0.1
    level: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.level = self.capacity

    def take(self) -> bool:
        """Take one repeat out of the bucket; False when it is empty."""
        if self.level < 1.0:
            return False
        self.level -= 1.0
        return True

    def succeeded(self) -> None:
        """The first attempt of a call met a server that is well."""
        self.level = min(self.capacity, self.level + self.refill)
