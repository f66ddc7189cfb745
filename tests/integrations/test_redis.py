"""One token for all workers in Valkey: what is stored, for how long, by whose client, and what is shown."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis
from redis.asyncio import Redis

from tests.auth.contract import KEY, LONG, NewStore, TokenStoreContract, token, value_of
from tests.frame_locals import shown_locals
from tests.integrations.valkey_servers import Valkey, server
from voucher_async import ConfigurationError, TokenStore, TokenStoreFailed, VoucherClient
from voucher_async.integrations.redis import PREFIX, RedisTokenStore
from voucher_async.testing import VoucherEmulator

__all__ = ["server"]

SECRET = "tok-5ecre7"
PASSWORD = "pa55word"


@pytest.fixture
def valkey(server: Valkey) -> Valkey:
    server.run("FLUSHALL")
    return server


@pytest.fixture
async def store(valkey: Valkey) -> AsyncIterator[RedisTokenStore]:
    store = RedisTokenStore.from_url(valkey.url)
    yield store
    await store.aclose()


class TestRedis(TokenStoreContract):
    """Stores that connect by themselves, and stores with a client of their caller, of each kind."""

    @pytest.fixture
    async def new_store(self, valkey: Valkey) -> AsyncIterator[NewStore]:
        clients = [Redis.from_url(valkey.url, decode_responses=texts) for texts in (True, False)]
        stores: list[RedisTokenStore] = []

        def new() -> TokenStore:
            number = len(stores) % 3
            own = RedisTokenStore.from_url(valkey.url)
            stores.append(RedisTokenStore(clients[number]) if number < 2 else own)
            return stores[-1]

        yield new
        for store in stores:
            await store.aclose()
        for client in clients:
            assert await client.execute_command("PING")  # it is its caller's: still open
            await client.aclose()


async def test_a_token_lives_in_the_server_as_long_as_it_is_good(
    valkey: Valkey, store: RedisTokenStore
) -> None:
    await store.save(KEY, token(left=100))
    assert 90_000 < valkey.run("PTTL", PREFIX + KEY) <= 100_000
    assert json.loads(valkey.run("GET", PREFIX + KEY))["access_token"] == "one"
    await store.save(KEY, token(left=10_000, lifetime=100))  # by a clock that is behind
    assert 90_000 < valkey.run("PTTL", PREFIX + KEY) <= 100_000
    assert await store.lease(KEY, 10)
    assert 0 < valkey.run("PTTL", f"{PREFIX}{KEY}:lease") <= 10_000
    assert sorted(valkey.run("KEYS", "*")) == [PREFIX + KEY, f"{PREFIX}{KEY}:lease"]


async def test_the_servers_clock_counts_and_not_that_of_a_worker(
    valkey: Valkey, store: RedisTokenStore
) -> None:
    await store.save(KEY, token(left=3600))
    valkey.run("PEXPIRE", PREFIX + KEY, 600_000)
    loaded = await store.load(KEY)
    assert loaded is not None
    assert (loaded.expires_at - token(left=0).expires_at).total_seconds() == pytest.approx(600, abs=5)
    valkey.run("PERSIST", PREFIX + KEY)
    loaded = await store.load(KEY)
    assert loaded is not None
    assert (loaded.expires_at - token(left=0).expires_at).total_seconds() == pytest.approx(3600, abs=30)


async def test_a_prefix_keeps_shops_apart(valkey: Valkey, store: RedisTokenStore) -> None:
    other = RedisTokenStore.from_url(valkey.url, prefix="shop-b:")
    await other.save(KEY, token())
    assert await store.load(KEY) is None
    assert valkey.run("KEYS", "*") == [f"shop-b:{KEY}"]
    await other.aclose()


@pytest.mark.parametrize("value", ["", "{}", '"tok-5ecre7"', '{"access_token": "tok-5ecre7"}', "tok-5ecre7"])
async def test_what_others_have_put_there_is_refused_and_not_shown(
    valkey: Valkey, store: RedisTokenStore, value: str
) -> None:
    valkey.run("SET", PREFIX + KEY, value)
    for work in (store.load(KEY), store.discard(KEY, SECRET)):
        with pytest.raises(TokenStoreFailed, match="holds something else than a token") as caught:
            await work
        assert SECRET not in "".join([str(caught.value), *shown_locals(caught.value)])
    assert valkey.run("GET", PREFIX + KEY) == value
    await store.save(KEY, token())
    assert await value_of(store) == "one"


@pytest.mark.parametrize("command", ["SET", "LPUSH"])
async def test_a_lease_without_an_end_is_nobodys(
    valkey: Valkey, store: RedisTokenStore, command: str
) -> None:
    valkey.run(command, f"{PREFIX}{KEY}:lease", "restored by a tool that knows no ends")
    lease = await store.lease(KEY, 10)
    assert lease
    assert 0 < valkey.run("PTTL", f"{PREFIX}{KEY}:lease") <= 10_000
    assert await store.lease(KEY, 10) is None
    await store.release(KEY, lease)


async def test_clients_share_a_token_and_the_server_is_asked_five_times(
    valkey: Valkey, store: RedisTokenStore
) -> None:
    valkey.run("CONFIG", "RESETSTAT")
    async with VoucherEmulator() as emulator:
        code = emulator.add_voucher(amount="50.00").code
        for number in range(3):
            async with VoucherClient(**emulator.settings(), token_store=store) as client:
                for time in range(2):
                    order = f"A-{number}-{time}"
                    await client.redeem(code=code, amount="1.00", currency="EUR", order_number=order)
        assert emulator.requests.count("requestToken") == 1
    calls = valkey.calls()
    # the first client looks, claims, looks again, saves and gives back, each other one looks; a claim's own
    # SET is counted, too
    assert (calls["eval"], calls["set"]) == (4 + 2, 1 + 1)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://shop:pa55word@host", "not 'http://shop:***@host'"),
        ("redis://shop:pa55word@host:port/0", "not 'redis://shop:***@host:port/0'"),
        ("redis://shop:pa55word@[::1/0", "looks like"),
        ("redis://host?socket_timeout=soon", "looks like"),
        ("redis://host/0?sokcet_timeout=1", "looks like"),
        ("", "looks like"),
    ],
)
def test_what_is_no_url_is_refused_without_its_password(url: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        RedisTokenStore.from_url(url)
    assert words in str(caught.value)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert PASSWORD not in "".join(shown_locals(caught.value))


@pytest.mark.parametrize("client", [redis.Redis(), None, "redis://host", Redis])
def test_what_is_no_asynchronous_client_is_refused(client: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"is no client of redis\.asyncio"):
        RedisTokenStore(client)


def test_a_password_is_not_shown() -> None:
    store = RedisTokenStore.from_url(f"rediss://shop:{PASSWORD}@valkey.internal/0")
    assert repr(store) == "<RedisTokenStore rediss://shop:***@valkey.internal/0>"
    given = RedisTokenStore(Redis(password=PASSWORD))
    assert repr(given) == "<RedisTokenStore by a client of redis>"


@pytest.mark.parametrize(
    ("user", "words"),
    [("shop:wrong-pa55word", "refuses the login"), ("reader:pa55word", "may not do that: allow it GET, SET")],
)
async def test_rights_that_are_missing_are_named_and_no_secret_is(
    valkey: Valkey, user: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    valkey.run("ACL", "SETUSER", "reader", "on", f">{PASSWORD}", "~*", "+get", "+client", "+hello", "+select")
    store = RedisTokenStore.from_url(valkey.url.replace("//", f"//{user}@"))
    for work in (store.save(KEY, token(SECRET)), store.load(KEY), store.lease(KEY, 10)):
        with pytest.raises(TokenStoreFailed, match=words) as caught:
            await work
        assert (caught.value.__cause__, caught.value.__context__) == (None, None)
        shown = "".join([str(caught.value), *shown_locals(caught.value)])
        assert not [secret for secret in (SECRET, PASSWORD) if secret in shown]
    await store.aclose()
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize("number", ["", "/1"])
async def test_a_user_with_the_rights_of_the_page_can_do_all(valkey: Valkey, number: str) -> None:
    rights = ("~voucher_async:token:*", "+get", "+set", "+del", "+pttl", "+eval", "+select")
    valkey.run("ACL", "SETUSER", "tokens", "reset", "on", f">{PASSWORD}", *rights)
    store = RedisTokenStore.from_url(valkey.url.replace("//", f"//tokens:{PASSWORD}@") + number)
    lease = await store.lease(KEY, LONG)
    assert lease
    await store.save(KEY, token())
    assert await value_of(store) == "one"
    await store.release(KEY, lease)
    await store.discard(KEY, "one")
    assert await store.load(KEY) is None
    await store.aclose()


async def test_a_token_is_in_no_log_of_the_server(
    valkey: Valkey, store: RedisTokenStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    await store.save(KEY, token(SECRET))
    assert await value_of(store) == SECRET
    await store.discard(KEY, SECRET)
    assert "Accepted 127.0.0.1" in valkey.log
    assert SECRET not in valkey.log
    assert SECRET not in caplog.text


async def test_a_closed_store_says_so(valkey: Valkey) -> None:
    store = RedisTokenStore.from_url(valkey.url)
    await store.save(KEY, token())
    await store.aclose()
    await store.aclose()
    with pytest.raises(TokenStoreFailed, match="closed"):
        await store.load(KEY)


async def test_a_store_serves_each_event_loop(valkey: Valkey, store: RedisTokenStore) -> None:
    await store.save(KEY, token())
    assert await asyncio.to_thread(lambda: asyncio.run(value_of(store))) == "one"
    assert await asyncio.to_thread(lambda: asyncio.run(value_of(store))) == "one"
    assert await value_of(store) == "one"


async def test_connections_on_another_loop_are_closed_there(valkey: Valkey, store: RedisTokenStore) -> None:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(store.save(KEY, token()), loop).result(10)
    before = valkey.run("CLIENT", "LIST").count("lib-name=redis-py")
    await store.aclose()
    assert valkey.run("CLIENT", "LIST").count("lib-name=redis-py") == before - 1
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


async def test_a_callers_client_on_another_loop_is_refused(valkey: Valkey) -> None:
    client = Redis.from_url(valkey.url)
    store = RedisTokenStore(client)
    await store.save(KEY, token())
    with pytest.raises(TokenStoreFailed, match="another event loop"):
        await asyncio.to_thread(lambda: asyncio.run(value_of(store)))
    assert await value_of(store) == "one"
    await client.aclose()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
@pytest.mark.parametrize("is_given", [False, True])
def test_a_forked_child_goes_on_by_url_and_refuses_its_parents_client(
    valkey: Valkey, *, is_given: bool
) -> None:
    async def both() -> int:
        client = Redis.from_url(valkey.url)
        store = RedisTokenStore(client) if is_given else RedisTokenStore.from_url(valkey.url)
        await store.save(KEY, token())
        child = os.fork()
        if child == 0:
            in_child(store)
        _, ended = await asyncio.to_thread(os.waitpid, child, 0)
        assert await value_of(store) == "one"
        await store.aclose()
        await client.aclose()
        return os.waitstatus_to_exitcode(ended)

    assert asyncio.run(both()) == (3 if is_given else 0)


def in_child(store: TokenStore) -> None:
    """End the process: 0 when the store can be used in it, 3 when it refuses that."""
    asyncio.events._set_running_loop(None)
    status = 1
    try:
        status = 0 if asyncio.run(value_of(store)) == "one" else 2
    except TokenStoreFailed as error:
        status = 3 if "forked" in str(error) else 4
    finally:
        os._exit(status)
