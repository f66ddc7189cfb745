"""The contract of token stores: derive from it, give it stores, and the tests say whether they keep it.

    class TestMine(TokenStoreContract):
        @pytest.fixture
        async def new_store(self) -> AsyncIterator[Callable[[], TokenStore]]:
            ...

Each call gives a store of its own, as another process has one, on the same tokens, which begin empty.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Callable
from typing import TypeAlias

from tests.auth.conftest import Endpoint
from voucher_async import StoredToken, SystemClock, TokenStore
from voucher_async.auth import TokenProvider

__all__ = ["NewStore", "TokenStoreContract", "token"]

NewStore: TypeAlias = Callable[[], TokenStore]

KEY = "a" * 64
OTHER_KEY = "b" * 64
SHORT = 0.05  # seconds
LONG = 60.0
TURNS = 40  # of the event loop; more than any claim on a loopback needs to be sent


def token(value: str = "one", left: float = 3600, lifetime: float = 3600) -> StoredToken:
    ends = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=left)
    return StoredToken(access_token=value, expires_at=ends, lifetime=lifetime)


async def value_of(store: TokenStore, key: str = KEY) -> str | None:
    found = await store.load(key)
    return None if found is None else found.access_token


async def leased(store: TokenStore, patience: float = 10.0) -> str:
    """The lease, once it can be had."""
    ends = time.monotonic() + patience
    while (lease := await store.lease(KEY, LONG)) is None:
        assert time.monotonic() < ends, "the lease is held by nobody"
        await asyncio.sleep(0.005)
    return lease


class TokenContract:
    """Tokens are kept, replaced, forgotten and left behind."""

    async def test_what_was_never_saved_is_not_there(self, new_store: NewStore) -> None:
        assert await new_store().load(KEY) is None

    async def test_a_token_is_read_by_another_process(self, new_store: NewStore) -> None:
        saved = token(left=1000)
        await new_store().save(KEY, saved)
        loaded = await new_store().load(KEY)
        assert loaded is not None
        assert (loaded.access_token, loaded.lifetime) == ("one", 3600)
        assert abs((loaded.expires_at - saved.expires_at).total_seconds()) < 2

    async def test_the_latest_token_is_kept(self, new_store: NewStore) -> None:
        store = new_store()
        await store.save(KEY, token("one"))
        await store.save(KEY, token("two"))
        assert await value_of(new_store()) == "two"

    async def test_keys_are_apart(self, new_store: NewStore) -> None:
        store = new_store()
        await store.save(KEY, token("one"))
        assert await value_of(store, OTHER_KEY) is None
        assert await store.lease(KEY, LONG)
        assert await store.lease(OTHER_KEY, LONG)

    async def test_a_token_is_forgotten_when_it_still_is_this_one(self, new_store: NewStore) -> None:
        store = new_store()
        await store.discard(KEY, "one")
        await store.save(KEY, token("one"))
        await store.discard(KEY, "another")
        assert await value_of(store) == "one"
        await new_store().discard(KEY, "one")
        assert await value_of(store) is None

    async def test_a_token_that_has_expired_is_of_no_use(self, new_store: NewStore) -> None:
        store = new_store()
        await store.save(KEY, token(left=-10))
        loaded = await store.load(KEY)
        assert loaded is None or loaded.expires_at < dt.datetime.now(dt.UTC)

    async def test_a_token_can_be_of_any_visible_characters(self, new_store: NewStore) -> None:
        odd = "".join(map(chr, range(0x21, 0x7F))) * 40
        store = new_store()
        await store.save(KEY, token(odd))
        assert await value_of(store) == odd
        await store.discard(KEY, odd)
        assert await value_of(store) is None


class LeaseContract:
    """One at a time has the right to request a token, and nobody for ever."""

    async def test_one_of_many_gets_the_lease(self, new_store: NewStore) -> None:
        stores = [new_store() for _ in range(3)]
        leases = await asyncio.gather(*(store.lease(KEY, LONG) for store in stores for _ in range(5)))
        assert len([lease for lease in leases if lease]) == 1

    async def test_a_lease_is_free_again_when_it_was_given_back(self, new_store: NewStore) -> None:
        store, other = new_store(), new_store()
        lease = await store.lease(KEY, LONG)
        assert lease
        assert await other.lease(KEY, LONG) is None
        await store.release(KEY, lease)
        second = await other.lease(KEY, LONG)
        assert second not in {None, "", lease}

    async def test_a_lease_of_others_is_left_alone(self, new_store: NewStore) -> None:
        store = new_store()
        await store.release(KEY, "never claimed")
        assert await store.lease(KEY, LONG)
        await new_store().release(KEY, "somebody else's")
        assert await store.lease(KEY, LONG) is None

    async def test_a_lease_ends_by_itself(self, new_store: NewStore) -> None:
        store = new_store()
        first = await store.lease(KEY, SHORT)
        assert first
        second = await leased(new_store())
        await store.release(KEY, first)  # its former owner has no say any more
        assert await store.lease(KEY, LONG) is None
        await store.release(KEY, second)

    async def test_a_token_and_a_lease_leave_each_other_alone(self, new_store: NewStore) -> None:
        store = new_store()
        lease = await store.lease(KEY, LONG)
        assert lease
        await store.save(KEY, token("one"))
        assert await store.lease(KEY, LONG) is None
        await store.release(KEY, lease)
        assert await value_of(store) == "one"
        assert await store.lease(KEY, LONG)
        await store.discard(KEY, "one")
        assert await store.lease(KEY, LONG) is None

    async def test_a_claim_that_is_cancelled_at_any_moment_is_held_by_nobody(
        self, new_store: NewStore
    ) -> None:
        store = new_store()
        await store.release(KEY, await leased(store))  # it is connected
        for turns in range(TURNS):
            claim = asyncio.create_task(store.lease(KEY, LONG))
            for _ in range(turns):
                await asyncio.sleep(0)
            claim.cancel()
            await asyncio.wait({claim})
            # the claim of the turn before may still be on its way to the server, and hold it for a moment
            if not claim.cancelled() and (lease := claim.result()):
                await store.release(KEY, lease)
            await store.release(KEY, await leased(store))


class SharingContract:
    """Clients of several processes share one token."""

    async def test_one_request_for_all_and_one_for_each_renewal(self, new_store: NewStore) -> None:
        endpoint = Endpoint()
        providers = [
            TokenProvider(endpoint, clock=SystemClock(), store=new_store(), key=KEY) for _ in range(4)
        ]
        for number in (1, 2):
            tokens = await asyncio.gather(*(each.acquire() for each in providers for _ in range(5)))
            assert {each.value for each in tokens} == {f"token-{number}"}
            assert endpoint.calls == number
            for each, current in zip(providers, tokens[::5], strict=True):
                each.invalidate(current)
        for each in providers:
            await each.aclose()
        assert endpoint.calls == 2
        assert await value_of(new_store()) is None  # the second one was refused, too


class TokenStoreContract(TokenContract, LeaseContract, SharingContract):
    """All of it."""
