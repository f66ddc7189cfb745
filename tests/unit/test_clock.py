"""The clocks: moved by hand, shifted, the server's, and dates as HTTP writes them."""

from __future__ import annotations

import asyncio
import datetime as dt
import math
import threading
import time
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.samples import NOON
from voucher_async.clock import Clock, Deadline, ManualClock, ServerClock, SystemClock, parse_date


@pytest.mark.parametrize("clock", [SystemClock(), ManualClock(), ManualClock().shifted(5)])
def test_every_clock_is_a_clock(clock: Clock) -> None:
    assert isinstance(clock, Clock)
    assert clock.now().utcoffset() == dt.timedelta(0)
    assert isinstance(clock.monotonic(), float)


async def test_the_system_clock_shows_the_systems_time_and_sleeps() -> None:
    clock = SystemClock()
    before = time.monotonic()
    await clock.sleep(0.01)
    assert before + 0.009 < clock.monotonic() <= time.monotonic()
    assert abs(clock.now() - dt.datetime.now(dt.UTC)) < dt.timedelta(seconds=5)


def test_a_manual_clock_stands_still_until_it_is_advanced() -> None:
    clock = ManualClock(NOON)
    assert (clock.monotonic(), clock.now()) == (0.0, NOON)
    clock.advance(90)
    clock.advance(0)
    assert (clock.monotonic(), clock.now()) == (90.0, NOON + dt.timedelta(seconds=90))


def test_a_manual_clock_shows_utc_whatever_it_was_started_with() -> None:
    start = dt.datetime(2026, 7, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    assert ManualClock(start).now().isoformat() == "2026-06-30T23:00:00+00:00"


def test_a_manual_clock_refuses_a_naive_start() -> None:
    with pytest.raises(ValueError, match="aware"):
        ManualClock(dt.datetime(2026, 1, 1))  # noqa: DTZ001 - the naive one is the point


@pytest.mark.parametrize("seconds", [-1, -0.001, -math.inf, math.nan])
def test_a_manual_clock_does_not_go_back(seconds: float) -> None:
    clock = ManualClock()
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(seconds)
    assert clock.monotonic() == 0.0


async def sleeper(clock: Clock, seconds: float, woken: list[float]) -> None:
    await clock.sleep(seconds)
    woken.append(seconds)


async def settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_sleepers_wake_in_the_order_of_their_ends_and_not_before() -> None:
    clock, woken = ManualClock(), list[float]()
    async with asyncio.TaskGroup() as group:
        for seconds in (3.0, 1.0, 2.0):
            group.create_task(sleeper(clock, seconds, woken))
        await settle()
        clock.advance(0.5)
        await settle()
        assert woken == []
        clock.advance(0.5)
        await settle()
        assert woken == [1.0]
        clock.advance(10)
    assert woken == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("seconds", [0, -1])
async def test_sleeping_for_nothing_returns_and_lets_others_run(seconds: float) -> None:
    ran = list[str]()
    asyncio.get_running_loop().call_soon(ran.append, "other")
    await ManualClock().sleep(seconds)
    assert ran == ["other"]


async def test_a_cancelled_sleeper_disturbs_nobody() -> None:
    clock, woken = ManualClock(), list[float]()
    first = asyncio.create_task(sleeper(clock, 1.0, woken))
    second = asyncio.create_task(sleeper(clock, 1.0, woken))
    await settle()
    first.cancel()
    await settle()
    clock.advance(1)
    await second
    assert (first.cancelled(), woken) == (True, [1.0])


async def test_a_clock_that_skips_sleeps_moves_by_itself() -> None:
    clock = ManualClock(NOON, skip_sleeps=True)
    await clock.sleep(4.5)
    await clock.sleep(-1)
    assert clock.monotonic() == 4.5
    assert clock.now() == NOON + dt.timedelta(seconds=4.5)


async def test_a_clock_skips_sleeps_up_to_a_limit() -> None:
    clock, woken = ManualClock(skip_sleeps=120.0), list[float]()
    await clock.sleep(120)
    longer = asyncio.create_task(sleeper(clock, 121, woken))
    await settle()
    assert (clock.monotonic(), clock.uptime(), woken) == (120.0, 0.0, [])
    await clock.sleep(100)
    await settle()
    assert woken == []
    clock.advance(21)
    await longer
    assert (woken, clock.monotonic()) == ([121], 241.0)


def test_a_clock_wakes_sleepers_on_other_loops() -> None:
    clock, asleep, woken = ManualClock(), threading.Event(), list[float]()

    async def sleep() -> None:
        task = asyncio.create_task(sleeper(clock, 5, woken))
        await settle()
        asleep.set()
        await task

    other = threading.Thread(target=lambda: asyncio.run(sleep()))
    other.start()
    assert asleep.wait(30)
    clock.advance(5)
    other.join(30)
    assert woken == [5.0]


def test_a_clock_forgets_sleepers_whose_loop_was_closed() -> None:
    clock = ManualClock()

    async def leave() -> None:
        sleeping = asyncio.ensure_future(sleeper(clock, 5, []))
        await settle()
        sleeping.cancel()

    asyncio.run(leave())
    clock.advance(5)
    assert clock._sleepers == []


async def test_a_shifted_clock_shares_all_but_its_date() -> None:
    clock = ManualClock(NOON)
    shifted = clock.shifted(-7200)
    sleeping = asyncio.create_task(shifted.sleep(5))
    await settle()
    clock.advance(5)
    await sleeping
    assert shifted.monotonic() == clock.monotonic() == 5.0
    assert clock.now() - shifted.now() == dt.timedelta(hours=2)


def test_a_deadline_counts_down_on_the_monotonic_clock() -> None:
    clock = ManualClock()
    clock.advance(100)
    deadline = Deadline(clock, 2.0)
    assert (deadline.total, deadline.left(), deadline.elapsed) == (2.0, 2.0, 0.0)
    clock.advance(3)
    assert (deadline.left(), deadline.elapsed) == (-1.0, 3.0)


@given(st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(9998, 12, 31), timezones=st.just(dt.UTC)))  # noqa: DTZ001
def test_every_date_survives_the_way_over_http(moment: dt.datetime) -> None:
    moment = moment.replace(microsecond=0)
    assert parse_date(format_datetime(moment, usegmt=True)) == moment


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Thu, 01 Jan 2026 12:00:00 GMT", NOON),
        ("Thu, 01 Jan 2026 14:00:00 +0200", NOON),
        ("Thursday, 01-Jan-26 12:00:00 GMT", NOON),
        ("Thu, 01 Jan 2026 12:00:00 -0000", NOON),
        ("Thu, 01 Jan 2026 12:00:00", NOON),
    ],
)
def test_a_date_is_read_in_the_spellings_servers_use(text: str, expected: dt.datetime) -> None:
    date = parse_date(text)
    assert date == expected
    assert date is not None
    assert date.utcoffset() == dt.timedelta(0)


