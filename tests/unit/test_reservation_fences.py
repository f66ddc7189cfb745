"""From when on a reservation counts as over for certain: late perhaps, early never."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.samples import NOON, seconds
from tests.unit.tracking import Client, reservation
from voucher_async.errors import ReservationExpired
from voucher_async.outcomes import PendingOutcome
from voucher_async.payments.money_call import MoneyCall

CASE = MoneyCall(pending=PendingOutcome(operation="chargeReservation", reservation_id="newer"))

APART = 5.0  # seconds by which the clocks of one server's machines may differ
HALF_AN_HOUR = 1800.0


def test_a_newer_reservation_is_a_fence_from_the_moment_its_answer_came() -> None:
    client = Client()
    first = client.note("r-1")
    assert client.tracker.fence(first) is None
    client.true.advance(20)
    sent = client.true.monotonic()
    client.true.advance(5)
    second = client.note("r-2", sent=sent)
    assert client.tracker.fence(first) == sent + 5
    assert client.tracker.fence(second) is None


def test_the_end_of_a_reservation_is_a_fence_once_it_has_passed_by_every_clock_of_the_server() -> None:
    client = Client()
    begun = client.true.monotonic()
    client.true.advance(4)
    entry = client.note("r", sent=begun, created=4.0)
    client.true.advance(HALF_AN_HOUR + APART - 0.5)  # made before its answer, at the latest
    assert client.tracker.fence(entry) is None
    client.true.advance(0.5)
    assert client.tracker.fence(entry) == begun + 1804 + APART
    client.true.advance(60)
    assert client.tracker.fence(entry) == begun + 1804 + APART


@pytest.mark.parametrize("ahead", [60.0, 120.0, 290.0, 299.0])
def test_a_date_that_is_ahead_ends_a_reservation_early_for_charges_and_not_for_its_fence(
    ahead: float,
) -> None:
    client = Client()
    entry = client.note("r", ahead=ahead)
    client.true.advance(HALF_AN_HOUR - ahead)
    with pytest.raises(ReservationExpired):
        client.tracker.check("r")
    assert client.tracker.fence(entry) is None
    client.true.advance(ahead)
    assert client.tracker.fence(entry) is None
    client.true.advance(APART)
    assert client.tracker.fence(entry) == HALF_AN_HOUR + APART


@pytest.mark.parametrize(
    ("ahead", "lives", "expected"),
    [
        (None, 600.0, 1800.0),  # the API promises more than this answer does
        (0.0, 600.0, 1800.0),
        (0.0, 0.0, 1800.0),
        (None, 7200.0, 7200.0),
        (0.0, 7200.0, 7200.0),
        (600.0, 7200.0, 7200.0),
        (-60.0, 1800.0, 1860.0),  # its stamp may be ahead just as well
        (-60.0, 600.0, 1800.0),
        (-7200.0, 1800.0, 9000.0),
    ],
)
def test_the_longest_reading_decides_when_a_reservation_is_over(
    ahead: float | None, lives: float, expected: float
) -> None:
    client = Client()
    entry = client.note("r", ahead=ahead, lives=lives)
    client.true.advance(expected + APART - 0.5)
    assert client.tracker.fence(entry) is None
    client.true.advance(0.5)
    assert client.tracker.fence(entry) == expected + APART


@pytest.mark.parametrize("order", [("early", "late"), ("late", "early")])
def test_of_two_in_flight_at_once_the_stamps_refuse_the_older_and_do_not_fence_it_off(
    order: tuple[str, str],
) -> None:
    client = Client()
    client.true.advance(10)
    made = {}
    for name in order:
        made[name] = client.note(name, sent=1.0, created=5.0 if name == "early" else 6.0)
        client.true.advance(1)
    assert client.refused("early")
    assert [client.tracker.fence(each) for each in made.values()] == [None, None]


def test_a_reservation_that_was_asked_for_later_fences_off_both_of_two_in_flight_at_once() -> None:
    client = Client()
    client.true.advance(10)
    pair = [client.note(f"r-{number}", sent=1.0, created=float(number)) for number in (5, 6)]
    client.true.advance(1)
    last = client.note("r-7")
    assert [client.tracker.fence(each) for each in pair] == [11.0, 11.0]
    assert client.tracker.fence(last) is None
    assert client.tracker._newest == {"v-1": (last,)}


def test_a_reservation_that_stamps_alone_have_superseded_supersedes_no_other() -> None:
    client = Client()
    client.true.advance(10)
    client.note("old", sent=1.0, created=5.0)
    client.note("newer", sent=2.0, created=6.0)
    with client.tracker.charging("newer", CASE):
        pass
    client.note("third", sent=3.0, created=4.0)  # a clock that is behind
    assert client.tracker.check(reservation("f", created=NOON + seconds(4.5))) is None
    assert not client.refused("third")


times = st.integers(0, 8)


@given(st.lists(st.tuples(times, times, times, st.integers(-9, 9)), min_size=1, max_size=6))
def test_the_reservation_the_server_holds_is_never_fenced_off_whatever_the_stamps(
    flights: list[tuple[int, int, int, int]],
) -> None:
    """Each flight is sent, taken by the server and answered, and stamped by a clock of its own."""
    calls = []
    for number, (*moments, skew) in enumerate(flights):
        sent, taken, answered = (
            moment + 0.001 * step + 0.0001 * number for step, moment in enumerate(sorted(moments))
        )
        calls.append((sent, taken, answered, skew, f"r-{number}"))
    held = max(calls, key=lambda call: call[1])[4]
    client, entries = Client(), {}
    for sent, taken, answered, skew, id in sorted(calls, key=lambda call: call[2]):
        client.true.advance(answered - client.true.monotonic())
        entries[id] = client.note(id, sent=sent, created=taken + skew)
    assert client.tracker.fence(entries[held]) is None
