"""The journal in PostgreSQL among others: other statements, other loops, other threads, other processes."""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
import threading
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import attrs
import pytest

from tests.journals.paying import pay_at_once
from tests.journals.postgres import PASSWORD, Server
from tests.journals.records import NOW, SCOPE, begun, done, not_done, sent
from tests.transport.test_forks import in_child
from voucher_async import forks
from voucher_async.journals.connections import Connections
from voucher_async.journals.sql import SqlJournal
from voucher_async.journals.tables import MINOR
from voucher_async.payments.call import CallRecord

IN_FLIGHT = 200
OWNED = "SELECT count(*) = {count} FROM pg_stat_activity WHERE datname = '{database}'"
WAITING = "SELECT count(*) = {count} FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
WATCHED = """
CREATE TABLE seen (number serial, text text);
CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO seen (text) VALUES (concat_ws(
        ' ', current_setting('synchronous_commit'), current_setting('transaction_isolation')));
    RETURN NEW;
END $$;
CREATE TRIGGER watch BEFORE INSERT OR UPDATE ON voucher_records FOR EACH ROW EXECUTE FUNCTION watch();
"""


@pytest.fixture
def url(server: Server, database: str) -> str:
    """The URL of an empty journal."""
    return server.url(database)


@pytest.fixture
async def journal(url: str) -> AsyncIterator[SqlJournal]:
    """A journal that is open."""
    journal = SqlJournal(url)
    await journal.digest_key()
    yield journal
    await journal.aclose()


@pytest.fixture
async def second(url: str) -> AsyncIterator[SqlJournal]:
    """The same, as another worker has it."""
    journal = SqlJournal(url)
    yield journal
    await journal.aclose()


@pytest.fixture
async def other(url: str) -> AsyncIterator[asyncpg.Connection]:
    """Somebody else's connection."""
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


async def test_two_hundred_payments_at_once_share_their_commits(
    server: Server, database: str, url: str
) -> None:
    journal = SqlJournal(url)
    await journal.digest_key()
    await pay_at_once(journal, IN_FLIGHT)
    await journal.aclose()  # what a connection has counted is seen when it ends
    await asyncio.to_thread(server.wait_for, OWNED.format(count=0, database=database))
    commits = f"SELECT xact_commit FROM pg_stat_database WHERE datname = '{database}'"
    # three a payment without batches; the benchmark has the figure: on a busy machine less gathers at a time
    assert int(server.run(commits)) <= 0.5 * IN_FLIGHT


@pytest.mark.parametrize("cached", ["100", "0"])
@pytest.mark.parametrize(("setting", "durable"), [("off", "on"), ("remote_apply", "remote_apply")])
async def test_what_is_durable_is_waited_for_on_disk(  # noqa: PLR0917 - pytest names them
    server: Server, database: str, journal: SqlJournal, cached: str, setting: str, durable: str
) -> None:
    server.run(WATCHED, database)
    server.run(f"ALTER DATABASE {database} SET synchronous_commit = {setting}")
    server.run(f"ALTER DATABASE {database} SET default_transaction_isolation = serializable")
    asked = SqlJournal(server.url(database, statement_cache_size=cached))
    record = begun("k")
    await asked.claim(record)
    await asked.save(sent(record), durable=True)
    await asked.save(done(sent(record)))
    await asked.aclose()
    expected = [f"{each} read committed" for each in ("off", durable, "off")]
    assert server.run("SELECT text FROM seen ORDER BY number", database).split("\n") == expected


@pytest.mark.parametrize("what", ["claims", "saves"])
async def test_batches_in_any_order_do_not_stop_each_other(
    server: Server, database: str, url: str, other: asyncpg.Connection, what: str
) -> None:
    for setting in ("enable_hashjoin", "enable_mergejoin"):  # what is left goes through rows as they come
        server.run(f"ALTER DATABASE {database} SET {setting} = off")
    first, second = SqlJournal(url), SqlJournal(url)
    held, *records = [begun(key) for key in ("held", *"abcdef")]
    transaction = other.transaction()
    if what == "claims":
        await first.claim(begun("template"))
        await transaction.start()
        await insert(other, held)
    else:
        for record in (held, *records):
            await first.claim(record)
        await transaction.start()
        await other.execute("SELECT FROM voucher_records WHERE key = 'held' FOR UPDATE")
    half = records[:3], records[3:]
    batches = [(first, [*half[0], held, *half[1]]), (second, [*half[1][::-1], held, *half[0][::-1]])]
    await second.digest_key()
    asked = [asyncio.create_task(ask(journal, what, batch)) for journal, batch in batches]
    await asyncio.to_thread(server.wait_for, WAITING.format(count=2))
    await transaction.rollback()
    outcomes = await asyncio.gather(*asked)
    assert sum(map(sum, outcomes)) == len(records) + 1
    for journal in (first, second):
        await journal.aclose()
    stopped = f"SELECT deadlocks FROM pg_stat_database WHERE datname = '{database}'"
    assert server.run(stopped) == "0"


