"""The dates of answers: which list may be a copy, whatever a proxy's clock shows."""

from __future__ import annotations

import datetime as dt
from email.utils import format_datetime
from typing import TypeVar, cast

import attrs
import pytest

from tests.unit.lists import Page, Pauses, Server, looking, one, pending, refund
from tests.unit.samples import NOON, seconds
from voucher_async import ManualClock
from voucher_async.clock import Deadline, ServerClock
from voucher_async.facts import Answer
from voucher_async.models import ChargePage
from voucher_async.payments.looking import Looking, known_ids
from voucher_async.sansio import Request

T = TypeVar("T")


def dated(server: Server) -> tuple[Looking, ServerClock]:
    server_clock = ServerClock(server.clock)
    server.date = NOON
    return looking(server, server_clock=server_clock), server_clock


async def whole(looks: Looking, server: Server, voucher_id: str = "V") -> bool:
    return (await looks.read(voucher_id, server.deadline())).whole


def answered(server: Server, server_clock: ServerClock, ahead: float = 0.0, *, original: bool = True) -> None:
    """Another request is answered now, by a proxy whose clock is so many seconds ahead."""
    date = server.clock.now().replace(microsecond=0) + seconds(ahead)
    server_clock.observe(format_datetime(date, usegmt=True), server.clock.monotonic(), original=original)


async def test_a_date_that_stands_still_while_time_went_on_is_that_of_a_copy() -> None:
    server = one(refund("c"))
    looks, server_clock = dated(server)
    answered(server, server_clock)
    assert await whole(looks, server)
    server.clock.advance(1.4)
    assert await whole(looks, server)  # within the resolution of dates, and the skew of clocks
    server.clock.advance(1.1)
    assert not await whole(looks, server)
    server.date = NOON + seconds(1)
    assert await whole(looks, server)


async def test_dates_of_copies_tell_nothing_of_the_servers_clock() -> None:
    server = one(refund("c"))
    looks, server_clock = dated(server)
    answered(server, server_clock)
    for _ in range(8):
        server.clock.advance(4.0)
        server_clock.observe("Thu, 01 Jan 2026 12:00:00 GMT", server.clock.monotonic())  # another copy
        assert not await whole(looks, server)


async def test_the_servers_clock_goes_on_while_the_machine_sleeps() -> None:
    class Asleep(ManualClock):
        asleep = 0.0

        def uptime(self) -> float:
            return super().uptime() + self.asleep

    clock = Asleep(NOON)
    server = attrs.evolve(one(refund("c")), clock=clock)
    looks, server_clock = dated(server)
    answered(server, server_clock)
    clock.asleep = 30.0
    assert not await whole(looks, server)


async def test_a_date_may_stand_still_where_those_that_are_no_copies_do() -> None:
    server = one(refund("c"))
    looks, server_clock = dated(server)
    for gone in (0.0, 3.0):
        server.clock.advance(gone)
        answered(server, server_clock, -gone)
    server.clock.advance(60.0)
    assert await whole(looks, server)  # a server whose clock stands still
    answered(server, server_clock)
    server.clock.advance(2.0)
    assert not await whole(looks, server)  # here the clock moves


async def test_without_any_other_date_two_looks_a_second_apart_have_to_tell() -> None:
    server = one(refund("c"))
    looks, _ = dated(server)
    told = []
    for gone in (0.0, 0.9, 0.1, 0.5, 0.5):
        server.clock.advance(gone)
        server.date = server.clock.now().replace(microsecond=0)
        told.append(await whole(looks, server))
    assert told == [False, False, True, True, True]


@pytest.mark.parametrize(
    ("gap", "gone"), [(4.0, 0.0), (4.0, 2.0), (4.0, 6.0), (4.0, 30.0), (10.0, 10.0), (30.0, 30.0)]
)
async def test_a_date_that_stands_still_or_jumps_is_that_of_a_copy(gap: float, gone: float) -> None:
    """Two copies that were made as far apart as two looks look like answers: looks have to be near."""
    server = one(refund("c"))
    looks, _ = dated(server)
    assert not await whole(looks, server)
    server.clock.advance(gap)
    server.date = NOON + seconds(gone)
    assert not await whole(looks, server)


@pytest.mark.parametrize("original", [True, False])
async def test_a_balance_is_held_against_the_list_where_nothing_else_was_answered(*, original: bool) -> None:
    server = one(refund("c"))
    looks, server_clock = dated(server)
    if original:
        answered(server, server_clock)
    told = []
    for gone, behind in ((0.0, 0.0), (2.0, 0.0), (0.5, 3.0), (0.0, 1.0)):
        server.clock.advance(gone)
        server.date = server.clock.now().replace(microsecond=0)
        await whole(looks, server)
        balance = Answer(value=None, date=server.date - seconds(behind), sent=server.clock.monotonic())
        told.append(looks.is_new("V", balance))
    assert told == [original, True, False, True]
    assert looks.is_new("V", attrs.evolve(balance, date=None))


