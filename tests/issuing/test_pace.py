"""The pace of a batch: halved when the server says so, and one more for each round that goes well."""

from __future__ import annotations

import pytest

from voucher_async.issuing.pace import Pace


def proven(most: int = 20) -> Pace:
    pace = Pace(most)
    pace.succeeded()
    return pace


def test_the_first_voucher_goes_alone() -> None:
    pace = Pace(20)
    assert (pace.limit, pace.wait(0.0)) == (1, 0.0)
    pace.succeeded()
    assert pace.limit == 20


def test_a_refusal_halves_and_nothing_begins_for_as_long_as_the_server_says() -> None:
    pace = proven()
    pace.refused(100.0, 7.0)
    assert pace.limit == 10
    assert [pace.wait(now) for now in (100.0, 104.0, 107.0)] == [7.0, 3.0, 0.0]


def test_refusals_of_what_was_sent_before_halve_it_once_but_the_longest_wait_counts() -> None:
    pace = proven()
    for seconds in (2.0, 5.0, 3.0, None):
        pace.refused(100.0, seconds)
    assert (pace.limit, pace.wait(100.0)) == (10, 5.0)
    pace.refused(106.0, 1.0)
    assert pace.limit == 5


def test_without_a_time_pauses_double_up_to_half_a_minute_until_one_is_issued() -> None:
    pace, now, waits = proven(), 0.0, []
    for _ in range(9):
        pace.refused(now)
        waits.append(pace.wait(now))
        now += 100.0
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    assert pace.limit == 1
    pace.succeeded()
    pace.refused(now)
    assert pace.wait(now) == 0.5


def test_each_round_that_goes_well_lets_one_more_begin() -> None:
    pace = proven(4)
    pace.refused(0.0, 1.0)
    limits = []
    for _ in range(9):
        pace.succeeded()
        limits.append(pace.limit)
    assert limits == [2, 3, 3, 3, 4, 4, 4, 4, 4]


def test_a_failing_server_gets_a_quarter_less_once_a_second_and_no_pause() -> None:
    pace = proven(20)
    limits = []
    for now in (0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0):
        pace.troubled(now)
        limits.append(pace.limit)
    assert limits == [15, 15, 11, 8, 6, 4, 3, 2, 1, 1, 1]
    assert pace.wait(9.0) == 0.0


@pytest.mark.parametrize("most", [1, 2])
def test_one_always_may_begin(most: int) -> None:
    pace = proven(most)
    for now in range(0, 1000, 100):
        pace.refused(float(now), 1.0)
        assert pace.limit == 1
