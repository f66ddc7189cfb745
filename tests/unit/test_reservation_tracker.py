"""The tracker of reservations: how long each lives, and which one the server may still hold."""

from __future__ import annotations

import asyncio
import datetime as dt

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.samples import NOON, seconds
from tests.unit.tracking import Client, reservation
from voucher_async.errors import (
    ReservationAlreadyCharged,
    ReservationExpired,
    ReservationSuperseded,
    VoucherError,
)
from voucher_async.outcomes import OutcomeUnknown, PendingOutcome, Settlement, SettlementState
from voucher_async.payments import reservations as module
from voucher_async.payments.money_call import MoneyCall
from voucher_async.payments.reservations import lifetime

PENDING = PendingOutcome(operation="chargeReservation", reservation_id="r")
CASE = MoneyCall(pending=PENDING)

HOURS = 3600.0


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        (None, 1800.0),
        (NOON, 1800.0),
        (NOON + seconds(3), 1797.0),
        (NOON + seconds(300), 1500.0),
        (NOON - seconds(3), 1800.0),
        (NOON - seconds(300), 1800.0),
        (NOON + seconds(2 * HOURS), 1800.0),
        (NOON - seconds(2 * HOURS), 1800.0),
    ],
)
def test_a_lifetime_is_measured_by_the_servers_date_unless_that_is_far_off(
    date: dt.datetime | None, expected: float
) -> None:
    assert lifetime(reservation("r"), date) == expected


@pytest.mark.parametrize(("valid", "expected"), [(600, 600.0), (0, 0.0), (-60, 0.0), (7200, 1800.0)])
def test_a_lifetime_is_what_the_server_gives_but_no_more_than_the_contract_promises(
    valid: float, expected: float
) -> None:
    odd = attrs.evolve(reservation("r"), valid_until=NOON + seconds(valid))
    assert lifetime(odd, None) == lifetime(odd, NOON) == expected


@given(st.floats(-200_000, 200_000))
def test_no_date_makes_a_reservation_live_longer_than_promised_or_dead_on_arrival(offset: float) -> None:
    assert 1500.0 <= lifetime(reservation("r"), NOON + seconds(offset)) <= 1800.0


@pytest.mark.parametrize("offset", [-2 * HOURS, 0.0, 2 * HOURS])
def test_a_reservation_is_refused_from_the_safety_margin_on_whatever_the_local_clock_shows(
    offset: float,
) -> None:
    client = Client(offset)
    entry = client.note("r")
    client.true.advance(1790)
    assert client.tracker.check("r") is entry
    assert client.tracker.check(reservation("r")) is entry
    assert client.tracker.left(entry) == 0.0
    client.true.advance(0.5)
    with pytest.raises(
        ReservationExpired, match=r"ends in 9\.5 s, the safety margin is 10 s: reserve again"
    ) as caught:
        client.tracker.check("r")
    assert caught.value.reservation_id == "r"
    assert client.tracker.left(entry) == -0.5
    client.true.advance(60)
    with pytest.raises(ReservationExpired, match=r"ended 50\.5 s ago"):
        client.tracker.check(reservation("r"))


def test_the_time_an_answer_took_counts_against_the_reservation() -> None:
    client = Client()
    client.true.advance(20)
    assert client.note("r", sent=5.0, created=20.0).ends == 1805.0


def test_a_newer_reservation_of_the_voucher_replaces_the_older_and_no_other() -> None:
    client = Client()
    client.note("r-1")
    other = client.note("o-1", voucher="v-2")
    client.true.advance(1)
    second = client.note("r-2")
    with pytest.raises(ReservationSuperseded, match="a newer reservation of the same voucher") as caught:
        client.tracker.check(reservation("r-1"))
    assert caught.value.reservation_id == "r-1"
    assert (client.tracker.check("r-2"), client.tracker.check("o-1")) == (second, other)


def test_what_was_superseded_or_is_about_to_end_does_not_live() -> None:
    client = Client()
    first, second = client.note("r-1"), client.note("r-2")
    assert (client.tracker.lives(first), client.tracker.lives(second)) == (False, True)
    client.true.advance(1790)
    assert not client.tracker.lives(second)


def test_a_superseded_reservation_is_called_so_after_its_end_too() -> None:
    client = Client()
    client.note("r-1")
    client.note("r-2")
    client.true.advance(4000)
    assert client.refused("r-1")


