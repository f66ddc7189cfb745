"""Every history of a money call in a small world keeps the promise; without any guard one breaks it."""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.payments.exploring import Explored, explore
from tests.payments.small_workers import World
from tests.payments.small_world import Assumptions, Scenario
from voucher_async.fates import Proof
from voucher_async.operations import CHARGE_RESERVATION, CREATE_VOUCHER, RECHARGE_VOUCHER, REFUND_CHARGE
from voucher_async.payments.facts import (
    OPERATIONS,
    Asked,
    Call,
    CallState,
    Event,
    Facts,
    Seen,
    Step,
    Will,
)
from voucher_async.payments.machine import ASKED, GUARDS, PROOFS, TRANSITIONS, Machine, is_rival

REDEEM: Final = "redeem"
RECHARGE: Final = RECHARGE_VOUCHER.id
# a refund is a recharge to the machine: no fence, carried out as often as it is delivered
SCENARIOS: Final = {
    scenario.name: scenario
    for scenario in (
        Scenario("recharge", RECHARGE),
        Scenario("recharge, nobody dies", RECHARGE, asks=2, misfortunes=0),
        Scenario("redeem", REDEEM, asks=2, reservations=2),
        Scenario("redeem, asked three times", REDEEM, reservations=2, misfortunes=0),
        Scenario("charge", CHARGE_RESERVATION.id, misfortunes=0, expires=True),
        Scenario("create", CREATE_VOUCHER.id, asks=2),
        Scenario("twins", RECHARGE, keys=2, joins=True, asks=2, misfortunes=0),
        Scenario("twin redeems", REDEEM, keys=2, asks=2, reservations=2, misfortunes=0),
        Scenario("operator", RECHARGE, asks=2, operator=True),
        Scenario(
            "others", REDEEM, sends=1, reservations=1, misfortunes=0, other=True, refunded=True, operator=True
        ),
    )
}
# Moves of the longest history, where the whole takes minutes: EVERY_HISTORY=1 explores all of them.
LONGEST: Final = {
    "redeem": 13,
    "redeem, asked three times": 14,
    "charge": 13,
    "create": 12,
    "operator": 13,
    "twins": 13,
    "twin redeems": 12,
}
WHERE: Final = {
    "none_under_way": "recharge, nobody dies",
    "all_refused": "recharge, nobody dies",
    "same_target": "redeem",
    "fence_was_made": "redeem",
    "nobody_elses": "twins",
    "no_rival": "twins",
    "joins": "twins",
    "nobody_drives": "operator",
    "same_parameters": "others",
    "stands": "others",
    "carried_out_once": "recharge",
}
ASSUMED: Final = {
    "carried_out_once": "S1",
    "newer_reservation_ends_older": "S2",
    "shown_within_lag": "S4",
    "done_within_window": "S5",
    "compare_and_swap": "M1",
    "no_stop_before_first_byte": "M3",
}
WHERE_ASSUMED: Final = {"carried_out_once": "redeem", "newer_reservation_ends_older": "redeem"}


def show(name: str, found: Explored) -> None:
    """Tell what was explored: `pytest -s` shows it, and so does a failure."""
    moves = (f"  {number:2}. {move}" for number, move in enumerate(found.history, 1))
    head = f"{name}: {found.states:,} states, {found.moves:,} moves {found.broken or ''}"
    sys.stdout.write("\n".join(("", head, *moves, "")))


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_history_keeps_the_promise(name: str) -> None:
    longest = None if os.environ.get("EVERY_HISTORY") else LONGEST.get(name)
    found = explore(World(SCENARIOS[name]), longest)
    show(name, found)
    assert found.broken is None, found.history
    assert found.states > 1_000


@pytest.mark.parametrize("name", GUARDS)
def test_no_guard_can_be_left_out(name: str) -> None:
    found = explore(World(SCENARIOS[WHERE.get(name, "recharge")], without=name))
    show(f"without {name}", found)
    assert found.broken is not None


@pytest.mark.parametrize("name", Assumptions._fields)
def test_no_assumption_can_be_left_out(name: str) -> None:
    scenario = SCENARIOS[WHERE_ASSUMED.get(name, "recharge")]
    found = explore(World(scenario, assumptions=Assumptions(**{name: False})))
    show(f"if not {name}", found)
    assert found.broken is not None


