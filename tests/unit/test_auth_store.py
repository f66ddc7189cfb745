"""What is kept in a token store, and the store of one process."""

from __future__ import annotations

import datetime as dt

import pytest

from voucher_async.auth import MemoryTokenStore, StoredToken, TokenStore, store_key
from voucher_async.clock import ManualClock

SECRET = "tok-5ecre7"
LATER = dt.datetime(2026, 1, 1, 13, tzinfo=dt.UTC)
URL = "https://vouchers.example/oauth/token"


def stored(value: str = SECRET) -> StoredToken:
    return StoredToken(access_token=value, expires_at=LATER, lifetime=3600)


def test_a_stored_token_survives_json() -> None:
    assert StoredToken.from_json(stored().to_json()) == stored()
    assert StoredToken.from_json(stored().to_json().encode()) == stored()


@pytest.mark.parametrize(
    "text",
    [
        f'{{"access_token": "{SECRET}"}}',
        f'{{"access_token": "{SECRET}", "expires_at": "{SECRET}", "lifetime": 1}}',
        f'{{"access_token": "{SECRET}", "expires_at": "2026-01-01T00:00:00", "lifetime": 1}}',
        f'{{"access_token": "{SECRET}", "expires_at": "2026-01-01T00:00:00Z", "lifetime": "{SECRET}"}}',
        f'{{"access_token": "{SECRET}", "expires_at": 1, "lifetime": 1}}',
        f'{{"access_token": "{SECRET}\\r\\nX: y", "expires_at": "2026-01-01T00:00:00Z", "lifetime": 1}}',
        '{"access_token": 7, "expires_at": "2026-01-01T00:00:00Z", "lifetime": 1}',
        f'["{SECRET}"]',
        *(
            f'{{"access_token": "{SECRET}", "expires_at": "2026-01-01T00:00:00Z", "lifetime": {lifetime}}}'
            for lifetime in ["NaN", "Infinity", "-1", "0", "true", "null", "[]", "9" * 400, "9" * 5000]
        ),
        f'{{"access_token": "{SECRET}", "expires_at": "2026-01-01T00:00:00Z"}}',
        f'{{"access_token": "{SECRET}\\ud800", "expires_at": "2026-01-01T00:00:00Z", "lifetime": 1}}',
        f'{{"access_token": "{SECRET}", "expires_at": "99999-01-01T00:00:00Z", "lifetime": 1}}',
        "[" * 100_000,
        '{"access_token":' * 100_000,
        SECRET,
        b"\xff\xfe",
        "",
    ],
)
def test_what_is_no_stored_token_is_refused_without_quoting_it(text: str | bytes) -> None:
    with pytest.raises(ValueError, match="not a stored token") as caught:
        StoredToken.from_json(text)
    assert SECRET not in repr(caught.value)
    assert caught.value.__suppress_context__


def test_a_date_without_an_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        StoredToken(access_token=SECRET, expires_at=LATER.replace(tzinfo=None), lifetime=60)


async def test_discard_forgets_only_the_token_named() -> None:
    store = MemoryTokenStore()
    await store.discard("key", SECRET)
    await store.save("key", stored("new"))
    await store.discard("key", SECRET)
    assert await store.load("key") == stored("new")
    await store.discard("key", "new")
    assert await store.load("key") is None


async def test_keys_are_apart() -> None:
    store = MemoryTokenStore()
    await store.save("one", stored())
    assert await store.load("other") is None
    assert await store.lease("one", 5) is not None
    assert await store.lease("other", 5) is not None


async def test_one_at_a_time_holds_the_lease() -> None:
    store = MemoryTokenStore(ManualClock())
    lease = await store.lease("key", 5)
    assert lease
    assert await store.lease("key", 5) is None
    await store.release("key", lease)
    assert await store.lease("key", 5)


async def test_a_lease_ends_by_itself_and_its_late_owner_cannot_end_the_next_one() -> None:
    clock = ManualClock()
    store = MemoryTokenStore(clock)
    late = await store.lease("key", 5)
    assert late
    clock.advance(5)
    assert await store.lease("key", 5)
    await store.release("key", late)
    assert await store.lease("key", 5) is None
    await store.release("unknown", late)


def test_the_memory_store_is_a_token_store() -> None:
    assert isinstance(MemoryTokenStore(), TokenStore)


def test_the_key_tells_clients_apart_and_shows_nothing() -> None:
    keys = {
        store_key(URL, "client"),
        store_key(URL, "other"),
        store_key(f"{URL}2", "client"),
        store_key(URL, "client", []),
        store_key(URL, "client", ["read"]),
        store_key(URL, "client", ["read", "use"]),
        store_key(URL, "client", ["read use"]),
    }
    assert len(keys) == 7
    assert all(len(key) == 64 and "client" not in key for key in keys)


def test_the_order_of_scopes_does_not_matter_to_the_key() -> None:
    assert store_key(URL, "client", ["use", "read"]) == store_key(URL, "client", ("read", "use", "read"))
