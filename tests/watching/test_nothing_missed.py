"""Each entry once: whatever lags, shares a second, moves between pages, or ends the watch in the middle."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeAlias

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.watching.world import START, Kind, World, run
from voucher_async import ChargeCursor, ChargeWatch
from voucher_async.testing import habits

LAG: Final = 3.0  # seconds of the emulator's lists
OFF: Final = 6.0  # seconds by which stamps are off, at most
OVERLAP: Final = OFF + 1.0  # a stamp has lost its fraction of a second
REQUESTS: Final = 28
STEP: Final = 2.0  # seconds that a request takes


Moves: TypeAlias = dict[int, list[Callable[[], object]]]


class Crash(Exception):
    """The process ends here; what it has stored is its last cursor."""


@attrs.define
class Story:
    """A watch that is ended and begun again from its cursor, while money moves.

    Attributes:
        world: the server.
        moves: what happens before a request, by its number.
        crashes: the numbers of requests before which the process ends.
        stops: the numbers of entries after which it ends.
    """

    world: World
    moves: Moves
    crashes: frozenset[int] = frozenset()
    stops: frozenset[int] = frozenset()
    given: list[str] = attrs.Factory(list[str])
    requests: int = 0

    def _before(self) -> None:
        number, self.requests = self.requests, self.requests + 1
        for move in self.moves.pop(number, ()):
            move()
        self.world.clock.advance(STEP)
        if number in self.crashes or self.requests >= REQUESTS:
            raise Crash

    async def tell(self) -> list[str]:
        """The ids of what was given out, in this order: last of all by a sweep once the lag is over."""
        self.world.before = self._before
        stored = ChargeCursor(since=START - dt.timedelta(days=1)).to_json()
        while self.requests < REQUESTS:
            stored = await self._live(ChargeCursor.from_json(stored))
        self.world.before = lambda: None
        self.world.clock.advance(LAG)
        rest = self.watch(ChargeCursor.from_json(stored), follow=False)
        return [*self.given, *[new.charge.id async for new in rest]]

    def watch(self, cursor: ChargeCursor, *, follow: bool = True) -> ChargeWatch:
        options = {"interval": 2.0, "sweep_every": 30.0, "overlap": OVERLAP, "per_page": 2}
        return self.world.watch(cursor, list_lag=LAG, follow=follow, **options)

    async def _live(self, cursor: ChargeCursor) -> str:
        watch = self.watch(cursor)
        try:
            async for new in watch:
                self.given.append(new.charge.id)
                if len(self.given) in self.stops:
                    break
        except Crash:
            pass
        return watch.cursor.to_json()


def world_of(pages: habits.Pages | None, lag: float, off: float = 0.0) -> World:
    world = World(max_per_page=2)
    world.emulator.faults.list_lag = lag
    world.emulator.habits.set(pages=pages, clocks=habits.Clocks(charges=off, refunds=-off))
    for number in range(3):
        world.emulator.add_voucher(amount="50.00", id=f"V-{number}")
    return world


ORDERS: Final = [habits.Pages(size=1, order="newest"), habits.Pages(order="id"), None]
LAGS: Final = [LAG, LAG, 0.0]


@pytest.mark.parametrize(
    ("pages", "lag"), list(zip(ORDERS, LAGS, strict=True)), ids=["newest", "id", "oldest, at once"]
)
def test_two_entries_anywhere_and_a_crash_anywhere(pages: habits.Pages | None, lag: float) -> None:
    async def all_of_them() -> None:
        places = itertools.combinations_with_replacement(range(0, 16, 4), 2)
        for (one, two), crash in itertools.product(places, [None, 7]):
            world = world_of(pages, lag)
            world.touches = False  # the balance is the same after both
            moves: Moves = {}
            moves.setdefault(one, []).append(partial(world.move, "V-0"))
            moves.setdefault(two, []).append(partial(world.move, "V-0", "refund"))
            story = Story(world, moves, frozenset() if crash is None else frozenset({crash}))
            given = await story.tell()
            assert sorted(given) == sorted(world.made), (one, two, crash)

    run(all_of_them())


numbers = st.integers(0, REQUESTS - 1)
vouchers = st.sampled_from(["V-0", "V-1", "V-2"])
kinds: st.SearchStrategy[Kind] = st.sampled_from(("charge", "refund", "recharge"))


@settings(max_examples=25, deadline=None)
@given(
    moves=st.lists(st.tuples(numbers, vouchers, kinds), max_size=8),
    crashes=st.frozensets(numbers, max_size=4),
    stops=st.frozensets(st.integers(1, 8), max_size=4),
    pages=st.sampled_from([*ORDERS, habits.Pages(size=1), habits.Pages(size=1, order="id")]),
    lag=st.sampled_from([0.0, 1.0, LAG]),
    off=st.sampled_from([-OFF, 0.0, OFF]),
    stock=st.lists(numbers, max_size=3),
    touches=st.booleans(),
)
def test_whatever_happens_each_entry_comes_once(  # noqa: PLR0917 - by name, from Hypothesis
    moves: list[tuple[int, str, Kind]],
    crashes: frozenset[int],
    stops: frozenset[int],
    pages: habits.Pages | None,
    lag: float,
    off: float,
    stock: Sequence[int],
    *,
    touches: bool,
) -> None:
    world = world_of(pages, lag, off)
    world.touches = touches
    by_number: Moves = {}
    for number, voucher_id, kind in moves:
        by_number.setdefault(number, []).append(partial(world.move, voucher_id, kind))
    for number in stock:
        by_number.setdefault(number, []).append(partial(world.emulator.add_voucher, amount="5.00"))
    story = Story(world, by_number, crashes, stops)
    given = run(story.tell())
    assert sorted(given) == sorted(world.made)
    assert len(world.made) == len(moves)


def test_the_cursor_forgets_what_is_older_than_the_overlap() -> None:
    world = world_of(None, 0.0)
    story = Story(world, {})

    async def tell() -> ChargeCursor:
        cursor = ChargeCursor(since=START)
        for _ in range(12):
            world.move("V-0")
            watch = story.watch(cursor, follow=False)
            (new,) = await watch.to_list()
            assert new.charge.id == world.made[-1]
            cursor = ChargeCursor.from_json(watch.cursor.to_json())
            world.clock.advance(3.0)
        return cursor

    cursor = run(tell())
    assert cursor.since == world.clock.now() - dt.timedelta(seconds=3 + OVERLAP + LAG)
    assert list(cursor.seen) == world.made[-4:]  # 3 seconds apart, of the last 10