def test_a_reservation_made_later_counts_as_newer_when_the_servers_clock_went_back() -> None:
    client = Client()
    client.note("r-1", created=100)
    client.true.advance(5)
    client.note("r-2", created=99)
    assert (client.refused("r-1"), client.refused("r-2")) == (True, False)


@pytest.mark.parametrize("order", [("early", "late"), ("late", "early")])
def test_of_two_in_flight_at_once_the_servers_date_tells_whichever_answer_comes_first(
    order: tuple[str, str],
) -> None:
    client = Client()
    client.true.advance(10)
    for name in order:
        client.note(name, sent=1.0, created=5.0 if name == "early" else 6.0)
        client.true.advance(1)
    assert (client.refused("early"), client.refused("late")) == (True, False)


def test_of_two_in_flight_in_the_same_second_neither_is_refused() -> None:
    client = Client()
    client.true.advance(10)
    client.note("r-1", sent=1.0, created=5.0)
    client.note("r-2", sent=2.0, created=5.0)
    assert not client.refused("r-1")
    assert not client.refused("r-2")


def test_a_later_reservation_replaces_both_of_two_that_could_not_be_told_apart() -> None:
    client = Client()
    client.true.advance(10)
    client.note("r-1", sent=1.0, created=5.0)
    client.note("r-2", sent=2.0, created=5.0)
    client.true.advance(1)
    client.note("r-3")
    assert [client.refused(id) for id in ("r-1", "r-2", "r-3")] == [True, True, False]


times = st.integers(0, 8)


@given(st.lists(st.tuples(times, times, times), min_size=1, max_size=6))
def test_the_reservation_the_server_holds_is_never_refused(flights: list[tuple[int, int, int]]) -> None:
    """Each flight is sent, taken by the server, and answered; the server's stamps are whole seconds."""
    moments = [sorted(flight) for flight in flights]
    # requests less than a second apart: the server carries each out at its own moment
    calls = [
        (
            sent + 0.0001 * number,
            taken + 0.001 + 0.0001 * number,
            answered + 0.002 + 0.0001 * number,
            f"r-{number}",
        )
        for number, (sent, taken, answered) in enumerate(moments)
    ]
    held = max(calls, key=lambda call: call[1])[3]
    client = Client()
    for sent, taken, answered, id in sorted(calls, key=lambda call: call[2]):
        client.true.advance(answered - client.true.monotonic())
        client.note(id, sent=sent, created=float(int(taken)))
    assert not client.refused(held)


def test_a_charged_reservation_is_refused_and_so_is_one_being_charged() -> None:
    client = Client()
    entry = client.note("r")
    with client.tracker.charging("r", CASE):
        with pytest.raises(ReservationAlreadyCharged, match="is being charged") as caught:
            client.tracker.check("r")
        assert caught.value.reservation_id == "r"
        assert not client.tracker.is_charged(entry)
    assert client.tracker.is_charged(entry)
    assert client.tracker.left(entry) == 0
    with pytest.raises(ReservationAlreadyCharged, match="was charged already"):
        client.tracker.check(reservation("r"))


def test_charged_is_said_rather_than_superseded_or_expired() -> None:
    client = Client()
    client.note("r-1")
    with client.tracker.charging("r-1", CASE):
        client.note("r-2")
    client.true.advance(4000)
    with pytest.raises(ReservationAlreadyCharged):
        client.tracker.check("r-1")


def test_of_a_charged_reservation_no_more_is_kept_than_that_it_was_charged() -> None:
    client = Client()
    client.note("r-0")
    entry = client.note("r-1")
    with client.tracker.charging("r-1", CASE):
        pass
    assert client.tracker.find("r-1") is None
    assert not client.tracker._newest
    assert client.tracker.is_charged(entry)
    assert client.refused("r-0")  # a superseded reservation stays refused


def test_a_charge_that_certainly_failed_may_be_made_again() -> None:
    client = Client()
    entry = client.note("r")
    with pytest.raises(VoucherError), client.tracker.charging("r", CASE):
        raise VoucherError("refused")
    assert client.tracker.check("r") is entry


@pytest.mark.parametrize(
    "error", [OutcomeUnknown("lost", pending=PENDING), asyncio.CancelledError(), KeyboardInterrupt()]
)
@pytest.mark.parametrize("id", ["r", "of another client"])
def test_a_charge_that_may_have_been_made_is_not_made_again(error: BaseException, id: str) -> None:
    client = Client()
    entry = client.note("r")
    with pytest.raises(type(error)), client.tracker.charging(id, CASE):
        raise error
    with pytest.raises(OutcomeUnknown, match="was not sent") as caught:
        client.tracker.check(id)
    assert caught.value.pending is PENDING
    assert not client.tracker.is_charged(entry)
    assert client.tracker.left(entry) == (0 if id == "r" else pytest.approx(1790))


