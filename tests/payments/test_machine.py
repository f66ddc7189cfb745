"""Every history of a money call in a small world keeps the promise; without any guard one breaks it."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.payments.exploring import Explored, explore
from tests.payments.small_workers import World
from tests.payments.small_world import Assumptions, Scenario
from voucher_async.fates import Proof
from voucher_async.operations import CHARGE_RESERVATION, CREATE_VOUCHER, RECHARGE_VOUCHER, REFUND_CHARGE
from voucher_async.payments.facts import OPERATIONS, Asked, Call, CallState, Event, Facts, Step
from voucher_async.payments.machine import ASKED, CLEARS, GUARDS, PROOFS, TRANSITIONS, Machine, is_rival

REDEEM: Final = "redeem"
RECHARGE: Final = RECHARGE_VOUCHER.id
# to the machine a refund is a recharge: no fence, carried out once per delivery
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
# Moves of the longest history that the gate explores; EVERY_HISTORY=1 explores all, for minutes.
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
    "behind_fence": "redeem",
    "balanced": "redeem",
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
    "declined_copies_are_quick": "S13",
    "refused_copies_are_over": "S14",
}
WHERE_ASSUMED: Final = {"carried_out_once": "redeem", "newer_reservation_ends_older": "redeem"}


def show(name: str, found: Explored) -> None:
    """Tell what was explored: `pytest -s` shows it, and so does a failure."""
    moves = (f"  {number:2}. {move}" for number, move in enumerate(found.history, 1))
    head = f"{name}: {found.states:,} states, {found.moves:,} moves {found.broken or ''}"
    sys.stdout.write("\n".join(("", head, *moves, "")))


@pytest.fixture(autouse=True)
def _no_search_for_cycles() -> Iterator[None]:
    # in a million tuples there is none, and looking takes a fifth of the time
    gc.disable()
    yield
    gc.enable()


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


@pytest.mark.parametrize("name", [REFUND_CHARGE.id, RECHARGE, CREATE_VOUCHER.id])
def test_nothing_but_a_charge_is_read_again_or_taken_back(name: str) -> None:
    done = Call(OPERATIONS[name], CallState.DONE, "A", charge="c1", refunded=True)
    assert Machine().next_for(done, Asked(age=61)) is Step.REPLAY


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
    assert {*PROOFS, Proof.RESOLVED} == set(Proof)  # an operator's verdict is an event of its own
    tables = (*PROOFS.values(), *CLEARS.values())
    named = {name for groups in tables for group in groups for name in group}
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
