"""What a status proves, number by number, as the contract has it."""

from __future__ import annotations

from voucher_async.statuses import CLIENT_ERRORS, DECLINED, GONE, REFUSALS, SUCCESS, is_failure, is_healthy

ALL = range(100, 600)


def test_every_status_but_redirects_is_a_success_a_refusal_or_a_failure() -> None:
    kinds = {status: (status in SUCCESS, status in REFUSALS, is_failure(status)) for status in ALL}
    assert {status for status in ALL if sum(kinds[status]) != 1} == {*range(100, 200), *range(300, 400)}
    assert not any(any(kinds[status]) for status in (*range(100, 200), *range(300, 400)))


def test_a_refusal_is_a_client_error_but_for_that_of_who_gave_up_waiting() -> None:
    assert {*CLIENT_ERRORS} - REFUSALS == {408}
    assert {*CLIENT_ERRORS} > REFUSALS


def test_refusals_of_whoever_limits_are_told_from_those_of_the_thing() -> None:
    assert sorted(DECLINED) == [401, 403, 429]
    assert sorted(GONE) == [404, 410]
    assert DECLINED | GONE < REFUSALS


def test_a_server_that_fails_or_limits_is_not_well() -> None:
    assert [status for status in ALL if not is_healthy(status)] == [429, *range(500, 600)]
