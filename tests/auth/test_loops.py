"""Closing, and one provider on several event loops."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import TYPE_CHECKING

import pytest

from voucher_async.auth import MemoryTokenStore, TokenGrant, TokenProvider
from voucher_async.clock import ManualClock
from voucher_async.errors import ConfigurationError
from voucher_async.events import TokenRefresh

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from tests.auth.conftest import Endpoint

    Settle = Callable[[], Awaitable[None]]


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged, but for what says that the machine is busy."""
    messages = [record.getMessage() for record in caplog.records]
    return [message for message in messages if not message.startswith("Executing <")]


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


async def value(provider: TokenProvider) -> str:
    return (await provider.acquire()).value


async def wait_briefly(provider: TokenProvider) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await provider.acquire()


async def test_closing_cancels_a_request_that_hangs_and_leaves_no_task(
    provider: TokenProvider, endpoint: Endpoint, settle: Settle
) -> None:
    endpoint.hold()
    callers = [asyncio.create_task(provider.acquire()) for _ in range(10)]
    await settle()
    await provider.aclose()
    results = await asyncio.gather(*callers, return_exceptions=True)
    assert all(isinstance(result, ConfigurationError) for result in results)
    assert (endpoint.cancelled, asyncio.all_tasks()) == (1, {asyncio.current_task()})


async def test_a_closed_provider_starts_nothing(
    provider: TokenProvider, endpoint: Endpoint, clock: ManualClock, settle: Settle
) -> None:
    token = await provider.acquire()
    await provider.aclose()
    await provider.aclose()
    clock.advance(3400)
    assert provider.current() is token
    await settle()
    clock.advance(200)
    with pytest.raises(ConfigurationError, match="closed"):
        await provider.acquire()
    assert endpoint.calls == 1


