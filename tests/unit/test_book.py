"""The book of reservations: how long each lives, and which one the server may still hold."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import OrderedDict
from decimal import Decimal
from email.utils import format_datetime

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voucher_async.clock import ManualClock, ServerClock
from voucher_async.errors import (
    OutcomeUnknown,
    ReservationAlreadyCharged,
    ReservationExpired,
    ReservationSuperseded,
    VoucherError,
)
from voucher_async.models import Reservation
from voucher_async.pending import PendingOutcome, Settlement, SettlementState
from voucher_async.resources import book as module
from voucher_async.resources.book import Entry, ReservationBook, lifetime
from voucher_async.sansio import Answer
from voucher_async.settlement import Case

PENDING = PendingOutcome(operation="chargeReservation", reservation_id="r")
CASE = Case(pending=PENDING)

NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
HALF_AN_HOUR = dt.timedelta(minutes=30)
HOURS = 3600.0


def seconds(number: float) -> dt.timedelta:
    return dt.timedelta(seconds=number)


def reservation(id: str, *, voucher: str = "v-1", created: dt.datetime = NOON) -> Reservation:
    return Reservation(
        id=id,
        voucher_id=voucher,
        voucher_taxable=False,
        voucher_tax_rate=None,
        client_id="shop",
        amount=Decimal("2.00"),
        valid_until=created + HALF_AN_HOUR,
        created_at=created,
        updated_at=created,
    )


class Desk:
    """A book on a clock that is moved by hand, next to a server whose clock is right."""

    def __init__(self, offset: float = 0.0) -> None:
        self.true = ManualClock(NOON)
        self.clock = self.true.shifted(offset)
        self.server_clock = ServerClock(self.clock)
        self.book = ReservationBook(self.clock, self.server_clock, 10.0)

    def note(
        self, id: str, *, voucher: str = "v-1", sent: float | None = None, created: float | None = None
    ) -> Entry:
        """The answer to a reservation arrives now."""
        made = self.true.now() if created is None else NOON + seconds(created)
        answer = Answer(
            value=reservation(id, voucher=voucher, created=made),
            date=self.true.now(),
            sent=self.true.monotonic() if sent is None else sent,
        )
        return self.book.note(answer)

    def hear(self) -> None:
        """Another answer, and with it the server's date."""
        self.server_clock.observe(format_datetime(self.true.now(), usegmt=True), self.true.monotonic())

    def refused(self, id: str) -> bool:
        try:
            self.book.check(id)
        except ReservationSuperseded:
            return True
        return False


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
    desk = Desk(offset)
    entry = desk.note("r")
    desk.true.advance(1790)
    assert desk.book.check("r") is entry
    assert desk.book.check(reservation("r")) is entry
    assert desk.book.left(entry) == 0.0
    desk.true.advance(0.5)
    with pytest.raises(
        ReservationExpired, match=r"ends in 9\.5 s, the safety margin is 10 s: reserve again"
    ) as caught:
        desk.book.check("r")
    assert caught.value.reservation_id == "r"
    assert desk.book.left(entry) == -0.5
    desk.true.advance(60)
    with pytest.raises(ReservationExpired, match=r"ended 50\.5 s ago"):
        desk.book.check(reservation("r"))


def test_the_time_an_answer_took_counts_against_the_reservation() -> None:
    desk = Desk()
    desk.true.advance(20)
    assert desk.note("r", sent=5.0, created=20.0).ends == 1805.0


def test_a_newer_reservation_of_the_voucher_replaces_the_older_and_no_other() -> None:
    desk = Desk()
    desk.note("r-1")
    other = desk.note("o-1", voucher="v-2")
    desk.true.advance(1)
    second = desk.note("r-2")
    with pytest.raises(ReservationSuperseded, match="a newer reservation of the same voucher") as caught:
        desk.book.check(reservation("r-1"))
    assert caught.value.reservation_id == "r-1"
    assert (desk.book.check("r-2"), desk.book.check("o-1")) == (second, other)


def test_what_was_superseded_or_is_about_to_end_does_not_live() -> None:
    desk = Desk()
    first, second = desk.note("r-1"), desk.note("r-2")
    assert (desk.book.lives(first), desk.book.lives(second)) == (False, True)
    desk.true.advance(1790)
    assert not desk.book.lives(second)


def test_a_superseded_reservation_is_called_so_after_its_end_too() -> None:
    desk = Desk()
    desk.note("r-1")
    desk.note("r-2")
    desk.true.advance(4000)
    assert desk.refused("r-1")


def test_a_reservation_made_later_counts_as_newer_when_the_servers_clock_went_back() -> None:
    desk = Desk()
    desk.note("r-1", created=100)
    desk.true.advance(5)
    desk.note("r-2", created=99)
    assert (desk.refused("r-1"), desk.refused("r-2")) == (True, False)


