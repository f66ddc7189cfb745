"""Reading a long list: from its newest end, as far back as a call may be."""

from __future__ import annotations

import datetime as dt
from typing import Any

import attrs
import pytest

from tests.unit.lists import Long, Page, Server, ids, read
from tests.unit.samples import NOON, charge


@pytest.mark.parametrize("newest_first", [False, True])
async def test_a_long_list_is_read_from_its_newest_end_back_to_a_day_before(*, newest_first: bool) -> None:
    long = Long(20, newest_first=newest_first)
    look = await read(long.server, long.newest)
    first = [1, 2, 3] if newest_first else [1, 20, 19, 18]
    assert long.server.numbers == first  # one page holds ten hours of charges
    assert (look.whole, look.all) == (True, False)
    assert "c-199" in ids(look)
    assert {f"c-{number}" for number in range(175, 200)} <= set(ids(look))


@pytest.mark.parametrize("newest_first", [False, True])
async def test_a_list_of_a_few_pages_is_read_whole(*, newest_first: bool) -> None:
    long = Long(4, newest_first=newest_first)
    look = await read(long.server, long.newest)
    assert (long.server.numbers, look.all) == ([1, 2, 3, 4], True)


async def test_a_long_list_is_read_whole_when_no_moment_is_given() -> None:
    long = Long(9)
    look = await read(long.server)
    assert (long.server.numbers, look.all) == (list(range(1, 10)), True)


@pytest.mark.parametrize("newest_first", [False, True])
async def test_a_long_list_is_read_to_its_other_end_when_all_of_it_is_young(*, newest_first: bool) -> None:
    long = Long(6, newest_first=newest_first)
    look = await read(long.server, NOON)
    assert sorted(long.server.numbers) == [1, 2, 3, 4, 5, 6]
    assert (look.whole, look.all) == (True, True)


async def test_a_long_list_without_an_order_that_shows_is_read_whole() -> None:
    server = Server(lambda number: Page([charge(f"a-{number}"), charge(f"b-{number}")], last=7, total=14))
    look = await read(server, NOON + dt.timedelta(days=9))
    assert (server.numbers, look.whole, look.all) == ([1, 2, 3, 4, 5, 6, 7], True, True)


async def test_a_long_list_whose_order_breaks_is_read_whole() -> None:
    long = Long(9)

    server = long.changed(8, lambda entries: entries[::-1])
    look = await read(server, long.newest)
    assert server.numbers[:3] == [1, 9, 8]
    assert set(server.numbers) == set(range(1, 10))
    assert (len(look.charges), look.all) == (90, True)


async def test_a_page_of_one_moment_does_not_break_the_order() -> None:
    long = Long(9)

    server = long.changed(9, lambda entries: [attrs.evolve(each, created_at=long.newest) for each in entries])
    look = await read(server, long.newest)
    assert server.numbers == [1, 9, 8, 7]
    assert (look.whole, look.all) == (True, False)


async def test_a_page_of_a_long_list_that_is_not_full_shows_that_the_list_moved() -> None:
    long = Long(20)
    server = long.changed(19, lambda entries: entries[1:])
    assert not (await read(server, long.newest)).whole


async def test_the_last_page_of_a_long_list_need_not_be_full() -> None:
    long = Long(20)
    server = long.changed(20, lambda entries: entries[:3])
    assert (await read(server, long.newest)).whole


async def test_an_entry_that_comes_twice_in_a_long_list_shows_that_it_moved() -> None:
    long = Long(20)
    server = long.changed(19, lambda entries: [*entries[:-1], long.page(20).entries[0]])
    assert not (await read(server, long.newest)).whole


async def test_a_long_list_that_ends_early_is_read_whole() -> None:
    long = Long(9)
    server = Server(lambda number: Page([], last=9, total=90) if number == 9 else long.page(number))
    look = await read(server, long.newest)
    assert set(server.numbers) == set(range(1, 10))
    assert not look.all


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("changes", [{"total": 195}, {"last": 19}])
async def test_a_page_of_another_moment_shows_that_a_long_list_moved(
    changes: dict[str, Any], *, newest_first: bool
) -> None:
    long = Long(20, newest_first=newest_first)
    second = 2 if newest_first else 20
    server = Server(
        lambda number: attrs.evolve(long.page(number), **changes) if number == second else long.page(number)
    )
    assert not (await read(server, long.newest)).whole
