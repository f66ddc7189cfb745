"""A Valkey that is down, stands still, is full, read-only or emptied: slower, and never wrong."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.integrations.valkey_servers import Valkey, server
from voucher_async import StoredToken, TokenStoreFailed, VoucherClient
from voucher_async.integrations.redis import PREFIX, RedisTokenStore
from voucher_async.testing import VoucherEmulator

__all__ = ["server"]

CLIENTS = 3
PATIENCE = 2.0  # seconds that a store is waited for
BUSY = 8.0  # seconds that a busy machine may take beside


@pytest.fixture
def valkey(server: Valkey) -> Valkey:
    """An empty one, without the connections of former tests."""
    server.kill()
    server.start()
    return server


class Shop:
    """Some clients that share a token as processes do: each has a store of its own.

    Attributes:
        emulator: the API.
        stores: one for each client.
        clients: the clients.
    """

    def __init__(self, emulator: VoucherEmulator, url: str) -> None:
        self.emulator = emulator
        self.stores = [RedisTokenStore.from_url(url) for _ in range(CLIENTS)]
        self.clients = [VoucherClient(**emulator.settings(), token_store=store) for store in self.stores]
        self._codes = [emulator.add_voucher(amount="50.00").code for _ in self.clients]
        self._orders = 0

    async def pay(self) -> float:
        """Pay once by each client at once; the seconds that the last of them took."""
        self._orders += 1
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number, (client, code) in enumerate(zip(self.clients, self._codes, strict=True)):
                order = f"A-{self._orders}-{number}"
                group.create_task(client.redeem(code=code, amount="1.00", currency="EUR", order_number=order))
        paid = len(self.emulator.charges())
        assert paid == self._orders * CLIENTS
        return time.monotonic() - began

    async def pay_with_new_tokens(self) -> float:
        """The same once all tokens were revoked."""
        self.emulator.revoke_tokens()
        return await self.pay()

    @property
    def fetches(self) -> int:
        """The number of tokens that were asked for since the last time."""
        count = self.emulator.requests.count("requestToken")
        self.emulator.requests.clear()
        return count


@pytest.fixture
async def shop(valkey: Valkey) -> AsyncIterator[Shop]:
    async with AsyncExitStack() as stack:
        emulator = await stack.enter_async_context(VoucherEmulator())
        shop = Shop(emulator, valkey.url)
        for store in shop.stores:
            stack.push_async_callback(store.aclose)
        for client in shop.clients:
            await stack.enter_async_context(client)
        yield shop


def warnings(caplog: pytest.LogCaptureFixture) -> set[str]:
    return {record.getMessage() for record in caplog.records if record.levelname == "WARNING"}


async def test_one_token_for_all_and_one_more_when_it_is_revoked(shop: Shop) -> None:
    await shop.pay()
    assert shop.fetches == 1
    await shop.pay_with_new_tokens()
    assert shop.fetches == 1


async def test_a_server_that_is_down_costs_a_token_for_each_client(
    valkey: Valkey, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    valkey.kill()
    assert await shop.pay() < PATIENCE + BUSY
    assert shop.fetches == CLIENTS
    assert "token store: load failed (the server cannot be reached" in "".join(warnings(caplog))


async def test_a_server_that_was_restarted_empty_is_used_again(valkey: Valkey, shop: Shop) -> None:
    await shop.pay()
    valkey.kill()
    await shop.pay()
    assert shop.fetches == 1  # a token in use needs no store
    valkey.start()
    await shop.pay_with_new_tokens()
    assert shop.fetches == 1


async def test_a_server_that_stands_still_is_waited_for_once(
    valkey: Valkey, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    valkey.stop()
    assert PATIENCE <= await shop.pay() < PATIENCE + BUSY
    assert shop.fetches == CLIENTS
    assert warnings(caplog) == {"token store: load failed (no answer in time); going on without it"}
    caplog.clear()
    for _ in range(3):
        await shop.pay_with_new_tokens()
    assert shop.fetches == 3 * CLIENTS
    assert warnings(caplog) == set()  # it was left alone
    valkey.go_on()
    assert valkey.run("EXISTS", f"{PREFIX}lease") == 0


async def test_a_server_that_stands_still_while_it_is_asked_for_the_lease(valkey: Valkey) -> None:
    store = RedisTokenStore.from_url(valkey.url)
    assert await store.load("key") is None
    valkey.stop()
    with pytest.raises(TimeoutError, match="no answer in time"):
        await store.lease("key", 60)
    valkey.go_on()
    # it carries out what was sent: the claim, and then, on another connection, what gives it back
    ends = time.monotonic() + BUSY
    while (lease := await store.lease("key", 60)) is None:
        assert time.monotonic() < ends
    await store.release("key", lease)
    await store.aclose()


async def test_a_server_that_is_full_costs_a_token_for_each_client(
    valkey: Valkey, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    valkey.run("CONFIG", "SET", "maxmemory", "1")
    assert await shop.pay() < BUSY
    assert shop.fetches == CLIENTS
    assert warnings(caplog) >= {
        f"token store: {what} failed (the server is full: raise its maxmemory, or let it evict keys "
        "(maxmemory-policy)); going on without it"
        for what in ("lease", "save")
    }
    valkey.run("CONFIG", "SET", "maxmemory", "0")
    await shop.pay_with_new_tokens()
    assert shop.fetches == 1


async def test_a_replica_costs_a_token_for_each_client_until_it_is_the_primary(
    valkey: Valkey, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    valkey.run("REPLICAOF", "127.0.0.1", 9)
    assert await shop.pay() < BUSY
    assert shop.fetches == CLIENTS
    assert "lease failed (the server is a read-only replica" in "".join(warnings(caplog))
    valkey.run("REPLICAOF", "NO", "ONE")
    await shop.pay_with_new_tokens()
    assert shop.fetches == 1


async def test_a_server_that_was_emptied_is_not_noticed(valkey: Valkey, shop: Shop) -> None:
    await shop.pay()
    valkey.run("FLUSHALL")
    await shop.pay()
    assert shop.fetches == 1
    await shop.pay_with_new_tokens()
    assert shop.fetches == 1


def _kill(valkey: Valkey) -> None:
    valkey.kill()


def _fill(valkey: Valkey) -> None:
    valkey.run("CONFIG", "SET", "maxmemory", "1")


@pytest.mark.parametrize("harm", [_kill, _fill])
async def test_an_error_of_the_server_shows_no_token(
    valkey: Valkey, tmp_path: Path, harm: Callable[[Valkey], None]
) -> None:
    from tests.auth.contract import token
    from tests.frame_locals import shown_locals

    store = RedisTokenStore.from_url(valkey.url)
    secret: StoredToken = token("tok-5ecre7")
    await store.save("key", secret)
    harm(valkey)
    with pytest.raises(TokenStoreFailed) as caught:
        await store.save("key", secret)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert "tok-5ecre7" not in "".join([str(caught.value), *shown_locals(caught.value)])
    await store.aclose()