async def test_quick_looks_do_not_make_a_copy_fresh() -> None:
    server = one(refund("c"))
    looks, server_clock = dated(server)
    answered(server, server_clock)
    told = []
    for _ in range(8):
        told.append(await whole(looks, server))
        server.clock.advance(0.5)
    assert told == [True, True, True, True, True, False, False, False]


async def test_a_list_whose_date_is_behind_that_of_another_answer_may_be_a_copy() -> None:
    server = one(refund("c"))
    looks, server_clock = dated(server)
    answered(server, server_clock)
    assert await whole(looks, server, "V")
    server.clock.advance(5.0)
    answered(server, server_clock)
    assert not await whole(looks, server, "W")  # five seconds behind the date of another answer
    assert not await whole(looks, server, "V")


async def test_a_list_without_a_date_is_not_judged_by_one() -> None:
    server = one(refund("c"))
    looks, server_clock = dated(server)
    server.date = None
    for _ in range(2):
        assert await whole(looks, server)
        server.clock.advance(5.0)
        server_clock.observe("Thu, 01 Jan 2026 12:00:05 GMT", server.clock.monotonic())


async def test_dates_are_not_remembered_for_ever() -> None:
    server = one(refund("c"))
    looks, _ = dated(server)
    for number in range(1100):
        await whole(looks, server, f"v-{number}")
    assert len(looks._dates) == 1024
    assert "v-1099" in looks._dates
    assert "v-0" not in looks._dates


@attrs.define
class Slow(Server):
    """Takes its time for an answer, and others are answered meanwhile."""

    server_clock: ServerClock = attrs.Factory(lambda: ServerClock(ManualClock(NOON)))
    takes: float = 0.0

    async def send(self, request: Request[T], deadline: Deadline) -> Answer[T]:
        answer = await super().send(request, deadline)
        self.clock.advance(self.takes)
        answered(self, self.server_clock)
        answer.received = self.clock.monotonic()
        return answer


def slow(takes: float) -> tuple[Slow, Looking]:
    server = Slow(lambda _: Page([refund("a")]), date=NOON, takes=takes)
    server.server_clock = ServerClock(server.clock)
    return server, looking(server, server_clock=server.server_clock)


async def test_what_others_are_answered_meanwhile_makes_no_copy_of_a_slow_list() -> None:
    server, looks = slow(5.0)
    answered(server, server.server_clock)
    assert (await looks.read("V", server.deadline())).whole
    server.date = server.clock.now()
    assert (await looks.read("V", server.deadline())).whole


async def test_a_look_beside_a_later_one_that_was_answered_first_is_no_copy() -> None:
    server = one()
    server_clock = ServerClock(server.clock)
    looks = looking(server, server_clock=server_clock)
    answered(server, server_clock)
    server.clock.advance(4.0)
    page = cast("ChargePage", None)
    late = Answer(value=page, date=NOON, sent=0.0, received=4.0)
    soon = Answer(value=page, date=NOON + seconds(3), sent=3.0, received=3.1)
    assert looks._is_fresh("V", soon)
    assert looks._is_fresh("V", late)


@pytest.mark.parametrize("ahead", [5.0, 3600.0, 86_400.0, -300.0])
async def test_an_answer_of_a_proxy_with_another_clock_makes_no_copies_of_lists_for_longer_than_a_second(
    ahead: float,
) -> None:
    server = one(refund("a"))
    server_clock = ServerClock(server.clock)
    looks = looking(server, server_clock=server_clock)
    answered(server, server_clock, ahead)
    for _ in range(2):
        server.date = server.clock.now().replace(microsecond=0)
        last = (await looks.read("V", server.deadline())).whole
        server.clock.advance(1.2)
    assert last


async def test_known_ids_are_read_again_when_the_list_changed_meanwhile() -> None:
    totals = iter([2, 1])
    server = Server(lambda _: Page([refund("a")], total=next(totals)))
    pauses = Pauses()
    assert await known_ids(looking(server), pending(), server.deadline(), pauses) == (("a",), True)
    assert pauses.waited == [0.0]


async def test_known_ids_of_a_list_that_may_be_a_copy_are_read_again_a_second_later() -> None:
    server = one(refund("a"))
    server_clock = ServerClock(server.clock)
    server.date = server.clock.now() - seconds(5)
    pauses = Pauses()

    class Moving(Pauses):
        async def wait(self, seconds: float) -> None:
            await pauses.wait(seconds)
            server.clock.advance(seconds)
            server.date = NOON - dt.timedelta(seconds=4)

    looks = looking(server, server_clock=server_clock)
    assert await known_ids(looks, pending(), server.deadline(), Moving()) == (("a",), True)
    assert pauses.waited == [1.0]


async def test_known_ids_that_are_whole_are_read_once() -> None:
    server = one(refund("a"))
    await known_ids(looking(server), pending(), server.deadline(), Pauses())
    assert server.numbers == [1]
