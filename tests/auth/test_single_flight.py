"""Many callers, one request: cold start, cancellation, failure."""

from __future__ import annotations

import asyncio
import gc
import traceback
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voucher_async.api_errors import AuthenticationError, RateLimited, ServerError
from voucher_async.auth import TokenProvider
from voucher_async.clock import ManualClock
from voucher_async.errors import ConnectFailed, Fate, VoucherError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.auth.conftest import Endpoint

MANY = 10_000


async def test_ten_thousand_cold_callers_make_one_request(
    provider: TokenProvider, endpoint: Endpoint
) -> None:
    tokens = await asyncio.gather(*(provider.acquire() for _ in range(MANY)))
    assert endpoint.calls == 1
    assert {token.value for token in tokens} == {"token-1"}


async def test_cancelling_all_but_one_of_ten_thousand_harms_nobody(
    provider: TokenProvider, endpoint: Endpoint, settle: Callable[[], Awaitable[None]]
) -> None:
    endpoint.hold()
    callers = [asyncio.create_task(provider.acquire()) for _ in range(MANY)]
    await settle()
    for caller in callers[:-1]:
        caller.cancel()
    await settle()
    assert provider._flight is not None
    assert len(provider._flight._waiters) == 1  # callers that left leave nothing behind
    endpoint.release()
    assert (await callers[-1]).value == "token-1"
    assert all(caller.cancelled() for caller in callers[:-1])
    assert (endpoint.calls, endpoint.cancelled) == (1, 0)


@given(plan=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=30))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whoever_is_cancelled_whenever_the_others_get_their_token(
    new_endpoint: Callable[[], Endpoint], plan: list[tuple[int, int]]
) -> None:
    """Each pair: the step at which the caller is cancelled (0: never), and the one before which it starts."""

    async def run() -> None:
        endpoint = new_endpoint()
        provider = TokenProvider(endpoint, clock=ManualClock())
        endpoint.hold()
        callers: list[tuple[int, asyncio.Task[object]]] = []
        for step in range(5):
            callers += [(at, asyncio.create_task(provider.acquire())) for at, start in plan if start == step]
            await asyncio.sleep(0)
            for at, task in callers:
                if at and at == step:
                    task.cancel()
        await asyncio.sleep(0)
        endpoint.release()
        results = await asyncio.gather(*(task for _, task in callers), return_exceptions=True)
        for (_, task), result in zip(callers, results, strict=True):
            assert task.cancelled() or getattr(result, "value", None) == "token-1"
        assert not any(task.cancelled() for at, task in callers if at == 0)
        assert (endpoint.calls, endpoint.cancelled) == (1, 0)
        await provider.aclose()

    asyncio.run(run())


async def test_a_request_all_of_whose_callers_gave_up_still_brings_a_token(
    provider: TokenProvider, endpoint: Endpoint, settle: Callable[[], Awaitable[None]]
) -> None:
    endpoint.hold()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await provider.acquire()
    endpoint.release()
    await settle()
    token = provider.current()
    assert token is not None
    assert token.value == "token-1"


async def test_a_caller_cancelled_in_the_instant_the_answer_comes_harms_no_other(
    provider: TokenProvider, endpoint: Endpoint, settle: Callable[[], Awaitable[None]]
) -> None:
    endpoint.hold()
    callers = [asyncio.create_task(provider.acquire()) for _ in range(20)]
    await settle()
    endpoint.release()
    await asyncio.sleep(0)  # the request has ended, the callers have not run yet
    for caller in callers[::2]:
        caller.cancel()
    await settle()
    assert all(caller.cancelled() for caller in callers[::2])
    assert {caller.result().value for caller in callers[1::2]} == {"token-1"}


async def test_a_request_that_somebody_cancelled_is_made_anew_for_those_who_wait(
    provider: TokenProvider, endpoint: Endpoint, settle: Callable[[], Awaitable[None]]
) -> None:
    endpoint.hold()
    caller = asyncio.create_task(provider.acquire())
    await settle()
    for task in asyncio.all_tasks() - {asyncio.current_task(), caller}:
        task.cancel()
    endpoint.release()
    assert (await caller).value == "token-2"
    assert endpoint.cancelled == 1


