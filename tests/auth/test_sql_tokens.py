"""One token for all workers in the journal's database; and the contract, for the store in memory, too."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.auth.contract import KEY, LONG, NewStore, TokenStoreContract, token, value_of
from tests.frame_locals import shown_locals
from tests.journals.conftest import database, server
from voucher_async import (
    ConfigurationError,
    ManualClock,
    MemoryTokenStore,
    SqlTokenStore,
    StoredToken,
    TokenStore,
    TokenStoreFailed,
    VoucherClient,
)
from voucher_async.journals import batches
from voucher_async.journals.sql import SqlJournal
from voucher_async.testing import VoucherEmulator

if TYPE_CHECKING:
    from tests.journals.postgres import Server

__all__ = ["database", "server"]

SECRET = "tok-5ecre7"


class TestMemory(TokenStoreContract):
    @pytest.fixture
    def new_store(self) -> NewStore:
        store = MemoryTokenStore()
        return lambda: store


class SqlContract(TokenStoreContract):
    """Every other store shares the connections of a journal."""

    @pytest.fixture
    async def new_store(self, url: str) -> AsyncIterator[NewStore]:
        journal = SqlJournal(url)
        stores: list[SqlTokenStore] = []

        def new() -> TokenStore:
            stores.append(SqlTokenStore(journal if len(stores) % 2 else url))
            return stores[-1]

        yield new
        for store in stores:
            await store.aclose()
        await journal.aclose()


class TestSqlite(SqlContract):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path / 'journal.db'}"


class TestPostgresql(SqlContract):
    @pytest.fixture
    def url(self, server: Server, database: str) -> str:
        return server.url(database)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def url(file: Path) -> str:
    return f"sqlite:///{file}"


def rows(file: Path, statement: str) -> list[Any]:
    with closing(sqlite3.connect(file)) as db, db:
        return db.execute(statement).fetchall()


async def test_two_clients_with_one_journal_fetch_one_token(url: str) -> None:
    journal = SqlJournal(url)
    store = SqlTokenStore(journal)
    async with VoucherEmulator() as emulator:
        code = emulator.add_voucher(amount="50.00").code
        for number in (1, 2):
            async with VoucherClient(**emulator.settings(), journal=journal, token_store=store) as client:
                await client.redeem(code=code, amount="1.00", currency="EUR", order_number=f"A-{number}")
        assert emulator.requests.count("requestToken") == 1
    await store.aclose()
    assert await journal.digest_key()  # the journal is the caller's: it is still open
    await journal.aclose()


async def test_a_journal_of_the_version_before_gets_the_table(file: Path, url: str) -> None:
    journal = SqlJournal(url)
    key = await journal.digest_key()
    await journal.aclose()
    rows(file, "DROP TABLE voucher_tokens")
    rows(file, "UPDATE voucher_journal SET minor = 0")
    journal = SqlJournal(url)
    assert await journal.digest_key() == key
    store = SqlTokenStore(journal)
    await store.save(KEY, token())
    assert await value_of(store) == "one"
    await journal.aclose()
    assert rows(file, "SELECT major, minor FROM voucher_journal") == [(1, 1)]


async def test_tables_are_not_made_unasked(url: str, file: Path) -> None:
    store = SqlTokenStore(url, create=False)
    with pytest.raises(TokenStoreFailed, match="does not exist"):
        await store.load(KEY)
    await store.aclose()
    assert not file.exists()


async def test_a_purge_forgets_what_ended_a_day_ago(file: Path, url: str) -> None:
    clock = ManualClock()
    journal = SqlJournal(url, clock=clock)
    store = SqlTokenStore(journal, clock=clock)
    ends = clock.now()
    await store.save(KEY, StoredToken(access_token="one", expires_at=ends, lifetime=60))
    await store.lease("leased", 2 * 86_400)
    for seconds, left in ((86_000, 2), (1_000, 1), (3 * 86_400, 0)):
        clock.advance(seconds)
        await journal.purge(clock.now(), clock.now())
        assert len(rows(file, "SELECT key FROM voucher_tokens")) == left
    await journal.aclose()


async def test_the_databases_clock_counts_and_not_that_of_a_worker(url: str) -> None:
    journal = SqlJournal(url)
    ahead = ManualClock(dt.datetime.now(dt.UTC) + dt.timedelta(hours=2))
    saving, loading = SqlTokenStore(journal, clock=ahead), SqlTokenStore(journal)
    ends = ahead.now() + dt.timedelta(seconds=600)
    await saving.save(KEY, StoredToken(access_token="one", expires_at=ends, lifetime=3600))
    loaded = await loading.load(KEY)
    assert loaded is not None
    left = (loaded.expires_at - token(left=0).expires_at).total_seconds()
    assert left == pytest.approx(600, abs=5)
    await journal.aclose()


async def test_a_closed_store_says_so(url: str) -> None:
    store = SqlTokenStore(url)
    await store.save(KEY, token())
    await store.aclose()
    await store.aclose()
    with pytest.raises(TokenStoreFailed, match="closed"):
        await store.load(KEY)


@pytest.mark.parametrize("journal", [None, 5, MemoryTokenStore()])
def test_what_is_no_journal_is_refused(journal: Any) -> None:
    with pytest.raises(ConfigurationError, match="needs a SqlJournal or the URL of a database"):
        SqlTokenStore(journal)


def test_a_password_is_not_shown() -> None:
    store = SqlTokenStore("postgresql://shop:pa55word@db.internal/shop")
    assert repr(store) == "SqlTokenStore(SqlJournal('postgresql://shop:***@db.internal/shop'))"


def _broken(file: Path) -> None:
    rows(file, "ALTER TABLE voucher_tokens RENAME COLUMN access_token TO was_token")


def _gone(file: Path) -> None:
    file.unlink()


@pytest.mark.parametrize("harm", [_broken, _gone])
async def test_an_error_shows_no_token(
    file: Path, url: str, harm: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    store = SqlTokenStore(url)
    await store.save(KEY, token(SECRET))
    harm(file)
    for work in (store.save(KEY, token(SECRET)), store.discard(KEY, SECRET)):
        with pytest.raises(TokenStoreFailed) as caught:
            await work
        assert (caught.value.__cause__, caught.value.__context__) == (None, None)
        assert not [text for text in (str(caught.value), *shown_locals(caught.value)) if SECRET in text]
    await store.aclose()
    assert SECRET not in caplog.text


@pytest.mark.parametrize("is_late", [True, False])
@pytest.mark.parametrize("what", ["save", "discard"])
async def test_a_caller_that_leaves_a_locked_database_takes_no_token_along(
    file: Path, url: str, what: str, *, is_late: bool
) -> None:
    store = SqlTokenStore(url)
    await store.save(KEY, token(SECRET))
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        work = store.save(KEY, token(SECRET)) if what == "save" else store.discard(KEY, SECRET)
        task = asyncio.create_task(asyncio.wait_for(work, 0.1 if is_late else None))
        if not is_late:
            await asyncio.sleep(0.1)
            task.cancel()
        with pytest.raises(TimeoutError if is_late else asyncio.CancelledError) as caught:
            await task
        db.execute("ROLLBACK")
    error: BaseException | None = caught.value
    while error is not None:
        assert not [text for text in shown_locals(error) if SECRET in text]
        error = error.__cause__ or error.__context__
    await store.aclose()


async def test_closing_does_not_wait_for_a_locked_database(file: Path, url: str) -> None:
    store = SqlTokenStore(url)
    await store.save(KEY, token())
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(claim(store), 0.1)
        began = time.monotonic()
        await store.aclose()
        assert time.monotonic() - began < 6  # the lock is waited for 10 s, for the claim and to give it back
        db.execute("ROLLBACK")
    await store.aclose()


async def test_a_caller_that_leaves_as_the_token_comes_does_not_show_it(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqlTokenStore(url)
    await store.save(KEY, token(SECRET))
    loading = asyncio.create_task(store.load(KEY))

    def leave(answers: Any, settle: Callable[[Any], None] = batches._settle) -> None:
        settle(answers)
        loading.cancel()

    with monkeypatch.context() as patched:
        patched.setattr(batches, "_settle", leave)
        with pytest.raises(asyncio.CancelledError) as caught:
            await loading
    assert not [text for text in shown_locals(caught.value) if SECRET in text]
    await store.aclose()


@pytest.mark.parametrize(
    "change",
    ["access_token = 'tok-5ecre7 and\nmore'", "lifetime = 0", "lifetime = NULL", f"expires_at = {2**62}"],
)
async def test_what_others_have_put_there_is_refused_and_replaced(file: Path, url: str, change: str) -> None:
    store = SqlTokenStore(url)
    await store.save(KEY, token())
    rows(file, f"UPDATE voucher_tokens SET {change}")
    with pytest.raises(TokenStoreFailed, match="holds something else than a token") as caught:
        await store.load(KEY)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert not [text for text in shown_locals(caught.value) if SECRET in text]
    await store.save(KEY, token("two"))
    assert await value_of(store) == "two"
    await store.aclose()


async def test_a_database_that_fails_costs_no_payment(
    file: Path, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = SqlTokenStore(url)
    assert await store.load(KEY) is None
    _broken(file)
    async with VoucherEmulator() as emulator:
        code = emulator.add_voucher(amount="50.00").code
        async with VoucherClient(**emulator.settings(), token_store=store) as client:
            await client.redeem(code=code, amount="1.00", currency="EUR", order_number="A-1")
        assert emulator.requests.count("requestToken") == 1
    await store.aclose()
    texts = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert texts[0].startswith("token store: load failed (the journal")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
def test_a_forked_child_goes_on_with_the_store(url: str) -> None:
    store = SqlTokenStore(url)

    async def save() -> None:
        await store.save(KEY, token("parent's"))

    asyncio.run(save())
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if asyncio.run(value_of(store)) == "parent's" and asyncio.run(claim(store)) else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert asyncio.run(claim(store)) is None
    asyncio.run(store.aclose())


async def claim(store: TokenStore) -> str | None:
    return await store.lease(KEY, LONG)