STEPS: Final = {
    Step.SEND: Event.ABOUT_TO_SEND,
    Step.REPEAT: Event.REPEATING,
    Step.RESERVE: Event.RESERVED,
    Step.GO_ON: Event.CLEARED,
    Step.END_DONE: Event.FOUND,
    Step.END_NOT_SENT: Event.ABSENT,
    Step.END_NOT_DONE: Event.ABSENT,
    Step.LEAVE_OPEN: Event.LEFT_OPEN,
}


@pytest.mark.parametrize("name", ["recharge", "redeem", "charge", "create"])
def test_whatever_next_move_proposes_is_legal(name: str) -> None:
    world = World(SCENARIOS[name])
    explore(world, 8)
    wills = [Will(*flags) for flags in itertools.product((True, False), repeat=5)]
    proposed = {
        propose(world.machine, call, seen, proof, will)
        for call in [call for call in world.calls if call.state in {CallState.BEGUN, CallState.SENT}]
        for seen, proof, will in itertools.product(Seen, (None, *PROOFS), wills)
    }
    ends = {Step.END_DONE, Step.END_NOT_DONE, Step.END_NOT_SENT, Step.LEAVE_OPEN}
    assert proposed >= ends | {Step.SEND, Step.BEGIN, Step.READ_AGAIN, Step.LOOK, Step.GO_ON}


def propose(machine: Machine, call: Call, seen: Seen, proof: Proof | None, will: Will) -> Step:
    facts = Facts(0, target=call.target or "1", charge="0", proof=proof)
    step = machine.next_move(call, seen, facts, will)
    if step is Step.END_NOT_SENT:
        facts = facts._replace(proof=Proof.NOT_SENT)
    if step is Step.REPEAT:
        facts = facts._replace(target=call.target)
    if step in STEPS:
        machine.advance(call, STEPS[step], facts)
    return step


def test_a_call_ends_whatever_it_meets() -> None:
    """No good answer, no list that shows anything: the owner leaves it open when its time is up."""
    machine = Machine()
    for operation in OPERATIONS.values():
        call = Call(operation, CallState.BEGUN, "A", target=None if operation.reserves else "1")
        for answer in (Event.IN_DOUBT, Event.REFUSED, Event.CONTRADICTED):
            steps = list(drive(machine, call, answer))
            assert steps[-1] is Step.LEAVE_OPEN
            assert Step.BEGIN in steps


def drive(machine: Machine, call: Call, answer: Event) -> list[Step]:
    steps: list[Step] = []
    seen = Seen.NOTHING_YET
    for now in range(40):
        will = Will(is_wanted=now < 20, has_time=now < 30, can_repeat=steps.count(Step.REPEAT) < 2)
        facts = Facts(now, target=str(now) if call.operation.reserves else "1")
        step = machine.next_move(call, seen, facts, will)
        steps.append(step)
        if step is Step.LEAVE_OPEN:
            break
        event = answer if step is Step.BEGIN else STEPS.get(step)
        same = facts if step is Step.RESERVE else facts._replace(target=call.target)
        call = call if event is None else machine.advance(call, event, same)
        seen = Seen.UNCLEAR if step is Step.LOOK else Seen.NOTHING_YET
    return steps


def test_a_call_that_meets_nothing_bad_is_sent_once() -> None:
    machine, call = Machine(), Call(OPERATIONS[REDEEM], CallState.BEGUN, "A")
    steps: list[Step] = []
    while call.state is not CallState.DONE:
        step = machine.next_move(call, Seen.NOTHING_YET, Facts(0), Will())
        steps.append(step)
        event = Event.ANSWERED if step is Step.BEGIN else STEPS[step]
        call = machine.advance(call, event, Facts(0, target="r1", charge="c1"))
    assert steps == [Step.RESERVE, Step.SEND, Step.BEGIN]
    assert machine.next_move(call, Seen.NOTHING_YET, Facts(0), Will()) is Step.TELL


def test_what_a_second_caller_gets_in_each_state() -> None:
    machine = Machine()
    answers = {
        (state, is_alive): machine.next_for(Call(OPERATIONS[REDEEM], state, "A"), Asked(is_alive=is_alive))
        for state, is_alive in ASKED
    }
    assert answers == ASKED
    assert machine.next_for(None, Asked()) is Step.CLAIM
    running = Call(OPERATIONS[REDEEM], CallState.SENT, "A")
    assert machine.next_for(running, Asked(is_late=True)) is Step.STILL_RUNNING


