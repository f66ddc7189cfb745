"""What follows an attempt, held against the contract's table of retries."""

from __future__ import annotations

import itertools
import random
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.seeds import drawing
from voucher_async.errors import Fate
from voucher_async.operations import OPERATIONS, Retry
from voucher_async.statuses import is_healthy
from voucher_async.transport.retry import Attempt, Backoff, Budget, Verdict, judge

RETURN, DONE, FAIL, REPEAT = Verdict.RETURN, Verdict.DONE, Verdict.FAIL, Verdict.REPEAT
AGAIN = Verdict.REAUTHENTICATE

# a second reading of the contract: classes that may be repeated after an unknown fate
REPEATED_WHEN_UNKNOWN = {
    Retry.SAFE: True,
    Retry.SAME_STATE: True,
    Retry.DELETE: True,
    Retry.REPLACES: True,
    Retry.BY_ID: True,
    Retry.SETTLE: False,
    Retry.NEVER: False,
    Retry.DISCONNECT: True,
}

UNKNOWN_OUTCOMES = {
    "lost": Attempt(fate=Fate.UNKNOWN),
    "resent, then 400": Attempt(fate=Fate.UNKNOWN, status=400),
    "408": Attempt(fate=Fate.ANSWERED, status=408),
    "500": Attempt(fate=Fate.ANSWERED, status=500),
    "502": Attempt(fate=Fate.ANSWERED, status=502),
    "503": Attempt(fate=Fate.ANSWERED, status=503),
    "599": Attempt(fate=Fate.ANSWERED, status=599),
    "unreadable 200": Attempt(fate=Fate.ANSWERED, status=200, readable=False),
    "unreadable 204": Attempt(fate=Fate.ANSWERED, status=204, readable=False),
    "unreadable 100": Attempt(fate=Fate.ANSWERED, status=100, readable=False),
    "unreadable 503": Attempt(fate=Fate.ANSWERED, status=503, readable=False),
}

everything = st.builds(
    Attempt,
    fate=st.just(Fate.ANSWERED),
    status=st.sampled_from([200, 204, 302, 400, 401, 404, 408, 409, 422, 429, 500]) | st.integers(100, 599),
    readable=st.booleans(),
    resent=st.booleans(),
    in_doubt=st.booleans(),
    reauthenticated=st.booleans(),
    secured=st.booleans(),
    repeatable=st.booleans(),
) | st.builds(
    Attempt,
    fate=st.sampled_from([Fate.NOT_SENT, Fate.UNKNOWN]),
    in_doubt=st.booleans(),
    repeatable=st.booleans(),
)


def answered(status: int, **known: Any) -> Attempt:
    return Attempt(fate=Fate.ANSWERED, status=status, **known)


@pytest.mark.parametrize("retry", Retry)
@pytest.mark.parametrize("outcome", UNKNOWN_OUTCOMES)
def test_an_unknown_outcome_is_repeated_only_where_a_second_request_does_no_harm(
    retry: Retry, outcome: str
) -> None:
    expected = REPEAT if REPEATED_WHEN_UNKNOWN[retry] else FAIL
    assert judge(retry, UNKNOWN_OUTCOMES[outcome]) is expected
    assert judge(retry, attrs.evolve(UNKNOWN_OUTCOMES[outcome], in_doubt=True)) is expected


@pytest.mark.parametrize("outcome", UNKNOWN_OUTCOMES)
def test_a_creation_without_an_id_is_not_repeated(outcome: str) -> None:
    assert judge(Retry.BY_ID, attrs.evolve(UNKNOWN_OUTCOMES[outcome], repeatable=False)) is FAIL


@pytest.mark.parametrize("retry", Retry)
def test_what_was_certainly_not_sent_is_sent_again_whatever_it_is(retry: Retry) -> None:
    for in_doubt, repeatable in itertools.product([False, True], repeat=2):
        attempt = Attempt(fate=Fate.NOT_SENT, in_doubt=in_doubt, repeatable=repeatable)
        assert judge(retry, attempt) is REPEAT


@pytest.mark.parametrize("retry", Retry)
def test_a_429_is_repeated_where_an_earlier_delivery_does_no_harm(retry: Retry) -> None:
    assert judge(retry, answered(429)) is (REPEAT if REPEATED_WHEN_UNKNOWN[retry] else FAIL)
    assert judge(Retry.BY_ID, answered(429, repeatable=False)) is FAIL


