"""Limits: one timer for all, and whose cancellation it was."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Coroutine

import pytest

from tests.virtual import VirtualClock, VirtualLoop, virtually
from voucher_async.cancelling import _GRAIN, Limit, Limits
from voucher_async.realtime import Real

SOON = 0.05
NEVER = 60.0


class Counting(VirtualLoop):
    """A loop that remembers the timers it was asked for."""

    def __init__(self) -> None:
        super().__init__(VirtualClock())
        self.timers: list[asyncio.TimerHandle] = []

    def call_at(self, when: float, *args: object, **kwargs: object) -> asyncio.TimerHandle:
        self.timers.append(super().call_at(when, *args, **kwargs))  # type: ignore[arg-type]
        return self.timers[-1]

    @property
    def live(self) -> list[asyncio.TimerHandle]:
        return [timer for timer in self.timers if not timer.cancelled() and timer.when() > self.time()]


def run(loop: Counting, main: Coroutine[object, object, None]) -> None:
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(main)


async def wait(limits: Limits, seconds: float, asleep: float = NEVER) -> str:
    try:
        with limits.limit(seconds):
            await asyncio.sleep(asleep)
    except TimeoutError:
        return "timed out"
    return "done"


@virtually
async def test_what_takes_too_long_is_ended_and_what_does_not_is_not() -> None:
    limits = Limits()
    assert await wait(limits, SOON) == "timed out"
    assert await wait(limits, NEVER, 0.0) == "done"
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


def test_a_thousand_limits_take_one_timer() -> None:
    loop = Counting()

    async def main() -> None:
        limits = Limits()
        futures = [loop.create_future() for _ in range(1000)]

        async def one(future: asyncio.Future[None]) -> None:
            with limits.limit(NEVER):
                await future

        tasks = [asyncio.create_task(one(future)) for future in futures]
        await asyncio.sleep(0)
        for future in futures:
            future.set_result(None)
        await asyncio.gather(*tasks)
        assert len(loop.timers) == 1
        limits.end()
        assert not loop.live

    run(loop, main())


def test_an_earlier_limit_takes_the_place_of_the_timer() -> None:
    loop = Counting()

    async def main() -> None:
        limits = Limits()
        with limits.limit(NEVER), limits.limit(NEVER / 2), limits.limit(NEVER / 4):
            assert len(loop.timers) == 3
            assert len(loop.live) == 1

    run(loop, main())


def test_limits_that_end_close_together_are_looked_at_together() -> None:
    loop = Counting()

    async def main() -> None:
        limits = Limits()
        ends = await asyncio.gather(*(wait(limits, SOON + number / 1000) for number in range(50)))
        assert ends == ["timed out"] * 50
        # without the timers of the sleeps, which end after NEVER
        looks = [timer.when() for timer in loop.timers if timer.when() < loop.time()]
        assert len(looks) > 2
        assert all(later - sooner > _GRAIN * 0.99 for sooner, later in itertools.pairwise(looks))

    run(loop, main())


@virtually
async def test_each_limit_is_kept_whichever_was_set_first() -> None:
    limits = Limits()
    time = asyncio.get_running_loop().time
    begun = time()

    async def one(seconds: float) -> float:
        assert await wait(limits, seconds) == "timed out"
        return time() - begun

    asked = [0.2, 0.05, 0.1, 0.05, 0.15, 0.102]
    taken = await asyncio.gather(*map(one, asked))
    assert all(limit <= got < limit + 2 * _GRAIN for got, limit in zip(taken, asked, strict=True))


@virtually
async def test_a_cancellation_from_outside_stays_one() -> None:
    limits = Limits()
    task = asyncio.create_task(wait(limits, NEVER))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@virtually
async def test_a_cancellation_from_outside_counts_more_than_a_limit_that_ends_with_it() -> None:
    limits = Limits()
    ends: list[Limit] = []

    async def one() -> None:
        with limits.limit(NEVER) as limit:
            ends.append(limit)
            await asyncio.sleep(NEVER)

    task = asyncio.create_task(one())
    await asyncio.sleep(0)
    ends[0].strike(ends[0].ends)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelling() == 1


@virtually
async def test_a_cancellation_that_something_else_swallowed_is_taken_back() -> None:
    limits = Limits()
    task = asyncio.current_task()
    assert task is not None
    with limits.limit(SOON), pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(NEVER)
    assert task.cancelling() == 0
    await asyncio.sleep(0)


@virtually
async def test_what_has_to_be_done_after_the_end_is_not_cancelled_again() -> None:
    cleaned: list[bool] = []

    async def clean_up_slowly() -> None:
        with Limits().limit(SOON):
            try:
                await asyncio.sleep(NEVER)
            finally:
                await asyncio.sleep(5 * _GRAIN)
                cleaned.append(True)

    with pytest.raises(TimeoutError):
        await clean_up_slowly()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    assert cleaned == [True]


@virtually
async def test_in_a_task_that_was_cancelled_before_limits_are_told_apart_all_the_same() -> None:
    seen: list[str | bool] = []

    async def clean_up() -> None:
        try:
            await asyncio.sleep(NEVER)
        finally:
            seen.append(await wait(Limits(), SOON))
            with Limits().limit(NEVER) as limit:
                limit.silence(SOON)
                try:
                    await asyncio.sleep(NEVER)
                except asyncio.CancelledError:
                    seen.append(limit.fell_silent())

    task = asyncio.create_task(clean_up())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["timed out", True]
    assert task.cancelling() == 1


@virtually
async def test_an_error_that_comes_with_the_end_is_the_one_that_is_raised() -> None:
    async def break_when_cancelled() -> None:
        with Limits().limit(SOON):
            try:
                await asyncio.sleep(NEVER)
            except asyncio.CancelledError:
                raise ValueError("broken") from None

    with pytest.raises(ValueError, match="broken"):
        await break_when_cancelled()


@virtually
async def test_a_limit_has_passed_when_its_time_is_up_by_the_loop() -> None:
    with Limits().limit(SOON) as limit:
        assert not limit.passed
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(2 * SOON)
        assert limit.passed
        assert not limit.silence(SOON)


@virtually
async def test_a_limit_has_passed_when_its_time_is_up_by_a_clock_that_does_not_sleep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    readings = [100.0]
    monkeypatch.setattr(Real, "uptime", staticmethod(lambda: readings[0]))
    with Limits().limit(SOON) as limit:
        assert not limit.passed
        assert limit.silence(SOON)
        readings[0] += 2 * SOON  # the machine slept, and the loop's clock stood still
        assert limit.passed
        assert not limit.silence(SOON)


def test_two_loops_in_two_threads_do_not_lose_each_others_limits() -> None:
    limits = Limits()
    results: list[str] = []

    def run() -> None:
        results.append(asyncio.run(wait(limits, 4 * SOON)))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
        time.sleep(SOON)
    for thread in threads:
        thread.join()
    assert results == ["timed out"] * 3


def test_what_is_ended_is_timed_out_at_once_and_leaves_no_timer() -> None:
    loop = Counting()

    async def main() -> None:
        limits = Limits()
        limits.end()
        waiting = asyncio.create_task(wait(limits, NEVER))
        await asyncio.sleep(0)
        timer = loop.timers[0]
        assert (timer.when(), timer.cancelled()) == (NEVER, False)
        limits.end()
        assert await waiting == "timed out"
        assert timer.cancelled()
        assert loop.time() == 0.0

    run(loop, main())


def test_what_is_limited_on_another_loop_is_not_ended() -> None:
    limits = Limits()

    async def end() -> None:
        limits.end()

    async def main() -> str:
        waiting = asyncio.create_task(wait(limits, NEVER, SOON))
        await asyncio.sleep(0)
        await asyncio.to_thread(asyncio.run, end())
        return await waiting

    assert asyncio.run(main()) == "done"
