"""Silence: a limit that whatever is heard moves, and whose cancellation it was."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from tests.virtual import virtually
from voucher_async.cancelling import _GRAIN, Limits

SOON = 0.05
NEVER = 60.0


@pytest.mark.parametrize("heard", [True, False])
@virtually
async def test_a_silence_that_something_else_swallowed_is_taken_back(*, heard: bool) -> None:
    task = asyncio.current_task()
    assert task is not None
    with Limits().limit(NEVER) as limit:
        limit.silence(SOON)
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(NEVER)
        if heard:
            limit.heard()
            assert task.cancelling() == 0
    assert task.cancelling() == 0


@virtually
async def test_silence_is_told_apart_from_the_end() -> None:
    limits = Limits()
    with limits.limit(NEVER) as limit:
        limit.silence(SOON)
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(NEVER)
        assert limit.fell_silent()
        assert not limit.fell_silent()  # the silence was withdrawn
        await asyncio.sleep(0)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


@virtually
async def test_after_a_silence_the_limit_itself_is_still_kept() -> None:
    heard: list[bool] = []

    async def go_on_after_a_silence() -> None:
        with Limits().limit(3 * SOON) as limit:
            limit.silence(SOON)
            try:
                await asyncio.sleep(NEVER)
            except asyncio.CancelledError:
                heard.append(limit.fell_silent())
            await asyncio.sleep(NEVER)

    with pytest.raises(TimeoutError):
        await go_on_after_a_silence()
    assert heard == [True]


@virtually
async def test_whatever_is_heard_moves_the_end_of_the_silence() -> None:
    limits = Limits()
    with limits.limit(NEVER) as limit:
        for _ in range(6):
            limit.silence(2 * SOON)
            await asyncio.sleep(SOON / 2)
        limit.heard()
        await asyncio.sleep(3 * SOON)
    assert not limit.fell_silent()


@virtually
async def test_what_is_heard_late_in_the_limit_moves_the_end_of_the_silence_to_that_of_the_limit() -> None:
    time = asyncio.get_running_loop().time
    begun, taken = time(), 0.0
    task = asyncio.current_task()
    assert task is not None
    try:
        with Limits().limit(6 * SOON) as limit:
            limit.silence(4 * SOON)
            await asyncio.sleep(3 * SOON)
            limit.silence(4 * SOON)  # past the end of the limit
            await asyncio.sleep(2 * SOON)  # past the end of the first silence
            limit.silence(4 * SOON)
            await asyncio.sleep(NEVER)
    except TimeoutError:
        taken = time() - begun
    assert 6 * SOON <= taken < 6 * SOON + 2 * _GRAIN
    assert task.cancelling() == 0


async def test_what_came_while_the_process_itself_stood_still_was_heard() -> None:
    loop = asyncio.get_running_loop()
    here, there = socket.socketpair()
    here.settimeout(0)
    with here, there, Limits().limit(NEVER) as limit:
        limit.silence(SOON)
        there.send(b"x")
        loop.call_soon(time.sleep, 3 * SOON)  # blocks the loop, as a stopped or computing process
        while not await loop.sock_recv(here, 1):
            pass
        limit.heard()
        await asyncio.sleep(3 * _GRAIN)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


@virtually
async def test_a_silence_longer_than_the_limit_changes_nothing() -> None:
    async def be_patient() -> None:
        with Limits().limit(SOON) as limit:
            limit.silence(NEVER)
            await asyncio.sleep(NEVER)

    with pytest.raises(TimeoutError):
        await be_patient()


@virtually
async def test_a_silence_that_is_limited_after_the_end_harms_nobody() -> None:
    limits = Limits()
    with limits.limit(NEVER) as limit:
        pass
    limit.silence(SOON / 10)
    await asyncio.sleep(SOON)


@virtually
async def test_a_cancellation_in_the_same_moment_as_a_silence_is_not_taken_for_it() -> None:
    limits = Limits()
    seen: list[bool] = []

    async def one() -> None:
        with limits.limit(NEVER) as limit:
            limit.silence(SOON)
            limit.strike(limit.next)  # suspected
            limit.strike(limit.next)  # and confirmed
            asyncio.current_task().cancel()  # type: ignore[union-attr]
            try:
                await asyncio.sleep(NEVER)
            except asyncio.CancelledError:
                seen.append(limit.fell_silent())
                raise

    task = asyncio.create_task(one())
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == [False]