@pytest.mark.parametrize("order", [("early", "late"), ("late", "early")])
def test_of_two_in_flight_at_once_the_servers_date_tells_whichever_answer_comes_first(
    order: tuple[str, str],
) -> None:
    desk = Desk()
    desk.true.advance(10)
    for name in order:
        desk.note(name, sent=1.0, created=5.0 if name == "early" else 6.0)
        desk.true.advance(1)
    assert (desk.refused("early"), desk.refused("late")) == (True, False)


def test_of_two_in_flight_in_the_same_second_neither_is_refused() -> None:
    desk = Desk()
    desk.true.advance(10)
    desk.note("r-1", sent=1.0, created=5.0)
    desk.note("r-2", sent=2.0, created=5.0)
    assert not desk.refused("r-1")
    assert not desk.refused("r-2")


def test_a_later_reservation_replaces_both_of_two_that_could_not_be_told_apart() -> None:
    desk = Desk()
    desk.true.advance(10)
    desk.note("r-1", sent=1.0, created=5.0)
    desk.note("r-2", sent=2.0, created=5.0)
    desk.true.advance(1)
    desk.note("r-3")
    assert [desk.refused(id) for id in ("r-1", "r-2", "r-3")] == [True, True, False]


times = st.integers(0, 8)


@given(st.lists(st.tuples(times, times, times), min_size=1, max_size=6))
def test_the_reservation_the_server_holds_is_never_refused(flights: list[tuple[int, int, int]]) -> None:
    """Each flight is sent, taken by the server, and answered; the server's stamps are whole seconds."""
    moments = [sorted(flight) for flight in flights]
    # requests are told apart by less than a second: the server takes each at its own moment
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
    desk = Desk()
    for sent, taken, answered, id in sorted(calls, key=lambda call: call[2]):
        desk.true.advance(answered - desk.true.monotonic())
        desk.note(id, sent=sent, created=float(int(taken)))
    assert not desk.refused(held)


def test_a_charged_reservation_is_refused_and_so_is_one_being_charged() -> None:
    desk = Desk()
    entry = desk.note("r")
    with desk.book.charging("r", CASE):
        with pytest.raises(ReservationAlreadyCharged, match="is being charged") as caught:
            desk.book.check("r")
        assert caught.value.reservation_id == "r"
        assert not desk.book.is_charged(entry)
    assert desk.book.is_charged(entry)
    assert desk.book.left(entry) == 0
    with pytest.raises(ReservationAlreadyCharged, match="was charged already"):
        desk.book.check(reservation("r"))


def test_charged_is_said_rather_than_superseded_or_expired() -> None:
    desk = Desk()
    desk.note("r-1")
    with desk.book.charging("r-1", CASE):
        desk.note("r-2")
    desk.true.advance(4000)
    with pytest.raises(ReservationAlreadyCharged):
        desk.book.check("r-1")


def test_of_a_charged_reservation_no_more_is_kept_than_that_it_was_charged() -> None:
    desk = Desk()
    desk.note("r-0")
    entry = desk.note("r-1")
    with desk.book.charging("r-1", CASE):
        pass
    assert desk.book.find("r-1") is None
    assert not desk.book._newest
    assert desk.book.is_charged(entry)
    assert desk.refused("r-0")  # it was replaced, and stays so


def test_a_charge_that_certainly_failed_may_be_made_again() -> None:
    desk = Desk()
    entry = desk.note("r")
    with pytest.raises(VoucherError), desk.book.charging("r", CASE):
        raise VoucherError("refused")
    assert desk.book.check("r") is entry


@pytest.mark.parametrize(
    "error", [OutcomeUnknown("lost", pending=PENDING), asyncio.CancelledError(), KeyboardInterrupt()]
)
@pytest.mark.parametrize("id", ["r", "of another client"])
def test_a_charge_that_may_have_been_made_is_not_made_again(error: BaseException, id: str) -> None:
    desk = Desk()
    entry = desk.note("r")
    with pytest.raises(type(error)), desk.book.charging(id, CASE):
        raise error
    with pytest.raises(OutcomeUnknown, match="was not sent") as caught:
        desk.book.check(id)
    assert caught.value.pending is PENDING
    assert not desk.book.is_charged(entry)
    assert desk.book.left(entry) == (0 if id == "r" else pytest.approx(1790))


def test_what_became_of_charges_is_not_remembered_for_ever() -> None:
    desk = Desk()
    for number in range(16_385):
        with desk.book.charging(f"r-{number}", CASE):
            pass
    assert desk.book.check("r-0") is None
    with pytest.raises(ReservationAlreadyCharged):
        desk.book.check("r-1")