def test_what_became_of_charges_is_not_remembered_for_ever() -> None:
    client = Client()
    for number in range(16_385):
        with client.tracker.charging(f"r-{number}", CASE):
            pass
    assert client.tracker.check("r-0") is None
    with pytest.raises(ReservationAlreadyCharged):
        client.tracker.check("r-1")


def test_a_charge_in_doubt_is_remembered_until_it_is_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REMEMBERED", 2)
    client = Client()
    with pytest.raises(OutcomeUnknown), client.tracker.charging("in doubt", CASE):
        raise OutcomeUnknown("lost", pending=PENDING)
    for number in range(9):
        with client.tracker.charging(f"r-{number}", CASE):
            pass
    with pytest.raises(OutcomeUnknown, match="was not sent"):
        client.tracker.check("in doubt")
    client.tracker.settled("in doubt", Settlement(pending=PENDING, state=SettlementState.NOT_DONE))
    with pytest.raises(ReservationExpired, match="got lost"):
        client.tracker.check("in doubt")


def test_an_unknown_id_is_left_to_the_server() -> None:
    client = Client()
    assert client.tracker.check("never seen") is None
    assert client.tracker.find("never seen") is None


@pytest.mark.parametrize("offset", [-2 * HOURS, 0.0, 2 * HOURS])
def test_a_reservation_of_another_process_is_judged_by_the_servers_date(offset: float) -> None:
    client = Client(offset)
    foreign = reservation("f")
    client.hear()
    client.true.advance(1790)
    assert client.tracker.check(foreign) is None
    client.true.advance(1)
    with pytest.raises(ReservationExpired, match=r"ends in 9\.0 s") as caught:
        client.tracker.check(foreign)
    assert caught.value.reservation_id == "f"


@pytest.mark.parametrize("offset", [-2 * HOURS, 2 * HOURS])
def test_a_reservation_of_another_process_is_left_to_the_server_before_that_told_its_date(
    offset: float,
) -> None:
    assert Client(offset).tracker.check(reservation("f")) is None


def test_a_reservation_of_another_process_is_refused_when_this_one_made_a_newer() -> None:
    client = Client()
    client.true.advance(10)
    client.note("mine")
    with pytest.raises(ReservationSuperseded):
        client.tracker.check(reservation("f"))
    assert client.tracker.check(reservation("f", created=client.true.now())) is None
    assert client.tracker.check(reservation("f", created=client.true.now() + seconds(5))) is None
    assert client.tracker.check(reservation("f", voucher="v-2")) is None


def test_the_book_forgets_the_oldest_and_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REMEMBERED", 3)
    client = Client()
    for number in range(50):
        client.note(f"r-{number}", voucher=f"v-{number % 7}")
        client.true.advance(1)
    known = [number for number in range(50) if client.tracker.find(f"r-{number}")]
    assert known == [47, 48, 49]
    assert len(client.tracker._newest) <= 3
    assert client.tracker.check("r-0") is None


def test_forgetting_one_of_two_that_could_not_be_told_apart_keeps_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_REMEMBERED", 2)
    client = Client()
    client.true.advance(10)
    client.note("r-1", sent=1.0, created=5.0)
    client.note("r-2", sent=2.0, created=5.0)
    client.note("other", voucher="v-2")
    assert client.tracker.find("r-1") is None
    client.true.advance(1)
    assert client.tracker.check(reservation("f", created=NOON + seconds(5))) is None
    with pytest.raises(ReservationSuperseded):
        client.tracker.check(reservation("f", created=NOON + seconds(4)))


def test_the_book_remembers_as_many_as_it_says() -> None:
    assert module._REMEMBERED == 16_384


def test_a_reservation_that_this_client_made_charged_or_doubts_is_known() -> None:
    client = Client()
    client.note("made")
    with client.tracker.charging("charged", CASE):
        pass
    with pytest.raises(OutcomeUnknown), client.tracker.charging("in doubt", CASE):
        raise OutcomeUnknown("lost", pending=PENDING)
    assert [client.tracker.knows(id) for id in ("made", "charged", "in doubt", "never seen")] == [
        True,
        True,
        True,
        False,
    ]