@pytest.mark.parametrize("retry", Retry)
def test_a_first_401_is_worth_a_new_token_and_a_second_is_not(retry: Retry) -> None:
    assert judge(retry, answered(401)) is AGAIN
    assert judge(retry, answered(401, repeatable=False)) is AGAIN
    assert judge(retry, answered(401, reauthenticated=True)) is FAIL
    assert judge(retry, answered(401, secured=False)) is FAIL


@pytest.mark.parametrize("retry", Retry)
@pytest.mark.parametrize("known", [{"in_doubt": True}, {"resent": True}])
def test_a_401_that_is_not_to_the_only_request_is_worth_a_new_token_where_a_repeat_does_no_harm(
    retry: Retry, known: dict[str, bool]
) -> None:
    assert judge(retry, answered(401, **known)) is (AGAIN if REPEATED_WHEN_UNKNOWN[retry] else FAIL)


@pytest.mark.parametrize("retry", set(Retry) - {Retry.DISCONNECT})
def test_a_401_to_a_new_token_after_an_unknown_outcome_says_nothing_about_it(retry: Retry) -> None:
    assert judge(retry, answered(401, in_doubt=True, reauthenticated=True)) is FAIL


@pytest.mark.parametrize("known", [{"in_doubt": True}, {"resent": True}])
def test_a_401_to_a_new_token_after_an_unknown_outcome_means_disconnected(known: dict[str, bool]) -> None:
    assert judge(Retry.DISCONNECT, answered(401, **known)) is AGAIN
    assert judge(Retry.DISCONNECT, answered(401, reauthenticated=True, **known)) is DONE


@pytest.mark.parametrize("retry", Retry)
@pytest.mark.parametrize(
    "known", [{}, {"in_doubt": True}, {"resent": True}, {"in_doubt": True, "resent": True}]
)
def test_a_404_means_deleted_only_to_a_delete_that_may_have_been_carried_out_before(
    retry: Retry, known: dict[str, bool]
) -> None:
    expected = DONE if retry is Retry.DELETE and known else FAIL
    assert judge(retry, answered(404, **known)) is expected


@pytest.mark.parametrize("retry", Retry)
@pytest.mark.parametrize("status", [300, 301, 302, 307, 308, 400, 402, 403, 405, 409, 410, 418, 422, 499])
def test_a_refusal_or_a_redirect_is_final(retry: Retry, status: int) -> None:
    for readable, in_doubt, resent in itertools.product([True, False], repeat=3):
        assert judge(retry, answered(status, readable=readable, in_doubt=in_doubt, resent=resent)) is FAIL


@pytest.mark.parametrize("retry", Retry)
@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_a_readable_success_goes_to_the_caller(retry: Retry, status: int) -> None:
    for in_doubt, resent, reauthenticated in itertools.product([True, False], repeat=3):
        known = {"in_doubt": in_doubt, "resent": resent, "reauthenticated": reauthenticated}
        assert judge(retry, answered(status, **known)) is RETURN


@given(st.sampled_from([Retry.SETTLE, Retry.NEVER]), everything)
def test_what_must_not_happen_twice_is_repeated_only_with_proof_that_it_did_not_happen(
    retry: Retry, attempt: Attempt
) -> None:
    if judge(retry, attempt) in {REPEAT, AGAIN}:
        assert attempt.fate is Fate.NOT_SENT or attempt.status == 401


@given(everything)
def test_a_creation_without_an_id_is_repeated_only_with_the_same_proof(attempt: Attempt) -> None:
    if judge(Retry.BY_ID, attrs.evolve(attempt, repeatable=False)) in {REPEAT, AGAIN}:
        assert attempt.fate is Fate.NOT_SENT or attempt.status == 401


@given(st.sampled_from(Retry), everything)
def test_only_a_readable_success_is_returned_and_only_a_possible_one_is_taken_for_done(
    retry: Retry, attempt: Attempt
) -> None:
    verdict = judge(retry, attempt)
    if verdict is RETURN:
        assert attempt.status is not None
        assert attempt.status < 300
        assert attempt.readable
    if verdict is DONE:
        assert attempt.in_doubt or attempt.resent
        assert (retry, attempt.status) in {(Retry.DELETE, 404), (Retry.DISCONNECT, 401)}


def test_each_operation_has_the_class_its_second_request_calls_for() -> None:
    classes = {operation.id: operation.retry for operation in OPERATIONS}
    safe = {"listVouchers", "getVoucher", "getCompleteVoucher", "listCharges", "getCharge", "requestToken"}
    assert classes == {
        **dict.fromkeys(safe, Retry.SAFE),
        "createVoucher": Retry.BY_ID,
        "updateVoucher": Retry.SAME_STATE,
        "deleteVoucher": Retry.DELETE,
        "setVoucherStatus": Retry.SAME_STATE,
        "rechargeVoucher": Retry.SETTLE,
        "createReservation": Retry.REPLACES,
        "chargeReservation": Retry.SETTLE,
        "refundCharge": Retry.SETTLE,
        "connectClient": Retry.NEVER,
        "disconnectClient": Retry.DISCONNECT,
    }


