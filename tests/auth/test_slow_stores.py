"""A store that is slow, hangs or fails: who waits for it, how long, and how often."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from voucher_async import ConfigurationError, ManualClock, MemoryTokenStore, StoredToken, TokenStoreFailed
from voucher_async.auth import TokenProvider
from voucher_async.auth.claims import Claims
from voucher_async.auth.sharing import StoreVisit

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from tests.auth.conftest import Endpoint

    Settle = Callable[[], Awaitable[None]]

KEY = "key"


class Gated(MemoryTokenStore):
    """A memory store whose operations wait for an event, and are counted."""

    def __init__(self, clock: ManualClock, *waiting: str) -> None:
        super().__init__(clock)
        self.waiting = set(waiting)
        self.gate = asyncio.Event()
        self.asked: list[str] = []

    async def _pass(self, what: str) -> None:
        self.asked.append(what)
        if what in self.waiting:
            await self.gate.wait()

    async def load(self, key: str) -> StoredToken | None:
        await self._pass("load")
        return await super().load(key)

    async def save(self, key: str, token: StoredToken) -> None:
        await self._pass("save")
        await super().save(key, token)

    async def release(self, key: str, lease: str) -> None:
        await self._pass("release")
        await super().release(key, lease)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voucher_async.auth.sharing._PATIENCE", 0.02)


async def test_nobody_waits_for_a_token_to_be_saved(
    endpoint: Endpoint, clock: ManualClock, settle: Settle
) -> None:
    store = Gated(clock, "save")
    provider = TokenProvider(endpoint, clock=clock, store=store, key=KEY)
    tokens = await asyncio.gather(*(provider.acquire() for _ in range(3)))
    assert {token.value for token in tokens} == {"token-1"}
    assert store.asked == ["load", "load", "save"]
    store.gate.set()
    await provider.aclose()
    assert store.asked == ["load", "load", "save", "release"]
    assert await store.load(KEY)


async def test_closing_waits_until_a_token_is_saved(
    endpoint: Endpoint, clock: ManualClock, settle: Settle
) -> None:
    store = Gated(clock, "save")
    provider = TokenProvider(endpoint, clock=clock, store=store, key=KEY)
    await provider.acquire()
    closing = asyncio.create_task(provider.aclose())
    await settle()
    assert not closing.done()
    store.gate.set()
    await closing
    assert await store.load(KEY)
    provider.invalidate("token-1")
    with pytest.raises(ConfigurationError, match="closed"):
        await provider.acquire()


@pytest.mark.usefixtures("impatient")
async def test_a_store_that_hangs_is_left_alone_for_half_a_minute(
    endpoint: Endpoint, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    store = Gated(clock, "load")
    provider = TokenProvider(endpoint, clock=clock, store=store, key=KEY)
    asked = 0
    for seconds, more in ((0, 1), (1, 0), (28.9, 0), (0.2, 1), (29, 0), (1.1, 1)):
        clock.advance(seconds)
        provider.invalidate(await provider.acquire())
        asked += more
        assert store.asked.count("load") == asked, seconds
    assert len(caplog.records) == asked  # not one line for each token
    store.gate.set()
    clock.advance(31)
    await provider.acquire()
    assert store.asked.count("save") == 1
    await provider.aclose()


@pytest.mark.usefixtures("impatient")
async def test_closing_does_not_wait_for_a_store_that_hung(endpoint: Endpoint, clock: ManualClock) -> None:
    store = Gated(clock, "load")
    provider = TokenProvider(endpoint, clock=clock, store=store, key=KEY)
    provider.invalidate(await provider.acquire())
    await provider.aclose()
    assert store.asked == ["load"]


@pytest.mark.parametrize("hangs", ["claim", "give_back"])
async def test_closing_gives_up_a_claim_that_hangs(monkeypatch: pytest.MonkeyPatch, hangs: str) -> None:
    monkeypatch.setattr("voucher_async.auth.claims._LIMIT", 0.05, raising=False)
    claims, asked = Claims(), list[str]()

    async def answer(what: str) -> bool:
        asked.append(what)
        if what == hangs:
            await asyncio.Event().wait()
        raise TokenStoreFailed("the answer was lost")

    async def give_back() -> None:
        await answer("give_back")

    caller = asyncio.create_task(claims.make(lambda: answer("claim"), give_back))
    await asyncio.wait({caller}, timeout=0.05)
    async with asyncio.timeout(10):
        await claims.end()
    assert asked[-1] == hangs
    await asyncio.wait({caller})
    assert caller.cancelled() or isinstance(caller.exception(), TokenStoreFailed)
    assert not {task for task in asyncio.all_tasks() if task.get_name() == "voucher-lease"}


async def test_slow_operations_together_take_no_longer_than_one_that_hangs(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    class Slow(Gated):
        async def load(self, key: str) -> StoredToken | None:
            await asyncio.sleep(0.15)
            return await super().load(key)

    store = Slow(clock)
    visit = StoreVisit(store, KEY, patience=0.2)
    loop = asyncio.get_running_loop()
    began = loop.time()
    for _ in range(20):
        await visit.load()
    assert len(store.asked) < 8
    assert loop.time() - began < 5  # twenty take three seconds, and one that hangs 0.2
    assert [record.getMessage() for record in caplog.records] == [
        "token store: load failed (no answer in time); going on without it"
    ]


async def test_quick_operations_cost_no_patience(clock: ManualClock) -> None:
    store = Gated(clock)
    visit = StoreVisit(store, KEY, patience=0.5)
    for _ in range(200):
        await visit.load()
    assert len(store.asked) == 200


async def test_a_failure_that_has_words_is_logged_with_them(
    endpoint: Endpoint, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    class Full(MemoryTokenStore):
        async def save(self, key: str, token: StoredToken) -> None:
            raise TokenStoreFailed("the server is full")

    provider = TokenProvider(endpoint, clock=clock, store=Full(clock), key=KEY)
    assert (await provider.acquire()).value == "token-1"
    await provider.aclose()
    assert caplog.messages == ["token store: save failed (the server is full); going on without it"]
