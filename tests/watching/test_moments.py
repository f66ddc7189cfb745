"""Pages of one list from several moments: servers that lag differently, a cached page, a list that grows."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable
from typing import Final

import pytest

from tests.watching.world import START, World
from voucher_async import ChargeCursor
from voucher_async.clock import ServerClock
from voucher_async.reconciliation.days import day_of
from voucher_async.reconciliation.lists import Lists
from voucher_async.testing import habits
from voucher_async.watching.dates import Dates
from voucher_async.watching.reading import read_whole

LAG: Final = 5.0  # seconds of the server that lags: less than `list_lag`
NEWEST: Final = habits.Pages(size=2, order="newest")
OLDEST: Final = habits.Pages(size=2, order="oldest")


def world_of(pages: habits.Pages, entries: int = 3) -> World:
    """A voucher with entries, the latest of them hours ago."""
    world = World(max_per_page=2)
    world.emulator.habits.set(pages=pages)
    world.emulator.add_voucher(amount="50.00", id="V")
    for _ in range(entries):
        world.move("V")
        world.clock.advance(60.0)
    later(world, 5 * 3600.0)
    return world


def later(world: World, seconds: float) -> None:
    """Let time pass in which a token is over."""
    world.clock.advance(seconds)
    world._token = world._log_in()


def lags_on(world: World, page: int, operation: str = "listCharges") -> Callable[[], None]:
    """Every second request, begun with the first or the second one, goes to the server that lags."""

    def before() -> None:
        asked = world.asked.count(operation) + 1
        world.emulator.faults.list_lag = LAG if asked % 2 == page % 2 else 0.0

    return before


async def given(world: World, cursor: ChargeCursor) -> tuple[list[str], ChargeCursor]:
    """What a job gives out, and what it stores."""
    watch = world.watch(cursor, follow=False)
    ids = [new.charge.id async for new in watch]
    return ids, ChargeCursor.from_json(watch.cursor.to_json())


@pytest.mark.parametrize("pages", [NEWEST, OLDEST], ids=["newest", "oldest"])
@pytest.mark.parametrize("page", [1, 2])
async def test_servers_that_lag_differently_hide_nothing_for_good(page: int, pages: habits.Pages) -> None:
    world = world_of(pages)
    world.move("V")
    world.move("V")
    world.clock.advance(1.0)
    world.before = lags_on(world, page)
    first, cursor = await given(world, ChargeCursor(since=START))
    world.before = lambda: None
    world.emulator.faults.list_lag = 0.0
    later(world, 86_400.0)  # a job of each day
    rest, _ = await given(world, cursor)
    assert sorted(first + rest) == sorted(world.made)


async def test_a_page_that_was_cached_before_the_one_before_it_hides_nothing_for_good(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = world_of(NEWEST)
    world.emulator.habits.set(cache=habits.Cache(seconds=60.0))
    await world.core.vouchers.list_charges("V", per_page=100, page=2).first_page()  # somebody looks at it
    world.move("V")
    world.move("V")
    world.clock.advance(1.0)
    world.asked.clear()
    first, cursor = await given(world, ChargeCursor(since=START))
    assert world.asked.count("listCharges") == 4  # two pages, and both once more
    assert "could not be read whole (V): the cursor keeps" in caplog.text
    assert cursor.since == START
    later(world, 86_400.0)
    rest, _ = await given(world, cursor)
    assert sorted(first + rest) == sorted(world.made)
    assert rest


async def test_a_list_of_vouchers_of_two_moments_is_not_whole() -> None:
    world = World(max_per_page=2)
    world.emulator.habits.set(pages=NEWEST, cache=habits.Cache(seconds=60.0))
    for number in range(3):
        world.emulator.add_voucher(amount="50.00", id=f"V-{number}")
    await world.core.vouchers.list(page=2).first_page()
    for number in range(3, 5):
        world.emulator.add_voucher(amount="50.00", id=f"V-{number}")
    read = await read_whole(world.core.vouchers.list())
    assert ([each.id for each in read.items], read.is_whole) == (["V-4", "V-3", "V-0"], False)


@pytest.mark.parametrize(("pages", "requests"), [(OLDEST, 2), (NEWEST, 4)], ids=["oldest", "newest"])
async def test_a_list_that_grows_is_whole_once_what_is_new_was_met(
    pages: habits.Pages, requests: int
) -> None:
    world = world_of(pages)

    def grow() -> None:
        if len(world.asked) == 1:
            world.move("V")

    world.before = grow
    read = await read_whole(world.core.vouchers.list_charges("V"))
    assert read.is_whole
    assert sorted(each.id for each in read.items) == sorted(world.made)
    assert len(world.asked) == requests


async def test_a_list_with_more_entries_than_it_counts_may_have_more_yet() -> None:
    world = world_of(OLDEST)
    world.emulator.habits.set(**habits.KINDS["totals too low"])
    read = await read_whole(world.core.vouchers.list_charges("V"))
    assert (len(read.items), read.is_whole) == (3, False)


@pytest.mark.parametrize(("page", "is_whole"), [(None, True), (2, False)])
async def test_a_day_is_not_compared_with_a_list_of_two_moments(*, page: int | None, is_whole: bool) -> None:
    world = world_of(NEWEST)
    world.move("V")
    world.move("V")
    world.clock.advance(1.0)
    if page is not None:
        world.before = lags_on(world, page)
    dates = Dates(world.clock, ServerClock(world.clock))
    lists = Lists(world.core.vouchers, dates, None, day=day_of(START.date(), "UTC"), known=())
    await lists.read_these(["V"])
    assert (lists.read["V"].is_whole, len(lists.read["V"].charges) == len(world.made)) == (is_whole, is_whole)


async def test_a_watch_that_begins_with_a_list_that_is_not_whole_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = world_of(NEWEST)
    world.move("V")
    world.move("V")
    world.clock.advance(1.0)
    world.before = lags_on(world, 2)
    with caplog.at_level(logging.WARNING, "voucher_async"):
        first, cursor = await given(world, ChargeCursor())
    assert first == []
    assert "could not be read whole (V): the watch begins now" in caplog.text
    assert cursor.since == world.clock.now() - dt.timedelta(seconds=2 * 3600 + 10)
