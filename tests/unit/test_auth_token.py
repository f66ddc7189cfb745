"""A token's thresholds, and what of it can be seen."""

from __future__ import annotations

import datetime as dt
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from voucher_async.auth import StoredToken, Token, TokenGrant, thresholds
from voucher_async.auth.token import ASSUMED_LIFE, LONGEST_LIFE
from voucher_async.clock import ManualClock

SECRET = "tok-5ecre7"


@pytest.mark.parametrize(
    ("expires_in", "soft", "hard"),
    [(1, 0.75, 0.9), (60, 45, 54), (300, 225, 270), (3600, 3000, 3570), (86_400, 85_800, 86_370)],
)
def test_thresholds_are_shares_of_the_life_with_caps(expires_in: float, soft: float, hard: float) -> None:
    limits = thresholds(expires_in)
    assert (limits.soft, limits.hard, limits.life) == pytest.approx((soft, hard, expires_in))


@pytest.mark.parametrize(
    ("expires_in", "soft"), [(1, 0.625), (60, 37.5), (300, 187.5), (3600, 2700), (86_400, 85_500)]
)
def test_jitter_moves_the_soft_threshold_forward_by_half_the_margin_at_most(
    expires_in: float, soft: float
) -> None:
    assert thresholds(expires_in, 1.0).soft == pytest.approx(soft)
    assert thresholds(expires_in, 1.0).hard == thresholds(expires_in, 0.0).hard


@pytest.mark.parametrize(
    "expires_in", [None, 0, -1, -0.0, 0.5, math.nan, math.inf, -math.inf, 1e18, 10**400, 11 * 366 * 86_400]
)
def test_a_missing_or_absurd_lifetime_is_taken_for_a_short_one(expires_in: float | None) -> None:
    assert thresholds(expires_in) == thresholds(ASSUMED_LIFE)


def test_a_year_is_believed_but_used_for_a_day() -> None:
    assert thresholds(365 * 86_400) == thresholds(LONGEST_LIFE)


@given(expires_in=st.none() | st.integers() | st.floats(), jitter=st.floats(0, 1))
@example(expires_in=1.0, jitter=1.0)
def test_thresholds_are_in_order_whatever_the_answer_says(expires_in: float | None, jitter: float) -> None:
    limits = thresholds(expires_in, jitter)
    assert 0 < limits.soft < limits.hard < limits.life <= LONGEST_LIFE
    if expires_in is not None and 1 <= expires_in <= LONGEST_LIFE:
        assert limits.life == expires_in


def test_the_life_is_counted_from_the_request() -> None:
    clock = ManualClock()
    clock.advance(100)
    token = Token.granted(TokenGrant(access_token="t", expires_in=60), clock, asked=90)
    assert (token.obtained, token.soft, token.hard) == (90, 135, 144)
    assert token.expires_at == clock.now() + dt.timedelta(seconds=50)


def test_a_slow_answer_takes_half_of_the_life_at_most() -> None:
    clock = ManualClock()
    clock.advance(100)
    token = Token.granted(TokenGrant(access_token="t", expires_in=1), clock, asked=90)
    assert token.obtained == 99.5
    assert token.hard > clock.monotonic()


def test_a_token_from_a_store_keeps_its_age() -> None:
    clock = ManualClock()
    born = Token.granted(TokenGrant(access_token="t", expires_in=60), clock, asked=0.0)
    clock.advance(20)
    read = Token.shared(StoredToken.from_json(born.to_store().to_json()), clock)
    assert (read.obtained, read.soft, read.hard) == pytest.approx((0, 45, 54))
    assert read.expires_at == born.expires_at


def test_a_wall_clock_that_is_behind_does_not_lengthen_a_life() -> None:
    clock = ManualClock()
    stored = StoredToken(access_token="t", expires_at=clock.now() + dt.timedelta(hours=2), lifetime=60)
    assert Token.shared(stored, clock).hard == pytest.approx(54)


def test_the_header_is_made_once() -> None:
    token = Token.granted(TokenGrant(access_token=SECRET), ManualClock(), asked=0.0)
    assert token.authorization == f"Bearer {SECRET}"
    assert token.authorization is token.authorization


def test_no_repr_shows_the_token() -> None:
    grant = TokenGrant(access_token=SECRET, expires_in=60)
    token = Token.granted(grant, ManualClock(), asked=0.0)
    assert SECRET not in f"{grant!r} {token!r} {token.to_store()!r}"
