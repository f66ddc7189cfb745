"""The window in which the old token is still good."""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
from typing import TYPE_CHECKING

import pytest

from voucher_async.api_errors import AuthenticationError, RateLimited, ServerError
from voucher_async.auth import TokenGrant, TokenProvider
from voucher_async.errors import VoucherError
from voucher_async.events import TokenRefresh

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.auth.conftest import Endpoint
    from voucher_async.clock import ManualClock

    LookAfter = Callable[[float], Awaitable[int]]
    Settle = Callable[[], Awaitable[None]]

SOFT, HARD = 3400.0, 3571.0


def failure() -> ServerError:
    return ServerError("the server failed", status=503)


@pytest.fixture
def look_after(provider: TokenProvider, endpoint: Endpoint, clock: ManualClock, settle: Settle) -> LookAfter:
    """Have a call look at the token after so many seconds; how often one was asked for by then."""

    async def look(pause: float) -> int:
        clock.advance(pause)
        provider.current()
        await settle()
        return endpoint.calls

    return look


async def test_nobody_waits_while_the_old_token_is_good(
    provider: TokenProvider, endpoint: Endpoint, clock: ManualClock, settle: Settle
) -> None:
    old = await provider.acquire()
    endpoint.hold()
    clock.advance(SOFT)
    for _ in range(1000):
        assert provider.current() is old
        await asyncio.sleep(0)
    assert await asyncio.gather(*(provider.acquire() for _ in range(1000))) == [old] * 1000
    assert endpoint.calls == 2
    endpoint.release()
    await settle()
    new = provider.current()
    assert new is not None
    assert new.value == "token-2"
    assert endpoint.calls == 2


async def test_a_fresh_token_asks_for_nothing(
    provider: TokenProvider, endpoint: Endpoint, clock: ManualClock, settle: Settle
) -> None:
    token = await provider.acquire()
    clock.advance(2699)
    assert provider.current() is token
    assert await provider.acquire() is token
    await settle()
    assert endpoint.calls == 1


async def test_past_the_hard_threshold_everybody_waits_for_the_refresh_under_way(
    provider: TokenProvider, endpoint: Endpoint, clock: ManualClock, settle: Settle
) -> None:
    await provider.acquire()
    endpoint.hold()
    clock.advance(SOFT)
    assert provider.current()
    await settle()
    clock.advance(HARD - SOFT)
    assert provider.current() is None
    callers = [asyncio.create_task(provider.acquire()) for _ in range(100)]
    await settle()
    assert not any(caller.done() for caller in callers)
    endpoint.release()
    assert {token.value for token in await asyncio.gather(*callers)} == {"token-2"}
    assert endpoint.calls == 2


async def test_a_failed_early_refresh_fails_no_call_and_is_tried_less_and_less_often(
    provider: TokenProvider, endpoint: Endpoint, clock: ManualClock, settle: Settle
) -> None:
    endpoint.expires_in = 86_400
    old = await provider.acquire()
    clock.advance(85_800)
    endpoint.answers.extend(failure() for _ in range(100))
    tries: list[float] = []
    while clock.monotonic() < 86_369:
        before = endpoint.calls
        assert provider.current() is old
        assert await provider.acquire() is old
        await settle()
        if endpoint.calls > before:
            tries.append(clock.monotonic())
        clock.advance(0.5)
    gaps = [later - earlier for earlier, later in itertools.pairwise(tries)]
    assert len(gaps) >= 9
    for gap, pause in itertools.zip_longest(gaps, (1, 2, 4, 8, 16, 32), fillvalue=60):
        assert pause / 2 <= gap <= pause + 0.5


async def test_a_success_forgets_the_failures_before_it(
    provider: TokenProvider, endpoint: Endpoint, look_after: LookAfter
) -> None:
    await provider.acquire()
    endpoint.answers.extend(failure() for _ in range(4))
    assert [await look_after(pause) for pause in (SOFT, 1, 2, 4)] == [2, 3, 4, 5]
    assert await look_after(8) == 6
    endpoint.answers.append(failure())
    assert await look_after(SOFT) == 7
    assert await look_after(1) == 8


async def test_past_the_hard_threshold_back_off_keeps_nobody_from_asking_and_a_success_ends_it(
    provider: TokenProvider, endpoint: Endpoint, clock: ManualClock, look_after: LookAfter
) -> None:
    await provider.acquire()
    endpoint.answers.append(RateLimited("slow down", status=429, retry_after=3600))
    await look_after(SOFT)
    clock.advance(HARD - SOFT)
    endpoint.expires_in = 60
    assert (await provider.acquire()).value == "token-3"
    assert await look_after(50) == 4


@pytest.mark.parametrize(
    ("error", "pause"),
    [
        (RateLimited("slow down", status=429, retry_after=120), 120),
        (AuthenticationError("refused", status=401), 5),
    ],
)
async def test_an_early_refresh_respects_what_the_server_said(
    provider: TokenProvider, endpoint: Endpoint, look_after: LookAfter, error: VoucherError, pause: float
) -> None:
    await provider.acquire()
    endpoint.answers.append(error)
    await look_after(SOFT)
    assert await look_after(pause - 0.1) == 2
    assert await look_after(0.1) == 3