def test_a_charge_in_doubt_is_remembered_until_it_is_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REMEMBERED", 2)
    desk = Desk()
    with pytest.raises(OutcomeUnknown), desk.book.charging("in doubt", CASE):
        raise OutcomeUnknown("lost", pending=PENDING)
    for number in range(9):
        with desk.book.charging(f"r-{number}", CASE):
            pass
    with pytest.raises(OutcomeUnknown, match="was not sent"):
        desk.book.check("in doubt")
    desk.book.settled("in doubt", Settlement(pending=PENDING, state=SettlementState.NOT_DONE))
    with pytest.raises(ReservationExpired, match="got lost"):
        desk.book.check("in doubt")


def test_an_unknown_id_is_left_to_the_server() -> None:
    desk = Desk()
    assert desk.book.check("never seen") is None
    assert desk.book.find("never seen") is None


@pytest.mark.parametrize("offset", [-2 * HOURS, 0.0, 2 * HOURS])
def test_a_reservation_of_another_process_is_judged_by_the_servers_date(offset: float) -> None:
    desk = Desk(offset)
    foreign = reservation("f")
    desk.hear()
    desk.true.advance(1790)
    assert desk.book.check(foreign) is None
    desk.true.advance(1)
    with pytest.raises(ReservationExpired, match=r"ends in 9\.0 s") as caught:
        desk.book.check(foreign)
    assert caught.value.reservation_id == "f"


@pytest.mark.parametrize("offset", [-2 * HOURS, 2 * HOURS])
def test_a_reservation_of_another_process_is_left_to_the_server_before_that_told_its_date(
    offset: float,
) -> None:
    assert Desk(offset).book.check(reservation("f")) is None


def test_a_reservation_of_another_process_is_refused_when_this_one_made_a_newer() -> None:
    desk = Desk()
    desk.true.advance(10)
    desk.note("mine")
    with pytest.raises(ReservationSuperseded):
        desk.book.check(reservation("f"))
    assert desk.book.check(reservation("f", created=desk.true.now())) is None
    assert desk.book.check(reservation("f", created=desk.true.now() + seconds(5))) is None
    assert desk.book.check(reservation("f", voucher="v-2")) is None


def test_the_book_forgets_the_oldest_and_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REMEMBERED", 3)
    desk = Desk()
    for number in range(50):
        desk.note(f"r-{number}", voucher=f"v-{number % 7}")
        desk.true.advance(1)
    known = [number for number in range(50) if desk.book.find(f"r-{number}")]
    assert known == [47, 48, 49]
    assert len(desk.book._newest) <= 3
    assert desk.book.check("r-0") is None


def test_forgetting_one_of_two_that_could_not_be_told_apart_keeps_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_REMEMBERED", 2)
    desk = Desk()
    desk.true.advance(10)
    desk.note("r-1", sent=1.0, created=5.0)
    desk.note("r-2", sent=2.0, created=5.0)
    desk.note("other", voucher="v-2")
    assert desk.book.find("r-1") is None
    desk.true.advance(1)
    assert desk.book.check(reservation("f", created=NOON + seconds(5))) is None
    with pytest.raises(ReservationSuperseded):
        desk.book.check(reservation("f", created=NOON + seconds(4)))


def test_the_book_remembers_as_many_as_it_says() -> None:
    assert module._REMEMBERED == 16_384


def test_what_is_forgotten_oldest_first_is_kept_where_that_costs_nothing() -> None:
    """Taking the oldest out of a plain dict takes the longer the more were taken out before."""
    book = Desk().book
    assert {type(book._entries), type(book._charged)} == {OrderedDict}


def test_a_newer_reservation_is_a_fence_from_the_moment_its_answer_came() -> None:
    desk = Desk()
    first = desk.note("r-1")
    assert desk.book.fence(first) is None
    desk.true.advance(20)
    sent = desk.true.monotonic()
    desk.true.advance(5)
    second = desk.note("r-2", sent=sent)
    assert desk.book.fence(first) == sent + 5
    assert desk.book.fence(second) is None


def test_the_end_of_a_reservation_is_a_fence_once_it_has_passed() -> None:
    desk = Desk()
    begun = desk.true.monotonic()
    desk.true.advance(4)
    entry = desk.note("r", sent=begun, created=4.0)
    desk.true.advance(1800 - 0.5)  # it was made when its answer came, at the latest
    assert desk.book.fence(entry) is None
    desk.true.advance(0.5)
    assert desk.book.fence(entry) == begun + 1804
    desk.true.advance(60)
    assert desk.book.fence(entry) == begun + 1804


def test_a_reservation_that_this_client_made_charged_or_doubts_is_known() -> None:
    desk = Desk()
    desk.note("made")
    with desk.book.charging("charged", CASE):
        pass
    with pytest.raises(OutcomeUnknown), desk.book.charging("in doubt", CASE):
        raise OutcomeUnknown("lost", pending=PENDING)
    assert [desk.book.knows(id) for id in ("made", "charged", "in doubt", "never seen")] == [
        True,
        True,
        True,
        False,
    ]
