"""A token the server refused: compare and swap."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from voucher_async.api_errors import ServerError
from voucher_async.auth import MemoryTokenStore, TokenGrant, TokenProvider
from voucher_async.clock import ManualClock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.auth.conftest import Endpoint

    Settle = Callable[[], Awaitable[None]]

KEY = "key"


async def test_a_thousand_callers_whose_token_was_revoked_make_one_request(
    provider: TokenProvider, endpoint: Endpoint
) -> None:
    refused = await provider.acquire()

    async def call(pause: int) -> str:
        for _ in range(pause % 7):
            await asyncio.sleep(0)
        provider.invalidate(refused)
        return (await provider.acquire()).value

    assert set(await asyncio.gather(*(call(number) for number in range(1000)))) == {"token-2"}
    assert endpoint.calls == 2


async def test_a_late_complaint_about_an_older_token_does_nothing(
    provider: TokenProvider, endpoint: Endpoint
) -> None:
    old = await provider.acquire()
    provider.invalidate(old)
    provider.invalidate(old)
    new = await provider.acquire()
    provider.invalidate(old)
    provider.invalidate(old.value)
    assert provider.current() is new
    assert endpoint.calls == 2


async def test_a_token_can_be_named_by_its_text(provider: TokenProvider) -> None:
    token = await provider.acquire()
    provider.invalidate("another")
    assert provider.current() is token
    provider.invalidate(token.value)
    assert provider.current() is None


async def test_late_complaints_make_no_storm_when_the_endpoint_gives_the_same_text_again(
    provider: TokenProvider, endpoint: Endpoint
) -> None:
    endpoint.answers.extend(TokenGrant(access_token="same") for _ in range(2))
    first = await provider.acquire()
    provider.invalidate(first)
    second = await provider.acquire()
    for _ in range(1000):
        provider.invalidate(first)
        assert provider.current() is second
    assert endpoint.calls == 2


async def test_an_invalidation_during_a_refresh_is_not_lost_and_spares_the_new_token(
    provider: TokenProvider, endpoint: Endpoint, clock: ManualClock, settle: Settle
) -> None:
    old = await provider.acquire()
    endpoint.hold()
    clock.advance(3400)
    assert provider.current() is old
    await settle()
    provider.invalidate(old)
    assert provider.current() is None
    callers = [asyncio.create_task(provider.acquire()) for _ in range(100)]
    await settle()
    endpoint.release()
    new = await callers[0]
    provider.invalidate(old)
    assert {await caller for caller in callers} == {new}
    assert (new.value, endpoint.calls) == ("token-2", 2)


async def test_a_refresh_that_brings_the_token_refused_meanwhile_asks_once_more(
    provider: TokenProvider, endpoint: Endpoint, clock: ManualClock, settle: Settle
) -> None:
    old = await provider.acquire()
    endpoint.hold()
    endpoint.answers.append(TokenGrant(access_token=old.value))
    clock.advance(3400)
    provider.current()
    await settle()
    provider.invalidate(old)
    endpoint.release()
    assert (await provider.acquire()).value == "token-3"
    assert (endpoint.calls, endpoint.most_at_once) == (3, 1)


async def test_an_endpoint_that_insists_on_a_refused_token_is_believed(
    provider: TokenProvider, endpoint: Endpoint, clock: ManualClock, settle: Settle
) -> None:
    old = await provider.acquire()
    endpoint.hold()
    endpoint.answers.extend(TokenGrant(access_token=old.value) for _ in range(2))
    clock.advance(3400)
    provider.current()
    await settle()
    provider.invalidate(old)
    endpoint.release()
    assert (await provider.acquire()).value == old.value
    assert endpoint.calls == 3


async def test_a_failed_refresh_after_an_invalidation_fails_the_caller_not_the_next_one(
    provider: TokenProvider, endpoint: Endpoint
) -> None:
    provider.invalidate(await provider.acquire())
    endpoint.answers.append(ServerError("the server failed", status=500))
    with pytest.raises(ServerError):
        await provider.acquire()
    assert (await provider.acquire()).value == "token-3"


async def test_the_store_forgets_a_refused_token(endpoint: Endpoint, clock: ManualClock) -> None:
    store = MemoryTokenStore(clock)
    provider = TokenProvider(endpoint, clock=clock, store=store, key=KEY)
    refused = await provider.acquire()
    provider.invalidate(refused)
    assert (await provider.acquire()).value == "token-2"
    stored = await store.load(KEY)
    assert stored is not None
    assert stored.access_token == "token-2"


async def test_a_refused_token_is_forgotten_at_close_at_the_latest(
    endpoint: Endpoint, clock: ManualClock
) -> None:
    store = MemoryTokenStore(clock)
    provider = TokenProvider(endpoint, clock=clock, store=store, key=KEY)
    provider.invalidate(await provider.acquire())
    await provider.aclose()
    assert await store.load(KEY) is None


async def test_a_token_another_process_left_survives_the_complaint_about_ours(
    endpoint: Endpoint, new_endpoint: Callable[[], Endpoint], clock: ManualClock
) -> None:
    store = MemoryTokenStore(clock)
    other_endpoint = new_endpoint()
    ours = TokenProvider(endpoint, clock=clock, store=store, key=KEY)
    theirs = TokenProvider(other_endpoint, clock=clock, store=store, key=KEY)
    refused = await ours.acquire()
    theirs.invalidate(await theirs.acquire())
    other_endpoint.answers.append(TokenGrant(access_token="theirs", expires_in=3600))
    await theirs.acquire()
    ours.invalidate(refused)
    assert (await ours.acquire()).value == "theirs"
    assert (endpoint.calls, other_endpoint.calls) == (1, 1)


async def test_a_token_refused_while_it_was_being_saved_is_not_handed_out(
    endpoint: Endpoint, clock: ManualClock, settle: Settle
) -> None:
    class SlowStore(MemoryTokenStore):
        saving = asyncio.Event()

        async def save(self, key: str, token: object) -> None:
            await self.saving.wait()
            await super().save(key, token)  # type: ignore[arg-type]  # passed on as it came

    store = SlowStore(clock)
    provider = TokenProvider(endpoint, clock=clock, store=store, key=KEY)
    early = await provider.acquire()  # nobody waits for the store
    provider.invalidate(early)
    waiting = asyncio.create_task(provider.acquire())
    await settle()
    assert not waiting.done()
    store.saving.set()
    assert (await waiting).value == "token-2"
