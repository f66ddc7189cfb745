"""The dates of answers: which list may be a copy, whatever a proxy's clock shows."""

from __future__ import annotations

import datetime as dt
from typing import TypeVar, cast

import attrs
import pytest

from tests.unit.test_looking import (
    NOON,
    Page,
    Pauses,
    Server,
    answered,
    charge,
    looking,
    one,
    pending,
    seconds,
)
from voucher_async import ManualClock
from voucher_async.clock import Deadline, ServerClock
from voucher_async.models import ChargePage
from voucher_async.payments.looking import Looking, known_ids
from voucher_async.sansio import Answer, Request

T = TypeVar("T")


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
    server = one(charge("a"))
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
    server = Server(lambda _: Page([charge("a")], total=next(totals)))
    pauses = Pauses()
    assert await known_ids(looking(server), pending(), server.deadline(), pauses) == (("a",), True)
    assert pauses.waited == [0.0]


async def test_known_ids_of_a_list_that_may_be_a_copy_are_read_again_a_second_later() -> None:
    server = one(charge("a"))
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
    server = one(charge("a"))
    await known_ids(looking(server), pending(), server.deadline(), Pauses())
    assert server.numbers == [1]
