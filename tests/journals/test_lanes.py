"""Lanes gather what is asked on one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from voucher_async import JournalFailed
from voucher_async.journals.batches import LIMIT
from voucher_async.journals.lanes import Lane


class Work:
    """Doubles numbers, a batch each time that it is let."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.runs = asyncio.Event()
        self.may = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self, asked: Sequence[int]) -> Sequence[int | Exception]:
        self.batches.append(list(asked))
        self.runs.set()
        await self.may.wait()
        if self.error is not None:
            raise self.error
        return [ValueError(str(each)) if each < 0 else 2 * each for each in asked]


async def test_while_a_batch_runs_the_next_one_gathers() -> None:
    work = Work()
    lane = Lane(work)
    first = asyncio.create_task(lane.ask(0))
    await work.runs.wait()
    later = [asyncio.create_task(lane.ask(number)) for number in range(1, LIMIT + 3)]
    await asyncio.sleep(0)
    later[0].cancel()
    first.cancel()  # its batch runs
    work.may.set()
    outcomes = await asyncio.gather(*later, return_exceptions=True)
    assert outcomes[1:] == [2 * number for number in range(2, LIMIT + 3)]
    assert work.batches == [[0], list(range(2, LIMIT + 1)), [LIMIT + 1, LIMIT + 2]]
    await lane.end()
    await lane.end()


async def test_errors_belong_to_items() -> None:
    work = Work()
    work.may.set()
    lane = Lane(work)
    outcomes = await asyncio.gather(*map(lane.ask, (1, -1, 2)), return_exceptions=True)
    assert (outcomes[0], str(outcomes[1]), outcomes[2]) == (2, "-1", 4)
    for work.error, says in (
        (JournalFailed("down"), "down"),
        (KeyError("x"), "the journal failed: KeyError"),
    ):
        failed = await asyncio.gather(*map(lane.ask, (1, 2)), return_exceptions=True)
        assert [(type(each), str(each)) for each in failed] == [(JournalFailed, says)] * 2
        assert failed[0] is not failed[1]
    work.error = None
    assert await lane.ask(3) == 6


async def test_nobody_waits_for_a_batch_that_was_cancelled() -> None:
    work = Work()
    lane = Lane(work)
    asked = [asyncio.create_task(lane.ask(1))]
    await work.runs.wait()
    asked.append(asyncio.create_task(lane.ask(2)))
    await asyncio.sleep(0)
    assert lane._task is not None
    lane._task.cancel()  # as the end of the loop does
    done, _ = await asyncio.wait(asked)
    assert all(each.cancelled() for each in done)
    with pytest.raises(asyncio.CancelledError):
        await asked[0]
