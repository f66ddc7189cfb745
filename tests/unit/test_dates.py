"""The dates of answers: which list may be a copy, whatever a proxy's clock shows."""

from __future__ import annotations

from email.utils import format_datetime
from typing import TypeVar, cast

import attrs
import pytest

from tests.unit.test_looking import NOON, Page, Pauses, Server, charge, looking, one, pending, seconds
from voucher_async import ManualClock
from voucher_async.clock import Deadline, ServerClock
from voucher_async.models import ChargePage
from voucher_async.payments.looking import Looking, known_ids
from voucher_async.sansio import Answer, Request

T = TypeVar("T")


def answered(server: Server, server_clock: ServerClock, ahead: float = 0.0) -> None:
    """Another request is answered now, by a proxy whose clock is so many seconds ahead."""
    date = server.clock.now().replace(microsecond=0) + seconds(ahead)
    server_clock.observe(format_datetime(date, usegmt=True), server.clock.monotonic())


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
    server = Slow(lambda _: Page([charge("a")]), date=NOON, takes=takes)
    server.server_clock = ServerClock(server.clock)
    return server, looking(server, server_clock=server.server_clock)


async def test_what_others_are_answered_meanwhile_makes_no_copy_of_a_slow_list() -> None:
    server, looks = slow(5.0)
    answered(server, server.server_clock)
    assert (await looks.read("V", server.deadline())).whole
    server.date = server.clock.now()
    assert (await looks.read("V", server.deadline())).whole


async def test_a_look_beside_a_later_one_that_was_answered_first_is_no_copy() -> None:
    _, looks = slow(0.0)
    page = cast("ChargePage", None)
    late = Answer(value=page, date=NOON, sent=0.0, received=4.0)
    soon = Answer(value=page, date=NOON + seconds(3), sent=3.0, received=3.1)
    assert looks._has_moved("V", soon, NOON)
    assert looks._has_moved("V", late, NOON)
    assert looks._dates["V"].date == soon.date


@pytest.mark.parametrize("ahead", [3600.0, 86_400.0])
async def test_one_answer_of_a_proxy_whose_clock_is_ahead_makes_no_copies_of_all_later_lists(
    ahead: float,
) -> None:
    server = one(charge("a"))
    server_clock = ServerClock(server.clock)
    looks = looking(server, server_clock=server_clock)
    for each in (0.0, ahead, 0.0, 0.0):
        answered(server, server_clock, each)
        server.date = server.clock.now()
        await looks.read("another", server.deadline())
        server.clock.advance(1.0)
    for voucher in ("V", "W", "V"):
        server.date = server.clock.now().replace(microsecond=0)
        assert (await looks.read(voucher, server.deadline())).whole
        server.clock.advance(1.5)


async def test_a_copy_is_one_also_after_an_answer_whose_date_was_ahead() -> None:
    server = one(charge("a"))
    server_clock = ServerClock(server.clock)
    looks = looking(server, server_clock=server_clock)
    for each in (0.0, 0.0, 3600.0, 0.0, 0.0):
        answered(server, server_clock, each)
        server.clock.advance(1.0)
    server.date = server.clock.now() - seconds(30)
    assert not (await looks.read("V", server.deadline())).whole


async def test_a_date_that_comes_again_and_again_does_not_become_the_usual_one() -> None:
    clock = ManualClock(NOON)
    server_clock = ServerClock(clock)
    for _ in range(30):
        server_clock.observe(format_datetime(NOON, usegmt=True), clock.monotonic())
        clock.advance(1.0)
    assert not server_clock.is_as_usual(NOON, clock.monotonic())


def test_before_any_answer_nothing_is_usual() -> None:
    assert not ServerClock(ManualClock(NOON)).is_as_usual(NOON, 0.0)


async def test_known_ids_are_read_again_when_the_list_changed_meanwhile() -> None:
    totals = iter([2, 1])
    server = Server(lambda _: Page([charge("a")], total=next(totals)))
    pauses = Pauses()
    assert await known_ids(looking(server), pending(), server.deadline(), pauses) == (("a",), True)
    assert pauses.waited == [0.0]


async def test_known_ids_of_a_list_that_may_be_a_copy_are_read_again_a_second_later() -> None:
    server = one(charge("a"))
    server_clock = ServerClock(server.clock)
    answered(server, server_clock)
    server.date = server.clock.now() - seconds(5)
    pauses = Pauses()

    class Moving(Pauses):
        async def wait(self, seconds: float) -> None:
            await pauses.wait(seconds)
            server.clock.advance(seconds)
            server.date = server.clock.now()

    looks = looking(server, server_clock=server_clock)
    assert await known_ids(looks, pending(), server.deadline(), Moving()) == (("a",), True)
    assert pauses.waited == [1.0]


async def test_known_ids_that_are_whole_are_read_once() -> None:
    server = one(charge("a"))
    await known_ids(looking(server), pending(), server.deadline(), Pauses())
    assert server.numbers == [1]