async def test_a_cancellation_from_within_the_request_is_a_failure_not_a_cancellation(
    provider: TokenProvider, endpoint: Endpoint
) -> None:
    endpoint.answers.append(asyncio.CancelledError())
    with pytest.raises(VoucherError, match="from within"):
        await provider.acquire()
    assert (await provider.acquire()).value == "token-2"


async def test_every_waiter_gets_an_error_of_its_own_with_a_short_traceback(
    provider: TokenProvider, endpoint: Endpoint
) -> None:
    cause = OSError("refused")
    failure = ConnectFailed("no connection", fate=Fate.NOT_SENT)
    failure.__cause__ = cause
    endpoint.answers.append(failure)
    errors = await asyncio.gather(*(provider.acquire() for _ in range(1000)), return_exceptions=True)
    assert endpoint.calls == 1
    assert len({id(error) for error in errors}) == 1000
    for error in errors:
        assert isinstance(error, ConnectFailed)
        assert (str(error), error.fate, error.__cause__) == ("no connection", Fate.NOT_SENT, cause)
        assert len(traceback.extract_tb(error.__traceback__)) <= 2
    assert failure.__traceback__ is None


async def test_a_transient_failure_is_not_remembered(provider: TokenProvider, endpoint: Endpoint) -> None:
    endpoint.answers.append(ServerError("the server failed", status=503))
    with pytest.raises(ServerError):
        await provider.acquire()
    assert (await provider.acquire()).value == "token-2"


async def test_refused_credentials_are_remembered_for_five_seconds_and_then_tried_again(
    provider: TokenProvider, endpoint: Endpoint, clock: ManualClock
) -> None:
    endpoint.answers.append(AuthenticationError("refused", status=401, code="invalid_client"))
    for _ in range(100):
        with pytest.raises(AuthenticationError) as caught:
            await provider.acquire()
        assert caught.value.code == "invalid_client"
        clock.advance(0.04)
    assert endpoint.calls == 1
    clock.advance(1.0)
    assert (await provider.acquire()).value == "token-2"


@pytest.mark.parametrize(("retry_after", "pause"), [(2.0, 2.0), (3600.0, 5.0)])
async def test_the_token_endpoint_is_left_alone_as_long_as_it_asks_but_no_longer_than_five_seconds(
    provider: TokenProvider, endpoint: Endpoint, clock: ManualClock, retry_after: float, pause: float
) -> None:
    endpoint.answers.append(RateLimited("slow down", status=429, retry_after=retry_after))
    with pytest.raises(RateLimited):
        await provider.acquire()
    clock.advance(pause - 0.1)
    with pytest.raises(RateLimited):
        await provider.acquire()
    assert endpoint.calls == 1
    clock.advance(0.1)
    assert (await provider.acquire()).value == "token-2"


async def test_a_bug_in_the_request_reaches_the_callers_as_an_error_of_the_package(
    provider: TokenProvider, endpoint: Endpoint
) -> None:
    endpoint.answers.append(ZeroDivisionError("tok-5ecre7"))
    with pytest.raises(VoucherError, match=r"unexpectedly \(ZeroDivisionError\)$") as caught:
        await provider.acquire()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


async def test_a_failure_nobody_waits_for_is_not_complained_about(
    provider: TokenProvider, endpoint: Endpoint, settle: Callable[[], Awaitable[None]]
) -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    endpoint.hold()
    endpoint.answers.append(ServerError("the server failed", status=503))
    caller = asyncio.create_task(provider.acquire())
    await settle()
    caller.cancel()
    endpoint.release()
    await settle()
    gc.collect()
    assert not complaints
    assert provider.current() is None


def test_an_interrupt_during_the_request_ends_the_loop_and_the_next_call_starts_afresh(
    new_endpoint: Callable[[], Endpoint], caplog: pytest.LogCaptureFixture
) -> None:
    endpoint = new_endpoint()
    provider = TokenProvider(endpoint, clock=ManualClock())
    endpoint.answers.append(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(_value(provider))
    assert asyncio.run(_value(provider)) == "token-2"
    gc.collect()
    assert not caplog.records


async def _value(provider: TokenProvider) -> str:
    return (await provider.acquire()).value
