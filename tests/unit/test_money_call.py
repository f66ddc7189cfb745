"""One money call: what is counted, when it may be sent again, and the time in which it can be carried out."""

from __future__ import annotations

import asyncio
import datetime as dt
from decimal import Decimal
from typing import Any

import attrs
import pytest

from tests.unit.samples import NOON, seconds
from voucher_async import PendingOutcome
from voucher_async.api_errors import ApiError, Conflict, NotFound, RateLimited
from voucher_async.errors import ConnectionBroken, Fate
from voucher_async.payments.call import CallState
from voucher_async.payments.money_call import Anchor, MoneyCall
from voucher_async.payments.replies import Reply

PENDING = PendingOutcome(operation="chargeReservation", voucher_id="V", amount=Decimal("5.00"))
ANCHOR = Anchor(NOON, 100.0, NOON)


def case(**changes: Any) -> MoneyCall:
    return attrs.evolve(MoneyCall(pending=PENDING, may_repeat=lambda: True), **changes)


CONFLICT = Conflict("HTTP 409", status=409)
GONE = NotFound("HTTP 404", status=404)
LIMITED = RateLimited("HTTP 429", status=429, retry_after=7.0)
LOST = ConnectionBroken("lost", fate=Fate.UNKNOWN)


def test_a_case_may_be_repeated_twice_while_the_state_of_things_allows_it() -> None:
    lives = True
    each = case(may_repeat=lambda: lives)
    assert each.repeatable
    lives = False
    assert not each.repeatable
    lives, each.repeats = True, 1
    assert each.repeatable
    each.repeats = 2
    assert not each.repeatable
    assert not MoneyCall(pending=PENDING).repeatable


@pytest.mark.parametrize(
    ("error", "reply", "ends"),
    [
        (CONFLICT, Reply.REFUSED, True),
        (GONE, Reply.GONE, True),
        (LIMITED, Reply.DECLINED, False),
    ],
)
def test_a_repeat_that_the_api_refuses_ends_repeating_and_one_that_is_declined_does_not(
    error: ApiError, reply: Reply, *, ends: bool
) -> None:
    each = case(repeats=1, doubts=1, absences=2)
    each.refused(error, reply)
    assert (each.repeat_refused, each.repeatable, each.absences) == (ends, not ends, 0)
    assert each.refusal is error


def test_a_refusal_of_the_only_delivery_is_no_refused_repeat() -> None:
    each = case()
    each.refused(CONFLICT, Reply.REFUSED)
    assert (each.is_refused, each.repeat_refused) == (True, False)
    assert (each.effects, each.deliveries) == (0, 1)


def test_a_refusal_after_a_declined_request_is_a_refused_repeat() -> None:
    each = case()
    each.refused(LIMITED, Reply.DECLINED)
    each.repeats = 1
    each.refused(CONFLICT, Reply.REFUSED)
    assert (each.is_refused, each.repeat_refused) == (True, True)


def test_a_refusal_beside_a_doubt_leaves_the_doubt_its_cause() -> None:
    each = case()
    each.doubted(LOST)
    each.repeats = 1
    each.refused(CONFLICT, Reply.REFUSED)
    assert (each.is_refused, each.deliveries) == (False, 1)
    assert each.cause is LOST


def test_a_fence_counts_from_the_word_that_the_reservation_is_gone_or_from_its_end() -> None:
    each = case(call=case().call._replace(fenced_at=7.0))
    assert each.fenced() == 7.0
    each.fence = lambda: 5.0
    assert each.fenced() == 5.0
    assert case().fenced() is None


def test_what_another_process_left_is_in_doubt_since_it_was_taken_up() -> None:
    pending = attrs.evolve(PENDING, sends=2, reservation_id="r", answered=True)
    each = MoneyCall.taken_up(pending, 5.0)
    assert (each.foreign, each.doubts, each.last) == (True, 2, 5.0)
    assert (each.call.state, each.call.doubts, each.call.answered) == (CallState.OPEN, True, True)
    assert (each.call.target, each.call.sent_to) == ("r", "r")


@pytest.mark.parametrize("is_refused", [True, False])
def test_only_a_refusal_leaves_a_doubt_to_the_next_call_of_a_payment(*, is_refused: bool) -> None:
    each = MoneyCall.inherited(PENDING, 5.0, is_refused=is_refused)
    assert each.call.in_doubt is is_refused
    assert (each.call.state, each.last, each.fenced()) == (CallState.BEGUN, 5.0, None)