async def test_an_early_refresh_that_fails_past_the_hard_threshold_fails_those_who_wait(
    endpoint: Endpoint, clock: ManualClock, settle: Settle
) -> None:
    events: list[TokenRefresh] = []
    provider = TokenProvider(endpoint, clock=clock, on_refresh=events.append)
    await provider.acquire()
    endpoint.hold()
    endpoint.answers.append(failure())
    clock.advance(SOFT)
    provider.current()
    await settle()
    clock.advance(HARD - SOFT)
    callers = [asyncio.create_task(provider.acquire()) for _ in range(10)]
    await settle()
    endpoint.release()
    results = await asyncio.gather(*callers, return_exceptions=True)
    assert all(isinstance(result, ServerError) for result in results)
    assert endpoint.calls == 2
    assert [(event.succeeded, event.background) for event in events] == [(True, False), (False, False)]


async def test_a_one_second_token_is_used_by_many_calls(
    provider: TokenProvider, endpoint: Endpoint, clock: ManualClock, settle: Settle
) -> None:
    endpoint.expires_in = 1
    for _ in range(1000):
        assert await provider.acquire()
        await settle()
        clock.advance(0.01)
    assert endpoint.calls <= 20


async def test_a_token_that_lives_shorter_than_its_request_takes_is_still_handed_to_those_who_wait(
    clock: ManualClock,
) -> None:
    calls = 0

    async def slow() -> TokenGrant:
        nonlocal calls
        calls += 1
        clock.advance(10)
        await asyncio.sleep(0)
        return TokenGrant(access_token=f"token-{calls}", expires_in=1)

    provider = TokenProvider(slow, clock=clock)
    tokens = await asyncio.gather(*(provider.acquire() for _ in range(100)))
    assert {token.value for token in tokens} == {"token-1"}
    assert (calls, provider.current()) == (1, tokens[0])


async def test_those_who_wait_get_the_token_although_the_clock_ran_on(
    provider: TokenProvider, endpoint: Endpoint, clock: ManualClock, settle: Settle
) -> None:
    endpoint.expires_in = 1
    endpoint.hold()
    caller = asyncio.create_task(provider.acquire())
    await settle()
    endpoint.release()
    await asyncio.sleep(0)  # the answer has arrived, the caller has not run yet
    clock.advance(5)
    assert (await caller).value == "token-1"
    assert endpoint.calls == 1


def test_current_outside_an_event_loop_hands_out_the_token_and_starts_nothing(
    new_endpoint: Callable[[], Endpoint], clock: ManualClock
) -> None:
    endpoint = new_endpoint()
    provider = TokenProvider(endpoint, clock=clock)
    assert provider.current() is None
    token = asyncio.run(provider.acquire())
    clock.advance(SOFT)
    assert provider.current() is token
    assert endpoint.calls == 1


async def test_processes_started_together_ask_at_different_times(
    endpoint: Endpoint, clock: ManualClock
) -> None:
    softs = set[float]()
    for seed in range(20):
        provider = TokenProvider(endpoint, clock=clock, rng=random.Random(seed))
        softs.add((await provider.acquire()).soft)
    assert len(softs) == 20
    assert max(softs) - min(softs) > 100
    assert all(2700 <= soft <= 3000 for soft in softs)


async def test_every_request_is_told(
    endpoint: Endpoint, clock: ManualClock, settle: Settle, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "voucher_async")
    events: list[TokenRefresh] = []
    provider = TokenProvider(endpoint, clock=clock, on_refresh=events.append)
    error = failure()
    endpoint.answers.append(error)
    with pytest.raises(ServerError):
        await provider.acquire()
    endpoint.hold()
    caller = asyncio.create_task(provider.acquire())
    await settle()
    clock.advance(2)
    endpoint.release()
    await caller
    clock.advance(SOFT)
    endpoint.answers.append(error)
    provider.current()
    await settle()
    clock.advance(1)
    provider.current()
    await settle()
    assert events == [
        TokenRefresh(succeeded=False, background=False, elapsed=0.0, error=error),
        TokenRefresh(succeeded=True, background=False, elapsed=2.0, lifetime=3600.0),
        TokenRefresh(succeeded=False, background=True, elapsed=0.0, error=error),
        TokenRefresh(succeeded=True, background=True, elapsed=0.0, lifetime=3600.0),
    ]
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert "the old one stays in use: the server failed; next try in " in warnings[0].getMessage()


async def test_an_observer_that_raises_is_logged_and_ignored(
    endpoint: Endpoint, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(event: TokenRefresh) -> None:
        raise ValueError("no")

    provider = TokenProvider(endpoint, clock=clock, on_refresh=broken)
    endpoint.answers.append(failure())
    with pytest.raises(ServerError):
        await provider.acquire()
    assert (await provider.acquire()).value == "token-2"
    assert [record.getMessage() for record in caplog.records] == ["on_refresh failed and was ignored"] * 2