def test_an_old_charge_is_handed_out_after_one_read_and_never_when_it_was_taken_back() -> None:
    machine, done = Machine(), Call(OPERATIONS[REDEEM], CallState.DONE, "A", charge="c1")
    assert machine.next_for(done, Asked(age=60)) is Step.REPLAY
    assert machine.next_for(done, Asked(age=61)) is Step.READ_FIRST
    assert machine.next_for(done, Asked(age=61, has_read=True)) is Step.REPLAY
    refunded = machine.advance(done, Event.REFUND_SEEN, Facts(0))
    assert machine.next_for(refunded, Asked(age=61, has_read=True)) is Step.REFUNDED
    assert not machine.may(refunded, Event.CLAIMED, Facts(0))


def test_those_who_waited_get_the_refusal_and_not_what_ended_its_owner_alone() -> None:
    machine, ended = Machine(), Call(OPERATIONS[REDEEM], CallState.NOT_DONE, "A", proof=Proof.REFUSED)
    assert machine.next_for(ended, Asked(has_waited=True)) is Step.REFUSAL
    assert machine.next_for(ended._replace(private=True), Asked(has_waited=True)) is Step.CLAIM
    assert machine.next_for(ended, Asked(is_same=False)) is Step.CLAIM


def test_an_end_is_final() -> None:
    for state in (CallState.DONE, CallState.NOT_DONE):
        events = {event for event, row in TRANSITIONS.items() if state in row.sources}
        legal = {event for event in events if not TRANSITIONS[event].guards or event is Event.CLAIMED}
        assert legal <= {Event.REFUND_SEEN, Event.CLAIMED}
    with pytest.raises(ValueError, match="IN_DOUBT is not legal for a call that is done"):
        Machine().advance(Call(OPERATIONS[REDEEM], CallState.DONE, "A"), Event.IN_DOUBT, Facts(0))


def test_every_proof_has_its_guards() -> None:
    assert {*PROOFS, Proof.RESOLVED} == set(Proof)  # an operator's word is an event of its own
    named = {name for groups in PROOFS.values() for group in groups for name in group}
    used = named | {name for row in TRANSITIONS.values() for name in row.guards}
    assert set(GUARDS) - used == {
        "recorded",
        "in_time",
        "written_first",
        "same_parameters",
        "stands",
        "joins",
    }


def test_the_page_about_settlement_has_every_proof_state_and_assumption() -> None:
    page = (Path(__file__).parents[2] / "docs" / "settlement.md").read_text(encoding="utf-8")
    assert [proof.name for proof in Proof if f"`{proof.name}`" not in page] == []
    assert [state for state in CallState if f"**{state}**" not in page] == []
    named = page[page.index("## 2.") : page.index("## 3.")]
    assert [label for label in ASSUMED.values() if f"**{label}." not in named] == []
    assert set(ASSUMED) == set(Assumptions._fields)


def test_a_refused_record_leaves_its_doubt_to_the_next_one_with_its_key() -> None:
    machine = Machine()
    refused = Call(OPERATIONS[RECHARGE], CallState.SENT, "A", refused=True, ended_at=0)
    ended = machine.advance(refused, Event.ABSENT, Facts(20, proof=Proof.REFUSED))
    assert is_rival(ended)
    next_one = machine.advance(ended, Event.CLAIMED, Facts(1000, owner="B"))
    assert next_one.inherited
    assert not machine.may(next_one, Event.ABOUT_TO_SEND, Facts(1000))
    given_up = machine.advance(next_one, Event.ABSENT, Facts(1000, proof=Proof.NOT_SENT))
    assert machine.advance(given_up, Event.CLAIMED, Facts(1001, owner="C")).inherited
    cleared = machine.advance(next_one, Event.CLEARED, Facts(1000, proof=Proof.ABSENT))
    assert machine.may(cleared, Event.ABOUT_TO_SEND, Facts(1000))


def test_refunds_and_recharges_never_join() -> None:
    machine = Machine()
    joins = {name for name, each in OPERATIONS.items() if machine.joins(Call(each, CallState.SENT, "A"))}
    assert joins == {REDEEM, CHARGE_RESERVATION.id}
    assert {REFUND_CHARGE.id, RECHARGE, CREATE_VOUCHER.id} == set(OPERATIONS) - joins