@given(st.integers(1, 10_000), st.randoms(use_true_random=False))
def test_a_pause_stays_between_nothing_and_its_bound(attempt: int, rng: random.Random) -> None:
    backoff = Backoff(base=0.25, cap=4.0)
    pause = backoff.pause(attempt, None, rng)
    assert pause is not None
    assert 0.0 <= pause <= min(4.0, 0.25 * 2 ** min(attempt - 1, 10))


def test_pauses_grow_and_are_spread_over_their_whole_range() -> None:
    backoff, rng = Backoff(base=0.25, cap=4.0), drawing("pauses")
    means = []
    for attempt in (1, 2, 3, 4, 5, 6):
        pauses = [backoff.pause(attempt, None, rng) or 0.0 for _ in range(2000)]
        bound = min(4.0, 0.25 * 2 ** (attempt - 1))
        assert min(pauses) < 0.01 * bound
        assert max(pauses) > 0.99 * bound
        means.append(sum(pauses) / len(pauses))
    assert means == pytest.approx([0.125, 0.25, 0.5, 1.0, 2.0, 2.0], rel=0.1)


@given(st.integers(1, 50), st.floats(0, 60), st.randoms(use_true_random=False))
def test_a_server_that_says_when_is_believed_and_its_callers_are_spread_a_little(
    attempt: int, seconds: float, rng: random.Random
) -> None:
    pause = Backoff().pause(attempt, seconds, rng)
    assert pause is not None
    assert seconds <= pause <= seconds + 0.25


@pytest.mark.parametrize("seconds", [60.001, 3600.0, 86_400.0, 1e300])
def test_a_server_that_says_to_come_back_much_later_is_not_waited_for(seconds: float) -> None:
    assert Backoff().pause(1, seconds, random.Random(1)) is None
    assert Backoff(longest_wait=seconds).pause(1, seconds, random.Random(1)) is not None


@given(st.integers(1, 10_000), st.randoms(use_true_random=False))
def test_what_was_not_sent_waits_a_little_and_never_long(attempt: int, rng: random.Random) -> None:
    bound = min(1.0, 0.05 * 2 ** min(attempt - 1, 10))
    assert bound / 2 <= Backoff.brief(attempt, rng) <= bound


@pytest.mark.parametrize(("attempt", "bound"), [(1, 0.05), (2, 0.1), (3, 0.2), (5, 0.8), (6, 1.0), (7, 1.0)])
def test_what_was_not_sent_waits_longer_each_time(attempt: int, bound: float) -> None:
    rng = random.Random(7)
    pauses = [Backoff.brief(attempt, rng) for _ in range(500)]
    assert (min(pauses), max(pauses)) == pytest.approx((bound / 2, bound), rel=0.02)


def test_a_server_that_is_left_to_its_defaults_is_asked_this_often() -> None:
    assert (Backoff().base, Backoff().cap, Backoff().longest_wait) == (0.25, 4.0, 60.0)
    assert (Budget().capacity, Budget().refill) == (100.0, 0.1)


@pytest.mark.parametrize(
    ("status", "well"), [(200, True), (499, True), (500, False), (503, False), (429, False)]
)
def test_a_server_that_refuses_is_well(status: int, *, well: bool) -> None:
    assert is_healthy(status) is well


def test_the_budget_allows_so_many_repeats_in_a_row() -> None:
    budget = Budget(capacity=3)
    assert [budget.take() for _ in range(5)] == [True, True, True, False, False]


def test_successes_fill_the_budget_slowly_and_not_beyond_its_capacity() -> None:
    budget = Budget(capacity=2, refill=0.5)
    budget.succeeded()
    assert [budget.take() for _ in range(3)] == [True, True, False]
    budget.succeeded()
    assert not budget.take()
    budget.succeeded()
    assert (budget.take(), budget.take()) == (True, False)


@given(st.lists(st.booleans(), max_size=300))
def test_a_server_that_fails_sees_at_most_the_capacity_and_a_tenth_of_the_successes_as_repeats(
    calls: list[bool],
) -> None:
    budget, repeats = Budget(capacity=5), 0
    for succeeded in calls:
        if succeeded:
            budget.succeeded()
        else:
            repeats += budget.take()
    assert repeats <= 5 + 0.1 * sum(calls) + 1e-9
