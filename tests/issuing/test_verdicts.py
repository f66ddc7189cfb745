"""The meaning of one voucher's error for the others."""

from __future__ import annotations

import pytest

from voucher_async import (
    ApiError,
    AuthenticationError,
    BadAnswer,
    CallTimeout,
    ConfigurationError,
    ConnectFailed,
    Fate,
    IdempotencyMismatch,
    InvalidInput,
    JournalFailed,
    MissingScope,
    NotFound,
    OutcomeUnknown,
    PendingOutcome,
    RateLimited,
    ServerError,
    StillRunning,
    ValidationFailed,
    VoucherError,
)
from voucher_async.issuing.verdicts import Stopping, Verdict, tries_of, verdict_of

PENDING = PendingOutcome(operation="createVoucher")


def with_fate(error: VoucherError, fate: Fate) -> VoucherError:
    error.fate = fate
    return error


def api(kind: type[ApiError], status: int, **facts: float) -> ApiError:
    return kind("words", status=status, retry_after=facts.get("retry_after"))


CASES: list[tuple[Exception | None, Verdict, int]] = [
    (None, Verdict.FINE, 1),
    (InvalidInput("amount", "must be given", None), Verdict.OWN, 1),
    (IdempotencyMismatch("another"), Verdict.OWN, 1),
    (StillRunning("elsewhere", pending=PENDING), Verdict.OWN, 1),
    (with_fate(api(ValidationFailed, 422), Fate.ANSWERED), Verdict.OWN, 1),
    (with_fate(api(ValidationFailed, 422), Fate.UNKNOWN), Verdict.PASSING, 4),
    (api(NotFound, 404), Verdict.OWN, 1),
    (VoucherError("it was deactivated"), Verdict.OWN, 1),
    (api(RateLimited, 429, retry_after=60.0), Verdict.BUSY, 4),
    (api(RateLimited, 429), Verdict.BUSY, 4),
    (api(RateLimited, 429, retry_after=61.0), Verdict.FATAL, 1),
    (api(ServerError, 503), Verdict.PASSING, 4),
    (api(BadAnswer, 200), Verdict.PASSING, 4),
    (CallTimeout("late", fate=Fate.UNKNOWN), Verdict.PASSING, 4),
    (ConnectFailed("refused", fate=Fate.NOT_SENT), Verdict.PASSING, 1),
    (OutcomeUnknown("lost", pending=PENDING), Verdict.PASSING, 4),
    (with_fate(api(AuthenticationError, 401), Fate.NOT_SENT), Verdict.FATAL, 1),
    (with_fate(api(AuthenticationError, 401), Fate.ANSWERED), Verdict.PASSING, 4),
    (api(MissingScope, 403), Verdict.SHARED, 1),
    (JournalFailed("down"), Verdict.SHARED, 1),
    (ConfigurationError("closed"), Verdict.FATAL, 1),
]


@pytest.mark.parametrize(("error", "verdict", "tries"), CASES, ids=range(len(CASES)))
def test_each_error_has_a_verdict(error: Exception | None, verdict: Verdict, tries: int) -> None:
    assert (verdict_of(error), tries_of(error)) == (verdict, tries)


def stops_at(*verdicts: Verdict) -> int | None:
    """The number of the voucher at which a run stops; None when it goes on."""
    stopping = Stopping()
    return next((number for number, each in enumerate(verdicts, 1) if stopping.note(each)), None)


@pytest.mark.parametrize("verdict", [Verdict.BUSY, Verdict.PASSING, Verdict.SHARED, Verdict.FATAL])
def test_a_run_in_which_nothing_was_issued_yet_stops_at_the_first_failure(verdict: Verdict) -> None:
    assert stops_at(Verdict.OWN, Verdict.OWN, verdict) == 3


@pytest.mark.parametrize(
    ("verdict", "most"),
    [(Verdict.FATAL, 1), (Verdict.SHARED, 3), (Verdict.PASSING, 10), (Verdict.BUSY, 10), (Verdict.OWN, None)],
)
def test_a_run_stops_after_as_many_failures_in_a_row(verdict: Verdict, most: int | None) -> None:
    at = stops_at(Verdict.FINE, *[verdict] * 1000)
    assert at == (None if most is None else most + 1)


def test_one_that_is_issued_ends_the_row() -> None:
    assert stops_at(Verdict.FINE, *[Verdict.SHARED, Verdict.SHARED, Verdict.FINE] * 50) is None
    assert stops_at(Verdict.FINE, *[*[Verdict.PASSING] * 9, Verdict.FINE] * 50) is None