async def insert(other: asyncpg.Connection, record: CallRecord) -> None:
    """Claim a record in a transaction that is left open."""
    names = "scope, version, state, ended, told, shrunk, changed_at, owner, record, holds_key"
    await other.execute(
        f"INSERT INTO voucher_records (id, key, {names}) SELECT $1, $2, {names} FROM voucher_records LIMIT 1",
        record.id,
        record.key,
    )


async def ask(journal: SqlJournal, what: str, records: list[CallRecord]) -> list[bool]:
    """Write all at once; what was stored."""
    if what == "saves":
        return await asyncio.gather(*(journal.save(sent(record)) for record in records))
    claims = await asyncio.gather(*(journal.claim(begun(record.key)) for record in records))
    return [claim.won for claim in claims]


async def test_a_key_that_is_being_erased_is_not_given_away(
    server: Server, journal: SqlJournal, other: asyncpg.Connection
) -> None:
    record = done(begun("k", order_number="Jane Doe"))
    record = attrs.evolve(record, version=1)
    await journal.claim(record)
    transaction = other.transaction()
    await transaction.start()
    await other.execute("UPDATE voucher_records SET key = 'erased'")  # as `erase` does, and not committed yet
    claim = asyncio.create_task(journal.claim(begun("k")))
    await asyncio.to_thread(server.wait_for, WAITING.format(count=1))
    await transaction.commit()
    assert (await claim).record.id == record.id


async def test_a_free_key_goes_to_one_of_two_workers(journal: SqlJournal, second: SqlJournal) -> None:
    for number in range(10):
        first = begun(f"k-{number}")
        await journal.claim(first)
        await journal.save(not_done(first))
        claims = await asyncio.gather(*(each.claim(begun(first.key)) for each in 3 * (journal, second)))
        assert [claim.won for claim in claims].count(True) == 1
        assert [claim.earlier for claim in claims if claim.won] == [not_done(first)]
        assert len({claim.record.id for claim in claims}) == 1