async def test_closing_may_be_cancelled_itself(
    provider: TokenProvider, endpoint: Endpoint, settle: Settle
) -> None:
    endpoint.hold()
    caller = asyncio.create_task(provider.acquire())
    await settle()
    closing = asyncio.create_task(provider.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    await settle()
    assert closing.cancelled()
    assert isinstance(caller.exception(), ConfigurationError)
    assert endpoint.cancelled == 1


async def test_what_a_request_does_while_it_is_cancelled_by_closing_reaches_nobody_but_its_callers(
    clock: ManualClock, settle: Settle
) -> None:
    async def stubborn() -> TokenGrant:
        try:
            await asyncio.sleep(3600)
        finally:
            raise ConnectionError("gone")

    events: list[TokenRefresh] = []
    provider = TokenProvider(stubborn, clock=clock, on_refresh=events.append)
    caller = asyncio.create_task(provider.acquire())
    await settle()
    await provider.aclose()
    with pytest.raises(Exception, match="unexpectedly"):
        await caller
    assert not events


def test_a_second_event_loop_uses_the_token_of_the_first(new_endpoint: Callable[[], Endpoint]) -> None:
    endpoint = new_endpoint()
    clock = ManualClock()
    provider = TokenProvider(endpoint, clock=clock)
    assert asyncio.run(value(provider)) == "token-1"
    assert asyncio.run(value(provider)) == "token-1"
    clock.advance(3590)
    assert asyncio.run(value(provider)) == "token-2"
    asyncio.run(provider.aclose())


def test_asyncio_run_that_ends_during_a_refresh_leaves_nothing_behind(
    new_endpoint: Callable[[], Endpoint],
) -> None:
    endpoint = new_endpoint()
    provider = TokenProvider(endpoint, clock=ManualClock())
    endpoint.hold()
    asyncio.run(wait_briefly(provider))
    endpoint.release()
    assert (endpoint.cancelled, endpoint.calls) == (1, 1)
    assert asyncio.run(value(provider)) == "token-2"


@pytest.mark.parametrize("background", [True, False])
def test_a_request_on_a_loop_that_was_killed_is_made_anew(
    new_endpoint: Callable[[], Endpoint],
    loop: asyncio.AbstractEventLoop,
    caplog: pytest.LogCaptureFixture,
    *,
    background: bool,
) -> None:
    endpoint = new_endpoint()
    clock = ManualClock()
    provider = TokenProvider(endpoint, clock=clock)
    old = loop.run_until_complete(provider.acquire())
    endpoint.hold()
    clock.advance(3400)

    async def refresh() -> None:
        assert provider.current() is old
        await asyncio.sleep(0)

    loop.run_until_complete(refresh())
    loop.close()
    endpoint.reopen()

    async def again() -> str:
        if background:
            assert provider.current() is old
            await asyncio.sleep(0.01)
        else:
            clock.advance(200)
        return await value(provider)

    assert asyncio.run(again()) == "token-3"
    gc.collect()
    assert not complaints(caplog)


def test_a_request_that_had_not_begun_when_its_loop_was_killed_leaves_no_warning(
    new_endpoint: Callable[[], Endpoint], loop: asyncio.AbstractEventLoop, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint = new_endpoint()
    clock = ManualClock()
    provider = TokenProvider(endpoint, clock=clock)

    async def refresh() -> None:
        loop.stop()
        assert provider.current()

    loop.run_until_complete(value(provider))
    clock.advance(3400)
    loop.run_until_complete(refresh())
    loop.close()
    asyncio.run(provider.aclose())
    gc.collect()
    assert endpoint.calls == 1
    assert not complaints(caplog)


def test_a_request_that_cannot_unwind_on_its_dead_loop_harms_nobody(
    loop: asyncio.AbstractEventLoop, caplog: pytest.LogCaptureFixture
) -> None:
    calls = 0

    async def fetch() -> TokenGrant:
        nonlocal calls
        calls += 1
        if calls == 1:
            try:
                await asyncio.sleep(3600)
            finally:
                await asyncio.sleep(0)
        return TokenGrant(access_token=f"token-{calls}")

    events: list[TokenRefresh] = []
    clock = ManualClock()
    store = MemoryTokenStore(clock)
    provider = TokenProvider(fetch, clock=clock, store=store, key="key", on_refresh=events.append)
    with pytest.raises(TimeoutError):
        loop.run_until_complete(asyncio.wait_for(provider.acquire(), 0.01))
    loop.close()
    clock.advance(10)  # past the lease of the dead request
    assert asyncio.run(value(provider)) == "token-2"
    gc.collect()
    assert [event.succeeded for event in events] == [True]
    assert not complaints(caplog)


def test_the_lease_of_a_request_on_a_killed_loop_runs_out(
    new_endpoint: Callable[[], Endpoint], loop: asyncio.AbstractEventLoop, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint = new_endpoint()
    clock = ManualClock(skip_sleeps=True)
    provider = TokenProvider(endpoint, clock=clock, store=MemoryTokenStore(clock), key="key")
    endpoint.hold()
    loop.run_until_complete(wait_briefly(provider))
    loop.close()
    endpoint.reopen()
    assert asyncio.run(value(provider)) == "token-2"
    assert 9.9 <= clock.monotonic() <= 10.2
    gc.collect()
    assert not complaints(caplog)


def test_a_loop_that_stands_still_is_not_waited_for(
    new_endpoint: Callable[[], Endpoint], loop: asyncio.AbstractEventLoop
) -> None:
    endpoint = new_endpoint()
    provider = TokenProvider(endpoint, clock=ManualClock())
    endpoint.hold()
    caller = loop.create_task(provider.acquire())
    loop.run_until_complete(asyncio.sleep(0.01))
    endpoint.reopen()
    assert asyncio.run(value(provider)) == "token-2"
    assert loop.run_until_complete(caller).value == "token-2"
    assert (endpoint.calls, endpoint.cancelled) == (2, 1)


async def test_a_loop_that_runs_in_another_thread_is_one_clear_error(
    provider: TokenProvider, endpoint: Endpoint, clock: ManualClock, loop: asyncio.AbstractEventLoop
) -> None:
    token = await provider.acquire()
    endpoint.hold()
    clock.advance(3400)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:

        async def refresh() -> None:
            provider.current()
            await asyncio.sleep(0)

        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(refresh(), loop))
        assert provider.current() is token
        clock.advance(200)
        with pytest.raises(ConfigurationError, match="another event loop"):
            await provider.acquire()
        assert endpoint.calls == 2
        await provider.aclose()
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(asyncio.sleep(0.01), loop))
        assert endpoint.cancelled == 1
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
