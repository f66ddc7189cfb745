"""What normal answers show of a server: order numbers, client ids, clocks."""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any

import pytest

from tests.unit.samples import NOON, charge, seconds
from voucher_async import Charge, PendingOutcome
from voucher_async.payments.lessons import Lessons

CHARGE = "chargeReservation"


def entry(order_number: str | None = "A-1", client_id: str = "shop", made: dt.datetime = NOON) -> Charge:
    return charge(order_number=order_number, client_id=client_id, created_at=made, updated_at=made)


def pending(**changes: Any) -> PendingOutcome:
    values = {"operation": CHARGE, "order_number": "A-1", "reserved_by": "shop", **changes}
    return PendingOutcome(**values)


@pytest.mark.parametrize("shown", ["A-1", " A-1 ", "a1"])
def test_an_order_number_that_came_back_recognisably_shows_that_the_operation_echoes_it(shown: str) -> None:
    lessons = Lessons()
    lessons.learn(pending(), entry(shown), None)
    assert lessons.echoed == {CHARGE}


def test_what_became_of_plain_letters_says_nothing_of_others() -> None:
    plain, other, beyond = Lessons(), Lessons(), pending(order_number="Bücher-1")
    plain.learn(pending(), entry(), None)
    other.learn(beyond, entry("Bücher-1"), None)
    assert (plain.echoes(pending()), plain.echoes(beyond)) == (True, False)
    assert (other.echoes(pending()), other.echoes(beyond)) == (False, True)


@pytest.mark.parametrize("shown", [None, "something else"])
def test_an_order_number_that_did_not_come_back_shows_nothing(shown: str | None) -> None:
    lessons = Lessons()
    lessons.learn(pending(), entry(shown), None)
    assert lessons.echoed == set()


@pytest.mark.parametrize("shown", [None, "A-1"])
def test_a_call_without_an_order_number_shows_nothing_of_order_numbers(shown: str | None) -> None:
    lessons = Lessons()
    lessons.learn(pending(order_number=None), entry(shown), None)
    assert lessons.echoed == set()


@pytest.mark.parametrize(("shown", "word"), [(None, "none came back"), ("a1", "one came back changed")])
def test_a_server_that_changes_order_numbers_is_warned_of_once(
    shown: str | None, word: str, caplog: pytest.LogCaptureFixture
) -> None:
    lessons = Lessons()
    with caplog.at_level(logging.WARNING, "voucher_async"):
        for _ in range(3):
            lessons.learn(pending(), entry(shown), None)
    (message,) = caplog.messages
    assert word in message
    assert "A-1" not in message


@pytest.mark.parametrize("shown", ["A-1", "something else"])
def test_an_equal_order_number_or_another_one_is_not_warned_of(
    shown: str, caplog: pytest.LogCaptureFixture
) -> None:
    Lessons().learn(pending(), entry(shown), None)
    assert not caplog.messages


@pytest.mark.parametrize(
    ("reserved_by", "shown", "learnt"),
    [("shop", "shop", {"shop"}), ("shop", "worker", {"worker"}), (None, "shop", {"shop"})],
)
def test_the_client_ids_that_entries_carry_are_learnt_for_their_operation(
    reserved_by: str | None, shown: str, learnt: set[str]
) -> None:
    lessons = Lessons()
    lessons.learn(pending(reserved_by=reserved_by), entry(client_id=shown), None)
    assert lessons.clients == {pending().operation: learnt}


@pytest.mark.parametrize(
    ("stamps", "least", "most"),
    [
        ((1.0,), 0, 0),  # within the time in which the entry was made
        ((-3.0,), -3, 0),
        ((5.0,), 0, 3),
        ((5.5,), 3.5, 3.5),
        ((3602.0,), 3600, 3600),  # always from a machine with another clock
        ((-3600.0,), -3600, -3600),
        ((3602.0, 1.0), 0, 3600),  # from two machines in turn
        ((-9.0, 11.0, 0.0), -9, 9),
    ],
)
def test_how_far_stamps_may_be_off_is_what_was_seen(
    stamps: tuple[float, ...], least: float, most: float
) -> None:
    lessons = Lessons()
    for stamp in stamps:
        lessons.learn(pending(), entry(made=NOON + seconds(stamp)), (NOON, NOON + seconds(2)))
    assert lessons.shift(pending().operation) == (seconds(least), seconds(most))


def test_nothing_is_taken_for_granted_of_clocks_before_one_was_seen() -> None:
    lessons = Lessons()
    lessons.learn(pending(), entry(), None)
    assert lessons.shift(pending().operation) == (seconds(0), seconds(0))


def test_what_charges_show_of_clocks_says_nothing_of_refunds() -> None:
    lessons = Lessons()
    lessons.learn(pending(), entry(made=NOON + seconds(3600)), (NOON, NOON))
    assert lessons.shift("refundCharge") == (seconds(0), seconds(0))
