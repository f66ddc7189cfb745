"""What a list of charges says about a lost answer, rule by rule."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import attrs
import pytest
from voucher_async.settlement.rules import RULES, Evidence, Finding, Move, decide, find, obstacle

from voucher_async import Charge, ChargeType, Conflict, ConnectFailed, Fate, PendingOutcome, RateLimited
from voucher_async.settlement.case import Case

NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
KINDS = {"chargeReservation": "charge", "refundCharge": "refund", "rechargeVoucher": "recharge"}
CHARGE, REFUND, RECHARGE = RULES["chargeReservation"], RULES["refundCharge"], RULES["rechargeVoucher"]


def pending(operation: str = "chargeReservation", **changes: Any) -> PendingOutcome:
    values = {
        "voucher_id": "V",
        "amount": Decimal("5.00"),
        "order_number": "A-1",
        "since": NOON,
        "until": NOON + dt.timedelta(seconds=60),
        "known": (),
        **changes,
    }
    return PendingOutcome(operation=operation, **values)


def charge(id: str = "c", **changes: Any) -> Charge:
    values = {
        "type": ChargeType.charge,
        "voucher_id": "V",
        "amount": Decimal("5.00"),
        "order_number": "A-1",
        "created_at": NOON,
        **changes,
    }
    return Charge(id=id, client_id="x", updated_at=NOON, **values)


def finding(certain: int = 0, unclear: int = 0) -> Finding:
    return Finding(
        certain=tuple(charge(f"c-{number}") for number in range(certain)),
        unclear=tuple(charge(f"u-{number}") for number in range(unclear)),
    )


def evidence(certain: int = 0, unclear: int = 0, **changes: Any) -> Evidence:
    values = {"sends": 1, "absences": 0, "quiet": 0.0, "window": 10.0, **changes}
    return Evidence(finding=finding(certain, unclear), **values)


@pytest.mark.parametrize("operation", KINDS)
def test_what_fits_in_everything_is_found(operation: str) -> None:
    entry = charge(type=ChargeType(KINDS[operation]))
    assert find(pending(operation), [entry]) == Finding(certain=(entry,))


@pytest.mark.parametrize("operation", KINDS)
@pytest.mark.parametrize(
    "changes",
    [
        {"type": ChargeType("transfer")},
        {"amount": Decimal("5.01")},
        {"voucher_id": "W"},
        {"created_at": NOON + dt.timedelta(seconds=61)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_differs_in_one_thing_is_not_found(operation: str, changes: dict[str, Any]) -> None:
    entry = attrs.evolve(charge(type=ChargeType(KINDS[operation])), **changes)
    assert find(pending(operation), [entry]) == Finding()


@pytest.mark.parametrize("operation", KINDS)
def test_what_is_older_by_more_than_two_clocks_are_apart_is_not_found(operation: str) -> None:
    entry = charge(type=ChargeType(KINDS[operation]), created_at=NOON - dt.timedelta(seconds=3.1))
    assert find(pending(operation, known=None), [entry]) == Finding()


@pytest.mark.parametrize("operation", KINDS)
def test_what_was_there_before_is_not_found(operation: str) -> None:
    entry = charge(type=ChargeType(KINDS[operation]))
    assert find(pending(operation, known=("c",)), [entry]) == Finding()


@pytest.mark.parametrize("operation", KINDS)
def test_bounds_that_are_not_known_exclude_nothing(operation: str) -> None:
    entry = charge(type=ChargeType(KINDS[operation]), created_at=NOON - dt.timedelta(days=1))
    assert find(pending(operation, since=None, until=None), [entry]).certain == (entry,)


def test_another_order_number_is_another_charge_but_perhaps_our_refund() -> None:
    for operation, expected in (("chargeReservation", 0), ("rechargeVoucher", 0), ("refundCharge", 1)):
        entry = charge(type=ChargeType(KINDS[operation]), order_number="A-2")
        found = find(pending(operation), [entry])
        assert (len(found.certain), len(found.unclear)) == (0, expected)


def test_an_order_number_that_the_server_trimmed_is_the_same() -> None:
    assert find(pending(order_number=" A-1 "), [charge()]).certain
    assert find(pending(), [charge(order_number=None)]) == Finding()


def test_spaces_that_the_server_kept_make_no_other_order_number() -> None:
    assert find(pending(order_number=" A-1 "), [charge(order_number=" A-1 ")]).certain
    assert find(pending(), [charge(order_number=" A-1 ")]).certain


@pytest.mark.parametrize("ours", [None, "", " "])
@pytest.mark.parametrize("theirs", [None, ""])
def test_no_order_number_and_an_empty_one_are_the_same(ours: str | None, theirs: str | None) -> None:
    assert find(pending(order_number=ours), [charge(order_number=theirs)]).certain
    assert find(pending(order_number=ours), [charge()]) == Finding()


@pytest.mark.parametrize("operation", ["refundCharge", "rechargeVoucher"])
def test_without_the_ids_known_before_a_look_alike_is_unclear(operation: str) -> None:
    entry = charge(type=ChargeType(KINDS[operation]))
    assert find(pending(operation, known=None), [entry]) == Finding(unclear=(entry,))


def test_a_charge_needs_no_known_ids() -> None:
    assert find(pending(known=None), [charge()]).certain


def test_the_oldest_comes_first() -> None:
    late = NOON + dt.timedelta(seconds=1)
    entries = [charge("b", created_at=late), charge("z"), charge("a", created_at=late)]
    assert [entry.id for entry in find(pending(), entries).certain] == ["z", "a", "b"]


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_what_is_found_was_done_however_often_it_was_looked_for(rule: Any) -> None:
    for quiet in (0.0, 10.0):
        assert decide(rule, evidence(1, quiet=quiet, repeatable=True)) is Move.DONE
    assert decide(rule, evidence(2, sends=2)) is Move.DONE


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
@pytest.mark.parametrize("given", [evidence(0, 1), evidence(1, 1), evidence(2)], ids=range(3))
def test_what_may_be_somebody_elses_is_never_guessed(rule: Any, given: Evidence) -> None:
    assert decide(rule, attrs.evolve(given, quiet=99.0, repeatable=True)) is Move.OPEN


def test_what_may_be_a_rivals_is_waited_for() -> None:
    assert decide(CHARGE, evidence(1, rivals=1, quiet=99.0, repeatable=True)) is Move.WAIT
    assert decide(CHARGE, evidence(rivals=1)) is Move.WAIT
    assert decide(CHARGE, evidence(2, sends=2, rivals=1, told=1)) is Move.WAIT
    assert decide(CHARGE, evidence(1, rivals=1, told=1)) is Move.DONE


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_what_is_absent_was_not_done_only_after_the_window(rule: Any) -> None:
    assert decide(rule, evidence(absences=9, quiet=9.9)) is Move.WAIT
    assert decide(rule, evidence(absences=1, quiet=10.0)) is Move.NOT_DONE
    assert decide(rule, evidence(absences=1, quiet=10.0, repeatable=True)) is Move.REPEAT


def test_a_charge_is_repeated_early_after_two_looks_and_nothing_else_is() -> None:
    assert decide(CHARGE, evidence(absences=1, repeatable=True)) is Move.WAIT
    assert decide(CHARGE, evidence(absences=2, repeatable=True)) is Move.REPEAT
    assert decide(CHARGE, evidence(absences=2)) is Move.WAIT
    assert decide(REFUND, evidence(absences=9, repeatable=True)) is Move.WAIT
    assert decide(RECHARGE, evidence(absences=9, repeatable=True)) is Move.WAIT


def test_only_a_charge_is_taken_back() -> None:
    assert [rule.take_back for rule in (CHARGE, REFUND, RECHARGE)] == [True, False, False]


def test_what_can_never_be_settled_says_why() -> None:
    assert obstacle(pending()) is None
    assert obstacle(pending("createVoucher")) is None
    assert "looked at" in str(obstacle(pending("connectClient")))
    assert "voucher's id" in str(obstacle(pending(voucher_id=None)))
    assert "amount" in str(obstacle(pending(amount=None)))


def test_a_case_may_be_repeated_twice_while_the_state_of_things_allows_it() -> None:
    lives = True
    case = Case(pending=pending(), may_repeat=lambda: lives)
    assert case.repeatable
    lives = False
    assert not case.repeatable
    lives, case.repeats = True, 1
    assert case.repeatable
    case.repeats = 2
    assert not case.repeatable
    assert not Case(pending=pending()).repeatable


def test_a_refusal_ends_repeating_and_a_limited_rate_or_no_connection_does_not() -> None:
    case = Case(pending=pending(), may_repeat=lambda: True, absences=2)
    limited = RateLimited("HTTP 429", status=429)
    limited.fate = Fate.ANSWERED
    for harmless in (limited, ConnectFailed("no connection", fate=Fate.NOT_SENT)):
        case.refused(harmless)
        assert case.repeatable
        assert case.absences == 0
    refused = Conflict("HTTP 409", status=409)
    refused.fate = Fate.ANSWERED
    case.refused(refused)
    assert not case.repeatable


def test_a_new_doubt_begins_looking_anew() -> None:
    case = Case(pending=pending(), absences=2)
    first, second = ConnectFailed("first", fate=Fate.UNKNOWN), ConnectFailed("second", fate=Fate.UNKNOWN)
    case.doubted(first, 5.0)
    case.absences = 2
    case.doubted(second, 7.0)
    assert (case.doubts, case.absences, case.last, case.cause) == (2, 0, 7.0, first)
    assert case.effects == 2


@pytest.mark.parametrize("fraction", [0.0, 0.999])
def test_a_request_is_bound_by_the_last_moment_at_which_it_can_be_carried_out(fraction: float) -> None:
    # the server stamped NOON, and cut the fraction of a second off
    case = Case(pending=pending(until=None), anchor=(NOON, 100.0))
    case.bound(now=705.0, left=30.0, window=10.0)
    last = NOON + dt.timedelta(seconds=fraction + 605.0 + 30.0 + 10.0)
    assert case.pending.until is not None
    assert dt.timedelta(0) <= case.pending.until - last <= dt.timedelta(seconds=2)


def test_without_a_stamp_of_the_server_a_request_is_not_bound() -> None:
    case = Case(pending=pending(until=None))
    case.bound(now=705.0, left=30.0, window=10.0)
    assert case.pending.until is None
