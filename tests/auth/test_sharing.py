"""Several clients, one store - and stores that fail."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import pytest

from voucher_async import ConfigurationError, VoucherClient
from voucher_async.api_errors import ServerError
from voucher_async.auth import MemoryTokenStore, StoredToken, TokenProvider
from voucher_async.auth.sharing import StoreVisit
from voucher_async.clock import ManualClock, SystemClock
from voucher_async.events import TokenRefresh

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from tests.auth.conftest import Endpoint

    Settle = Callable[[], Awaitable[None]]

KEY = "key"
SECRET = "tok-5ecre7"


class Recorder(MemoryTokenStore):
    """A memory store that notes what it was asked for, and fails where told."""

    def __init__(self, clock: ManualClock, *, error: BaseException | None = None, only: str = "") -> None:
        super().__init__(clock)
        self.asked: list[str] = []
        self.error = error
        self.only = only

    async def _note(self, what: str) -> None:
        self.asked.append(what)
        if self.error is not None and self.only in {"", what}:
            raise self.error

    async def load(self, key: str) -> StoredToken | None:
        await self._note("load")
        return await super().load(key)

    async def save(self, key: str, token: StoredToken) -> None:
        await self._note("save")
        await super().save(key, token)

    async def discard(self, key: str, access_token: str) -> None:
        await self._note("discard")
        await super().discard(key, access_token)

    async def lease(self, key: str, seconds: float) -> str | None:
        await self._note("lease")
        return await super().lease(key, seconds)

    async def release(self, key: str, lease: str) -> None:
        await self._note("release")
        await super().release(key, lease)


def token_that_lives(clock: ManualClock, seconds: float, value: str = "theirs") -> StoredToken:
    expires_at = clock.now() + dt.timedelta(seconds=seconds)
    return StoredToken(access_token=value, expires_at=expires_at, lifetime=3600)


async def test_two_clients_that_start_cold_together_make_one_request(
    endpoint: Endpoint, settle: Settle
) -> None:
    clock = SystemClock()
    store = MemoryTokenStore(clock)
    events: list[TokenRefresh] = []
    providers = [
        TokenProvider(endpoint, clock=clock, store=store, key=KEY, on_refresh=events.append) for _ in range(2)
    ]
    endpoint.hold()
    callers = [asyncio.create_task(provider.acquire()) for provider in providers for _ in range(100)]
    await settle()
    endpoint.release()
    assert {token.value for token in await asyncio.gather(*callers)} == {"token-1"}
    assert (endpoint.calls, len(events)) == (1, 1)


async def test_a_token_that_appears_between_the_last_look_and_the_lease_is_taken(
    endpoint: Endpoint, clock: ManualClock
) -> None:
    class Racing(MemoryTokenStore):
        async def lease(self, key: str, seconds: float) -> str | None:
            await self.save(key, token_that_lives(clock, 3600))
            return await super().lease(key, seconds)

    store = Racing(clock)
    provider = TokenProvider(endpoint, clock=clock, store=store, key=KEY)
    assert (await provider.acquire()).value == "theirs"
    assert endpoint.calls == 0
    assert await store.lease(KEY, 5)  # the first lease was given back


async def test_when_the_one_with_the_lease_fails_the_next_one_asks(endpoint: Endpoint) -> None:
    clock = ManualClock(skip_sleeps=True)
    store = MemoryTokenStore(clock)
    one, other = (TokenProvider(endpoint, clock=clock, store=store, key=KEY) for _ in range(2))
    endpoint.answers.append(ServerError("the server failed", status=500))
    results = await asyncio.gather(one.acquire(), other.acquire(), return_exceptions=True)
    assert isinstance(results[0], ServerError)
    assert getattr(results[1], "value", None) == "token-2"
    assert endpoint.most_at_once == 1


async def test_when_the_lease_does_not_end_the_others_go_on_after_twelve_seconds(
    endpoint: Endpoint,
) -> None:
    clock = ManualClock(skip_sleeps=True)
    store = MemoryTokenStore(clock)
    await store.lease(KEY, 3600)
    provider = TokenProvider(endpoint, clock=clock, store=store, key=KEY)
    assert (await provider.acquire()).value == "token-1"
    assert clock.monotonic() == pytest.approx(12, abs=0.2)
    assert await store.load(KEY)


async def test_a_cancelled_request_gives_its_lease_back(
    endpoint: Endpoint, clock: ManualClock, settle: Settle
) -> None:
    store = MemoryTokenStore(clock)
    provider = TokenProvider(endpoint, clock=clock, store=store, key=KEY)
    endpoint.hold()
    caller = asyncio.create_task(provider.acquire())
    await settle()
    assert await store.lease(KEY, 5) is None
    await provider.aclose()
    await asyncio.wait([caller])
    assert caller.exception()
    assert await store.lease(KEY, 5)


async def test_an_early_refresh_takes_the_newer_token_of_another_process(
    endpoint: Endpoint, clock: ManualClock, settle: Settle
) -> None:
    store = MemoryTokenStore(clock)
    provider = TokenProvider(endpoint, clock=clock, store=store, key=KEY)
    await provider.acquire()
    clock.advance(3400)
    await store.save(KEY, token_that_lives(clock, 3600))
    provider.current()
    await settle()
    token = provider.current()
    assert token is not None
    assert (token.value, endpoint.calls) == ("theirs", 1)


@pytest.mark.parametrize("left", [-3600, 0, 29, 150])
async def test_a_stored_token_that_is_no_better_is_not_taken(
    endpoint: Endpoint, clock: ManualClock, settle: Settle, left: float
) -> None:
    store = MemoryTokenStore(clock)
    provider = TokenProvider(endpoint, clock=clock, store=store, key=KEY)
    await provider.acquire()
    clock.advance(3400)  # 200 seconds left
    await store.save(KEY, token_that_lives(clock, left))
    provider.current()
    await settle()
    token = provider.current()
    assert token is not None
    assert (token.value, endpoint.calls) == ("token-2", 2)


@pytest.mark.parametrize(("left", "value"), [(-3600, "token-1"), (29, "token-1"), (31, "theirs")])
async def test_a_cold_start_takes_a_stored_token_until_its_hard_threshold(
    endpoint: Endpoint, clock: ManualClock, left: float, value: str
) -> None:
    store = MemoryTokenStore(clock)
    await store.save(KEY, token_that_lives(clock, left))
    provider = TokenProvider(endpoint, clock=clock, store=store, key=KEY)
    assert (await provider.acquire()).value == value


async def test_an_early_refresh_does_not_take_its_own_token_for_a_new_one(
    endpoint: Endpoint, clock: ManualClock, settle: Settle
) -> None:
    store = MemoryTokenStore(clock)
    provider = TokenProvider(endpoint, clock=clock, store=store, key=KEY)
    own = await provider.acquire()
    clock.advance(3400)
    await store.save(KEY, token_that_lives(clock, 3600, own.value))
    provider.current()
    await settle()
    assert endpoint.calls == 2


async def test_a_refused_token_that_the_store_still_holds_is_not_taken(
    endpoint: Endpoint, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    store = Recorder(clock, error=OSError(), only="discard")
    provider = TokenProvider(endpoint, clock=clock, store=store, key=KEY)
    provider.invalidate(await provider.acquire())
    assert (await provider.acquire()).value == "token-2"
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@pytest.mark.parametrize("only", ["", "load", "save", "lease", "release"])
@pytest.mark.parametrize(
    "error", [OSError(SECRET), ValueError(SECRET), TimeoutError(SECRET), asyncio.CancelledError(SECRET)]
)
async def test_a_store_that_fails_never_fails_a_call(
    endpoint: Endpoint,
    caplog: pytest.LogCaptureFixture,
    error: BaseException,
    only: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    clock = ManualClock(skip_sleeps=True)  # virtual sleeps: a lease that cannot be given back has to expire
    provider = TokenProvider(endpoint, clock=clock, store=Recorder(clock, error=error, only=only), key=KEY)
    assert (await provider.acquire()).value == "token-1"
    provider.invalidate("token-1")
    assert (await provider.acquire()).value == "token-2"
    provider.invalidate("token-2")
    await provider.aclose()
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warnings
    assert all(text.startswith("token store: ") for text in warnings)
    assert not any(word in caplog.text for word in (SECRET, "token-1", "token-2"))


async def test_a_store_that_hangs_is_given_up_and_left_alone_for_the_rest_of_the_visit(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    class Hanging(Recorder):
        async def load(self, key: str) -> StoredToken | None:
            await super().load(key)
            await asyncio.Event().wait()
            return None

    store = Hanging(clock)
    visit = StoreVisit(store, KEY, patience=0.01)
    assert await visit.load() is None
    assert await visit.lease() == ""
    await visit.save(token_that_lives(clock, 60))
    assert store.asked == ["load"]
    assert [record.getMessage() for record in caplog.records] == [
        "token store: load failed (no answer in time); going on without it"
    ]


async def test_cancelling_a_request_that_waits_for_its_store_cancels_it(
    endpoint: Endpoint, clock: ManualClock, settle: Settle
) -> None:
    class Hanging(MemoryTokenStore):
        async def load(self, key: str) -> StoredToken | None:
            await asyncio.Event().wait()
            return await super().load(key)

    provider = TokenProvider(endpoint, clock=clock, store=Hanging(clock), key=KEY)
    caller = asyncio.create_task(provider.acquire())
    await settle()
    await provider.aclose()
    await asyncio.wait([caller])
    assert caller.exception()
    assert (endpoint.calls, asyncio.all_tasks()) == (0, {asyncio.current_task()})


async def test_a_store_with_a_token_is_read_once_and_not_written(
    endpoint: Endpoint, clock: ManualClock
) -> None:
    store = Recorder(clock)
    await MemoryTokenStore.save(store, KEY, token_that_lives(clock, 3600))
    provider = TokenProvider(endpoint, clock=clock, store=store, key=KEY)
    tokens = await asyncio.gather(*(provider.acquire() for _ in range(100)))
    assert {token.value for token in tokens} == {"theirs"}
    assert store.asked == ["load"]


async def _a_coroutine() -> None:
    """What nobody awaits."""


def _unpickled(**fields: object) -> StoredToken:
    """A token as an unpickler makes it, without asking the class."""
    token = object.__new__(StoredToken)
    values = {
        "access_token": "theirs",
        "expires_at": dt.datetime.max.replace(tzinfo=dt.UTC),
        "lifetime": 60.0,
    }
    for name, value in {**values, **fields}.items():
        object.__setattr__(token, name, value)
    return token


NONSENSE: dict[str, Callable[[], object]] = {
    "text": lambda: SECRET,
    "bytes": SECRET.encode,
    "dict": lambda: {"access_token": SECRET},
    "true": lambda: True,
    "zero": lambda: 0,
    "object": object,
    "class": lambda: StoredToken,
    "coroutine": _a_coroutine,
    "naive": lambda: _unpickled(expires_at=dt.datetime(2126, 1, 1)),  # noqa: DTZ001 - the naive one is the point
    "no date": lambda: _unpickled(expires_at="2126-01-01T00:00:00Z"),
    "no token": lambda: _unpickled(access_token=f"{SECRET}\r\n"),
    "no lifetime": lambda: _unpickled(lifetime="60"),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", NONSENSE)
async def test_a_store_that_gives_nonsense_never_fails_a_call(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    class Odd(MemoryTokenStore):
        async def load(self, key: str) -> Any:
            return NONSENSE[kind]()

    clock = ManualClock(skip_sleeps=True)
    provider = TokenProvider(endpoint, clock=clock, store=Odd(clock), key=KEY)
    assert (await provider.acquire()).value == "token-1"
    await provider.aclose()
    assert caplog.records[0].getMessage().startswith("token store: load failed (it gave a ")
    assert SECRET not in caplog.text


@pytest.mark.parametrize("lease", [True, 5, b"lease", "", object()])
async def test_a_lease_that_is_none_is_not_given_back(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture, lease: object
) -> None:
    class Odd(Recorder):
        async def lease(self, key: str, seconds: float) -> Any:
            await super().lease(key, seconds)
            return lease

    clock = ManualClock(skip_sleeps=True)
    store = Odd(clock)
    provider = TokenProvider(endpoint, clock=clock, store=store, key=KEY)
    assert (await provider.acquire()).value == "token-1"
    await provider.aclose()
    assert "release" not in store.asked
    assert "token store: lease failed (it gave a " in caplog.text


async def test_a_store_that_is_not_async_is_gone_on_without(
    endpoint: Endpoint, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    class Plain:
        def __getattr__(self, name: str) -> Callable[..., object]:
            return lambda *_: None

    provider = TokenProvider(endpoint, clock=clock, store=cast("Any", Plain()), key=KEY)
    assert (await provider.acquire()).value == "token-1"
    assert "token store: load failed (it gave a NoneType that cannot be awaited)" in caplog.text


@pytest.mark.parametrize(
    ("store", "reason"),
    [
        (MemoryTokenStore, "MemoryTokenStore is a class"),
        ({}, "dict has no method load, save, discard, lease, release"),
        ("redis:/", r"\*\*\* is neither"),
    ],
)
def test_what_can_be_no_store_is_refused_when_the_client_is_made(store: Any, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^token_store: {reason}"):
        VoucherClient("id", "secret", environment="sandbox", token_store=store)


def test_what_can_be_no_lock_is_refused_when_the_client_is_made() -> None:
    lock: Any = asyncio.Lock()
    with pytest.raises(ConfigurationError, match=r"^voucher_lock: Lock has no method hold"):
        VoucherClient("id", "secret", environment="sandbox", voucher_lock=lock)