@given(st.one_of(st.none(), st.text(), st.text("0123456789 :,-+GMTThuJanFeb", max_size=40)))
@example("Fri, 31 Dec 9999 23:59:59 -0500")
@example("Fri, 31 Dec 9999 23:59:59 GMT")
@example("Thu, 01 Jan 2026 12:00:00 +9999")
@example("Thu, 32 Jan 2026 12:00:00 GMT")
@example("Thu, 01 Jan 99999 12:00:00 GMT")
@example("Thu, 01 Jan 2026 25:00:00 GMT")
@example("")
@example("0")
def test_no_text_breaks_the_reading_of_a_date(text: str | None) -> None:
    date = parse_date(text)
    assert date is None or date + dt.timedelta(days=300) > date


def test_the_server_clock_is_the_local_one_until_a_server_told_its_date() -> None:
    clock = ManualClock(NOON)
    server = ServerClock(clock)
    assert (server.known, server.now()) == (False, NOON)
    assert server.observe(None, 0.0) is None
    assert server.observe("yesterday", 0.0) is None
    assert (server.known, server.now()) == (False, NOON)


@pytest.mark.parametrize("offset", [-7200, 0, 7200])
def test_the_server_clock_runs_on_from_the_servers_date_whatever_the_local_one_shows(offset: float) -> None:
    clock = ManualClock(NOON)
    server = ServerClock(clock.shifted(offset))
    clock.advance(3)
    date = server.observe("Thu, 01 Jan 2026 18:00:00 GMT", clock.monotonic())
    assert date == NOON.replace(hour=18)
    clock.advance(10)
    assert server.known
    assert server.now() == NOON.replace(hour=18, second=10)


def test_the_server_clock_keeps_its_first_anchor_within_one_second_and_follows_later_dates() -> None:
    clock = ManualClock(NOON)
    server = ServerClock(clock)
    first = server.observe("Thu, 01 Jan 2026 18:00:00 GMT", 0.0)
    clock.advance(0.5)
    assert server.observe("Thu, 01 Jan 2026 18:00:00 GMT", 0.5) == first
    assert server.now() == NOON.replace(hour=18, microsecond=500_000)
    assert server.observe("Thu, 01 Jan 2026 18:00:30 GMT", 0.5) == NOON.replace(hour=18, second=30)
    assert server.now() == NOON.replace(hour=18, second=30)


def test_an_answer_without_a_date_leaves_the_server_clock_as_it_is() -> None:
    server = ServerClock(ManualClock(NOON))
    server.observe("Thu, 01 Jan 2026 18:00:00 GMT", 0.0)
    assert server.observe(None, 0.0) is None
    assert server.observe("nonsense", 0.0) is None
    assert server.now() == NOON.replace(hour=18)


class TestOriginals:
    """Answers that cannot come out of a cache tell what date the server shows now, at least and at most."""

    TEXT = "Thu, 01 Jan 2026 18:00:00 GMT"

    def test_without_one_nothing_tells(self) -> None:
        server = ServerClock(ManualClock(NOON))
        server.observe(self.TEXT, 0.0)
        assert (server.at_least(0.0), server.at_most(0.0)) == (None, None)

    def test_the_date_goes_on_as_time_does(self) -> None:
        clock = ManualClock(NOON)
        server = ServerClock(clock)
        clock.advance(0.4)
        server.observe(self.TEXT, 0.0, original=True)
        clock.advance(5.0)
        date = NOON.replace(hour=18)
        assert server.at_least(5.4) == date + dt.timedelta(seconds=5)
        assert server.at_least(5.0) == date + dt.timedelta(seconds=4.6)
        assert server.at_most(5.4) == date + dt.timedelta(seconds=6.4)

    @pytest.mark.parametrize("moved", [False, True])
    def test_it_stands_still_where_all_answers_show_one_date(self, *, moved: bool) -> None:
        clock = ManualClock(NOON)
        server = ServerClock(clock)
        for _ in range(2):
            server.observe(self.TEXT, clock.monotonic(), original=True)
            if moved:  # a date of another machine, whose clock is behind
                server.observe("Thu, 01 Jan 2026 18:00:03 GMT", clock.monotonic())
            clock.advance(4.0)
        date = NOON.replace(hour=18)
        now = date + dt.timedelta(seconds=4) if moved else date
        assert server.at_least(clock.monotonic()) == now
