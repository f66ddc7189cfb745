"""Errors of single vouchers: whether one is that voucher's own, passes, or is going to be that of all others.

A run is to stop early where every voucher would fail alike, and never because of a single voucher.
"""

from __future__ import annotations

import enum
from typing import Final

from voucher_async.api_errors import AuthenticationError, BadAnswer, MissingScope, RateLimited, ServerError
from voucher_async.errors import ConfigurationError, Fate, JournalFailed, TransportError, VoucherError
from voucher_async.outcomes import OutcomeUnknown, StillRunning

__all__ = ["NotAsAsked", "Stopping", "Verdict", "busy_of", "may_have_been_made", "tries_of", "verdict_of"]

LONGEST_WAIT: Final = 60.0
"""Seconds: a run stops where the server asks to wait longer, and can be started again then."""

_SHARED_IN_A_ROW: Final = 3
_PASSING_IN_A_ROW: Final = 10
_TRIES: Final = 4


class NotAsAsked(VoucherError):
    """The server made something else than was asked for, and most likely does so with all vouchers."""


class Verdict(enum.Enum):
    """The meaning of one voucher's end for the others."""

    FINE = "it was issued"
    OWN = "its own error: the others go on"
    BUSY = "too many requests: later it may go well"
    PASSING = "a failure on the way or of the server: it may pass"
    SHARED = "rights or the journal: most likely the others fail, too"
    FATAL = "the others fail, too"


_KINDS: Final[tuple[tuple[type[Exception], Verdict], ...]] = (
    (AuthenticationError, Verdict.PASSING),
    (ConfigurationError, Verdict.FATAL),
    (NotAsAsked, Verdict.FATAL),
    (MissingScope, Verdict.SHARED),
    (JournalFailed, Verdict.SHARED),
    (StillRunning, Verdict.OWN),
    (ServerError, Verdict.PASSING),
    (BadAnswer, Verdict.PASSING),
    (TransportError, Verdict.PASSING),
    (OutcomeUnknown, Verdict.PASSING),
)


def verdict_of(error: Exception | None) -> Verdict:
    """The verdict on the error of one voucher; None for one that was issued."""
    if error is None:
        return Verdict.FINE
    busy = busy_of(error)
    if busy is not None:
        return Verdict.FATAL if (busy.retry_after or 0.0) > LONGEST_WAIT else Verdict.BUSY
    if isinstance(error, AuthenticationError) and error.fate is Fate.NOT_SENT:
        return Verdict.FATAL  # there is no token; the API may refuse one that was revoked a moment ago
    verdict = next((verdict for kind, verdict in _KINDS if isinstance(error, kind)), Verdict.OWN)
    if verdict is Verdict.OWN and may_have_been_made(error) and not isinstance(error, StillRunning):
        return Verdict.PASSING  # a refusal behind which nobody could look
    return verdict


def busy_of(error: Exception | None) -> RateLimited | None:
    """The "too many requests" behind an error: a creation that may have been delivered before stays open."""
    cause = error.__cause__ if isinstance(error, OutcomeUnknown) else error
    return cause if isinstance(cause, RateLimited) else None


def tries_of(error: Exception | None) -> int:
    """Number of tries that a voucher with such an error has in one run: its id makes a repeat harmless.

    A call that found no connection has repeated itself for as long as it had time.
    """
    verdict = verdict_of(error)
    is_without_connection = isinstance(error, TransportError) and error.fate is Fate.NOT_SENT
    return _TRIES if verdict in {Verdict.BUSY, Verdict.PASSING} and not is_without_connection else 1


def may_have_been_made(error: Exception | None) -> bool:
    """True when a voucher with such an error may exist all the same."""
    return getattr(error, "fate", None) is Fate.UNKNOWN


class Stopping:
    """Counts what says that a run cannot go on."""

    def __init__(self) -> None:
        self._is_proven = False
        self._shared = self._passing = 0

    def note(self, verdict: Verdict) -> bool:
        """Note the end of one voucher; True when no further one is to begin.

        Args:
            verdict: the meaning of its end.
        """
        if verdict is Verdict.FINE:
            self._is_proven, self._shared, self._passing = True, 0, 0
        if verdict in {Verdict.FINE, Verdict.OWN}:
            return False
        self._shared += verdict is Verdict.SHARED
        self._passing += verdict is not Verdict.SHARED
        return (
            verdict is Verdict.FATAL
            or not self._is_proven
            or self._shared >= _SHARED_IN_A_ROW
            or self._passing >= _PASSING_IN_A_ROW
        )
