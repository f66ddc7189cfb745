"""The contract of journals that give turns: derive from it as from the contract of journals."""

from __future__ import annotations

import asyncio
from typing import Protocol

import pytest

from voucher_async import ManualClock
from voucher_async.payments.journal import Journal, Line

__all__ = ["LineContract"]

LEASE = 15.0
LASTS = 60.0
OWNERS = "abc"


class Lined(Journal, Line, Protocol):
    """A journal that gives turns."""


class LineContract:
    """Turns are given in the order of asking, and to nobody twice."""

    @pytest.fixture
    async def line(self, journal: Lined) -> Lined:
        """The journal, whose owners live."""
        for owner in OWNERS:
            assert await journal.beat(owner, LEASE)
        return journal

    async def test_places_are_in_the_order_of_asking(self, line: Lined) -> None:
        places = [await line.line_up("t", ticket, owner, LASTS) for ticket, owner in ("1a", "2b", "3c")]
        assert places == [0, 1, 2]
        assert await line.line_up("another", "4", "b", LASTS) == 0
        assert [await line.line_up("t", ticket, owner, LASTS) for ticket, owner in ("3c", "1a")] == [2, 0]

    async def test_who_leaves_lets_the_others_move_up(self, line: Lined) -> None:
        for ticket, owner in ("1a", "2b", "3c"):
            await line.line_up("t", ticket, owner, LASTS)
        await line.leave_line("t", "2")
        await line.leave_line("t", "nobody's")
        assert await line.line_up("t", "3", "c", LASTS) == 1
        await line.leave_line("t", "1")
        assert await line.line_up("t", "3", "c", LASTS) == 0
        assert await line.line_up("t", "1", "a", LASTS) == 1

    async def test_dead_owners_are_passed_over(self, line: Lined, clock: ManualClock) -> None:
        await line.line_up("t", "1", "a", LASTS)
        await line.line_up("t", "2", "unknown", LASTS)
        assert await line.line_up("t", "3", "b", LASTS) == 1
        clock.advance(LEASE)
        assert await line.beat("b", LEASE)
        assert await line.line_up("t", "3", "b", LASTS) == 0
        assert await line.bury("a")
        assert await line.beat("c", LEASE)
        assert await line.line_up("t", "4", "c", LASTS) == 1

    async def test_a_place_lapses_unless_it_is_asked_for(self, line: Lined, clock: ManualClock) -> None:
        await line.line_up("t", "1", "a", LASTS)
        await line.line_up("t", "2", "b", LASTS)
        for _ in range(4):
            clock.advance(LASTS / 4)
            for owner in OWNERS:
                assert await line.beat(owner, LEASE)
            place = await line.line_up("t", "2", "b", LASTS)
        assert place == 0
        assert await line.line_up("t", "1", "a", LASTS) == 1

    async def test_a_place_goes_on_with_another_owner(self, line: Lined) -> None:
        await line.line_up("t", "1", "a", LASTS)
        await line.line_up("t", "2", "b", LASTS)
        assert await line.line_up("t", "1", "c", LASTS) == 0
        assert await line.line_up("t", "2", "b", LASTS) == 1

    async def test_an_owner_has_one_place_in_a_line(self, line: Lined) -> None:
        await line.line_up("t", "lost and found", "a", LASTS)
        await line.line_up("t", "2", "b", LASTS)
        assert await line.line_up("t", "3", "a", LASTS) == 1
        assert await line.line_up("t", "2", "b", LASTS) == 0
        assert await line.line_up("another", "4", "a", LASTS) == 0
        assert await line.line_up("t", "3", "a", LASTS) == 1

    async def test_of_many_that_ask_at_once_each_has_a_place_of_its_own(self, line: Lined) -> None:
        tickets = [f"{number}" for number in range(40)]
        await asyncio.gather(*(line.beat(f"owner-{each}", LEASE) for each in tickets))
        asked = [line.line_up("t", each, f"owner-{each}", LASTS) for each in tickets]
        assert sorted(await asyncio.gather(*asked)) == list(range(40))
        await asyncio.gather(*(line.leave_line("t", each) for each in tickets))
        assert await line.line_up("t", "last", "a", LASTS) == 0
