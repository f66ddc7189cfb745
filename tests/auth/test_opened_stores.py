"""Token stores by URLs and by a variable: the client opens and closes them."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from voucher_async import (
    ConfigurationError,
    MemoryJournal,
    MemoryTokenStore,
    TokenStoreFailed,
    VoucherClient,
)
from voucher_async.journals.sql import SqlJournal
from voucher_async.testing import VoucherEmulator

PASSWORD = "pa55word"


def tokens_in(file: Path) -> int:
    with closing(sqlite3.connect(file)) as db:
        (count,) = db.execute("SELECT count(access_token) FROM voucher_tokens").fetchone()
        return int(count)


@pytest.mark.parametrize("token_store", ["journal", "sqlite:///tokens.db"])
async def test_workers_that_read_the_variable_share_a_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token_store: str
) -> None:
    monkeypatch.chdir(tmp_path)
    async with VoucherEmulator() as emulator:
        environ = {
            **emulator.environ(),
            "VOUCHER_JOURNAL": "sqlite:///journal.db",
            "VOUCHER_TOKEN_STORE": token_store,
        }
        code = emulator.add_voucher(amount="50.00").code
        for number in range(3):
            async with VoucherClient.from_env(environ) as client:
                await client.redeem(code=code, amount="1.00", currency="EUR", order_number=f"A-{number}")
            store = client._own_token_store
            assert store is not None
            with pytest.raises(TokenStoreFailed, match="closed"):
                await store.load("key")
        assert emulator.requests.count("requestToken") == 1
    assert tokens_in(tmp_path / ("journal.db" if token_store == "journal" else "tokens.db")) == 1


async def test_an_argument_goes_before_the_variable_and_is_not_closed(tmp_path: Path) -> None:
    store = MemoryTokenStore()
    async with VoucherEmulator() as emulator:
        environ = {**emulator.environ(), "VOUCHER_TOKEN_STORE": f"sqlite:///{tmp_path / 'tokens.db'}"}
        async with VoucherClient.from_env(environ, token_store=store) as client:
            await client.vouchers.list().first_page()
            assert client._own_token_store is None
    assert store._tokens
    assert not list(tmp_path.iterdir())


async def test_a_journal_that_is_an_object_gives_its_database(tmp_path: Path) -> None:
    journal = SqlJournal(f"sqlite:///{tmp_path / 'journal.db'}")
    async with (
        VoucherEmulator() as emulator,
        VoucherClient(**emulator.settings(), journal=journal, token_store="journal") as client,
    ):
        await client.vouchers.list().first_page()
    assert await journal.digest_key()
    await journal.aclose()
    assert tokens_in(tmp_path / "journal.db") == 1


def client_with(**parts: object) -> VoucherClient:
    return VoucherClient("id", "secret", environment="sandbox", **parts)  # type: ignore[arg-type]  # odd ones


@pytest.mark.parametrize("journal", [None, MemoryJournal()])
def test_the_journals_database_needs_a_journal_in_one(journal: MemoryJournal | None) -> None:
    with pytest.raises(ConfigurationError, match="needs a journal in a database: set journal= or VOUCHER"):
        client_with(token_store="journal", journal=journal)


@pytest.mark.parametrize(
    "url",
    [PASSWORD, f"memcached://{PASSWORD}@host", f"redis://shop:{PASSWORD}@[::1/0"],
)
def test_what_is_no_url_of_a_store_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        client_with(token_store=url)
    assert PASSWORD not in str(caught.value)


async def test_a_store_in_redis_is_opened_by_its_url() -> None:
    client = client_with(token_store=f"rediss://shop:{PASSWORD}@valkey.internal/0")
    assert repr(client._own_token_store) == "<RedisTokenStore rediss://shop:***@valkey.internal/0>"
    await client.aclose()


def test_the_extra_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    monkeypatch.delitem(sys.modules, "voucher_async.integrations.redis", raising=False)
    with pytest.raises(ConfigurationError, match=r'pip install "voucher-async\[redis\]"'):
        client_with(token_store="redis://127.0.0.1/0")