@pytest.mark.parametrize("fenced_at", [None, 4.0])
def test_what_a_dead_owner_may_have_sent_is_in_doubt(fenced_at: float | None) -> None:
    pending = attrs.evolve(PENDING, reservation_id="r", answered=True)
    each = MoneyCall.left_behind(pending, 5.0, fenced_at=fenced_at)
    assert (each.call.state, each.call.doubts, each.call.inherited) == (CallState.SENT, True, False)
    assert (each.call.answered, each.call.sent_to, each.call.target) == (True, "r", None)
    assert (each.last, each.fenced()) == (5.0, fenced_at)


def test_a_new_doubt_begins_looking_anew() -> None:
    each = case(absences=2)
    each.doubted(LOST)
    each.absences = 2
    each.doubted(ConnectionBroken("second", fate=Fate.UNKNOWN))
    assert (each.doubts, each.absences, each.cause) == (2, 0, LOST)
    assert (each.effects, each.deliveries) == (2, 2)


def test_an_answer_is_an_effect_beside_those_in_doubt() -> None:
    each = case(doubts=1, succeeded=True, refusals=3)
    assert (each.effects, each.deliveries, each.is_refused) == (2, 2, False)


def test_the_cause_is_the_doubt_or_the_refusal_or_what_is_known() -> None:
    each = case(reason="nobody knows")
    assert str(each.cause) == "nobody knows"
    each.refused(CONFLICT, Reply.REFUSED)
    assert each.cause is CONFLICT


@pytest.mark.parametrize(
    ("error", "expected"),
    [(LIMITED, 7.0), (RateLimited("HTTP 429", status=429), 1.0), (CONFLICT, None)],
)
def test_only_a_limited_rate_is_worth_waiting_for(error: ApiError, expected: float | None) -> None:
    assert case(refusal=error).patience == expected
    assert case().patience is None


@pytest.mark.parametrize("fraction", [0.0, 0.999])
def test_a_request_is_bound_by_the_last_moment_at_which_it_can_be_carried_out(fraction: float) -> None:
    # the server's date is NOON, without its fraction of a second
    until = case(anchor=ANCHOR).until(705.0, NOON + seconds(605), 30.0, 10.0)
    last = NOON + seconds(fraction + 605.0 + 30.0 + 10.0)
    assert until is not None
    assert dt.timedelta(0) <= until - last <= seconds(2)


def test_a_deadline_that_has_passed_takes_nothing_off_the_bound() -> None:
    each = case(anchor=ANCHOR)
    assert each.until(100.0, NOON, -5.0, 10.0) == each.until(100.0, NOON, 0.0, 10.0) == NOON + seconds(12)


def test_time_that_the_machine_slept_counts() -> None:
    assert ANCHOR.elapsed(110.0, NOON + seconds(10)) == 10.0
    assert ANCHOR.elapsed(110.0, NOON + seconds(500)) == 500.0
    assert ANCHOR.elapsed(110.0, NOON - seconds(500)) == 10.0
    assert case(anchor=ANCHOR).until(110.0, NOON + seconds(500), 0.0, 0.0) == NOON + seconds(502)


def test_without_a_stamp_of_the_server_a_request_is_not_bound() -> None:
    assert case().until(705.0, NOON, 30.0, 10.0) is None
    bound = case(pending=attrs.evolve(PENDING, until=NOON))
    assert bound.until(705.0, NOON, 30.0, 10.0) == NOON


def test_clocks_that_disagree_widen_the_time_window_by_as_much_and_once() -> None:
    each = case(anchor=ANCHOR, pending=attrs.evolve(PENDING, until=NOON + seconds(60)))
    for wall, widened in ((12.0, 0.0), (12.5, 2.5), (12.5, 2.5), (14.0, 2.5), (100.0, 90.0), (-100.0, 90.0)):
        each.widen(110.0, NOON + seconds(wall))
        assert each.pending.until == NOON + seconds(60 + widened)


def test_what_is_not_bound_is_not_widened() -> None:
    each = case(anchor=ANCHOR)
    each.widen(110.0, NOON + seconds(999))
    assert each.pending.until is None
    unanchored = case(pending=attrs.evolve(PENDING, until=NOON))
    unanchored.widen(110.0, NOON + seconds(999))
    assert unanchored.pending.until == NOON


def test_a_call_is_cut_off_when_its_event_loop_is_gone() -> None:
    each = case()
    assert not each.is_cut_off

    async def begin() -> None:
        each.over = asyncio.get_running_loop().create_future()
        assert not each.is_cut_off

    asyncio.run(begin())
    assert each.is_cut_off
    assert MoneyCall(pending=PENDING).fence() is None