async def test_a_free_key_is_kept_when_the_charge_is_gone(
    journal: SqlJournal, other: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, rival = begun("k"), begun("rival")
    await journal.claim(first)
    await journal.save(not_done(first))
    await journal.claim(rival)
    transact = Connections.transact

    async def late(connections: Connections, work: Any) -> Any:
        await other.execute("UPDATE voucher_records SET charge_id = 'c-1' WHERE key = 'rival'")
        return await transact(connections, work)

    monkeypatch.setattr(Connections, "transact", late)
    lost = await journal.claim(attrs.evolve(done(begun("k"), "c-1"), version=1))
    assert (lost.won, lost.record) == (False, rival)
    assert await journal.find(SCOPE, "k") == not_done(first)


async def test_old_records_are_dropped_in_short_transactions(journal: SqlJournal) -> None:
    old = NOW - dt.timedelta(days=500)
    records = [attrs.evolve(done(begun(), at=old), version=1) for _ in range(450)]
    await asyncio.gather(*map(journal.claim, records))
    assert await journal.purge(old, NOW) == len(records)
    assert [each async for each in journal.history(SCOPE)] == []


@pytest.mark.parametrize("create", [True, False])
async def test_who_may_make_no_tables_can_use_them(
    server: Server, database: str, journal: SqlJournal, *, create: bool
) -> None:
    server.run("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO guarded", database)
    plain = SqlJournal(server.url(database, f"guarded:{PASSWORD}"), create=create)
    assert (await plain.claim(begun("k"))).won
    assert await plain.beat("owner-1", 15.0)
    assert await plain.purge(NOW, NOW) == 0
    await plain.aclose()
    assert not (await journal.claim(begun("k"))).won


async def test_an_upgrade_makes_what_is_missing_and_touches_no_other_table(
    server: Server, database: str, journal: SqlJournal
) -> None:
    assert (await journal.claim(begun("k"))).won
    server.run("DROP TABLE voucher_tokens; UPDATE voucher_journal SET minor = 0", database)
    server.run("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO guarded", database)
    server.run("GRANT CREATE ON SCHEMA public TO guarded", database)
    newer = SqlJournal(server.url(database, f"guarded:{PASSWORD}"))  # not the owner of the tables
    assert not (await newer.claim(begun("k"))).won
    await newer.aclose()
    assert server.run("SELECT minor FROM voucher_journal", database) == str(MINOR)
    owner = "SELECT tableowner FROM pg_tables WHERE tablename = 'voucher_tokens'"
    assert server.run(owner, database) == "guarded"


async def test_tables_of_migrations_become_a_journal(server: Server, database: str, url: str) -> None:
    made = SqlJournal(url)
    await made.digest_key()
    await made.aclose()
    server.run("DELETE FROM voucher_journal", database)  # Alembic makes tables, not rows
    pair = [SqlJournal(url, create=False) for _ in range(2)]
    keys = await asyncio.gather(*(each.digest_key() for each in pair))
    assert keys[0] == keys[1] == await pair[0].digest_key()
    for each in pair:
        await each.aclose()


def in_thread(work: Callable[[], Awaitable[object]]) -> threading.Thread:
    """Run it on a loop of its own."""
    thread = threading.Thread(target=lambda: asyncio.run(asyncio.wait_for(work(), 20)))
    thread.start()
    return thread


async def test_loops_share_a_journal_and_leave_nothing(
    server: Server, database: str, journal: SqlJournal
) -> None:
    records = [begun(f"k-{number}") for number in range(3)]
    threads = [in_thread(lambda record=record: journal.claim(record)) for record in records]  # type: ignore[misc]
    assert (await journal.claim(begun("k"))).won
    for thread in threads:
        await asyncio.to_thread(thread.join)
    for record in records:
        assert await journal.find(SCOPE, str(record.key)) == record
    await asyncio.to_thread(server.wait_for, OWNED.format(count=1, database=database))


async def test_closing_a_journal_closes_it_on_other_loops(
    server: Server, database: str, journal: SqlJournal
) -> None:
    is_used, is_closed = threading.Event(), threading.Event()

    async def use() -> None:
        assert (await journal.claim(begun("k"))).won
        is_used.set()
        await asyncio.to_thread(is_closed.wait)

    thread = in_thread(use)
    await asyncio.to_thread(is_used.wait)
    await journal.aclose()
    await asyncio.to_thread(server.wait_for, OWNED.format(count=0, database=database))
    is_closed.set()
    await asyncio.to_thread(thread.join)


async def test_a_cancelled_caller_fails_nobody_else(
    journal: SqlJournal, other: asyncpg.Connection, server: Server
) -> None:
    records = [begun("k-1"), begun("k-2")]
    for record in records:
        await journal.claim(record)
    async with other.transaction():
        await other.execute("SELECT FROM voucher_records FOR UPDATE")
        saves = [asyncio.create_task(journal.save(sent(record))) for record in records]
        await asyncio.to_thread(server.wait_for, WAITING.format(count=1))
        late = asyncio.create_task(journal.save(sent(begun())))
        await asyncio.sleep(0)
        for task in (saves[0], late):
            task.cancel()
    assert await saves[1]
    assert await journal.get(SCOPE, records[0].id) == sent(records[0])  # it was under way


def test_a_forked_child_leaves_the_connections_of_its_parent_alone(url: str) -> None:
    journal = SqlJournal(url)

    async def parent() -> None:
        assert (await journal.claim(begun("k"))).won
        own = await journal._store._loops.here()  # type: ignore[attr-defined]

        def child() -> list[object]:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                own.connections.drop()  # as the end of the parent's loop would, if it went on here
                gc.collect()
                return [*asyncio.run(asyncio.wait_for(use(), 20)), *map(str, caught)]

        assert await asyncio.to_thread(in_child(child)) == [False, True]
        assert (await journal.claim(begun("parent's"))).won
        assert not (await journal.claim(begun("child's"))).won
        await journal.aclose()

    async def use() -> list[bool]:
        return [(await journal.claim(begun(key))).won for key in ("k", "child's")]

    asyncio.run(parent())


async def test_what_a_child_inherits_is_kept_and_deleted_by_nobody(journal: SqlJournal) -> None:
    assert (await journal.claim(begun("k"))).won
    journal._store._loops.after_fork()  # type: ignore[attr-defined]
    gc.collect()  # of a deleted connection there is a warning
    inherited: Any = forks._kept[-1]
    for each in inherited.values():
        await each.aclose()
