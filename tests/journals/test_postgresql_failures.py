"""A database that fails, in whatever way: a clear error, nothing sent, no password, and it comes back."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import pytest

from tests.journals.pooler import pooler
from tests.journals.postgres import PASSWORD, Server
from tests.journals.records import SCOPE, begun, done, not_done, sent
from tests.journals.test_postgresql_use import insert
from tests.secrets.frames import shown_of_frame
from voucher_async import ConfigurationError, Fate, JournalFailed
from voucher_async.journals.connections import Connections
from voucher_async.journals.sql import SqlJournal
from voucher_async.payments.call import CallRecord

RAISE = """
CREATE SEQUENCE tries;
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF nextval('tries') <= {times} THEN RAISE EXCEPTION 'could not go on' USING ERRCODE = '{code}'; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER fail BEFORE INSERT ON voucher_records FOR EACH ROW EXECUTE FUNCTION fail();
"""


@pytest.fixture
async def journal(server: Server, database: str) -> AsyncIterator[SqlJournal]:
    """A journal that is open."""
    journal = SqlJournal(server.url(database))
    await journal.digest_key()
    yield journal
    await journal.aclose()


@pytest.fixture
async def other(server: Server, database: str) -> AsyncIterator[asyncpg.Connection]:
    """Somebody else's connection."""
    connection = await asyncpg.connect(server.url(database))
    yield connection
    await connection.close()


async def failure(journal: SqlJournal, says: str) -> JournalFailed:
    """The error of a journal that cannot be asked."""
    with pytest.raises(JournalFailed, match=says) as caught:
        await journal.claim(begun("k"))
    await journal.aclose()
    assert caught.value.fate is Fate.NOT_SENT
    return caught.value


def said(error: BaseException | None) -> Iterator[str]:
    """Whatever a crash reporter would write down."""
    while error is not None:
        yield from traceback.format_exception(error)
        for frame, _ in traceback.walk_tb(error.__traceback__):
            yield from (text for _, text in shown_of_frame(frame))
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize(
    ("user", "where", "says"),
    [
        (f"guarded:{PASSWORD}x", {}, "refuses the login: check the user and the password"),
        (f"guarded:{PASSWORD}", {"dbname": "nowhere"}, "no such database: create it"),
        (f"guarded:{PASSWORD}", {}, "grant SELECT, INSERT"),
        (f"guarded:{PASSWORD}", {"host": "/nowhere"}, "is it running, and are host and port"),
        (f"guarded:{PASSWORD}", {"host": "no.such.host.invalid"}, "the host of the URL is not known"),
        (f"guarded:{PASSWORD}", {"sslmode": "require", "host": "localhost"}, "cannot be reached|encrypted"),
        ("crowded", {}, "no connection left: raise max_connections"),
    ],
)
async def test_who_cannot_get_in_is_told_why(
    server: Server, database: str, user: str, where: dict[str, str], says: str
) -> None:
    url = server.url(where.get("dbname", database), user, **where)
    journal = SqlJournal(url)
    error = await failure(journal, says)
    assert PASSWORD not in "".join([repr(journal), *said(error)])


@pytest.mark.parametrize(
    ("before", "create", "says"),
    [
        ("CREATE TABLE voucher_records (id int)", True, "not those of the journal"),
        ("CREATE TABLE voucher_journal (id int)", True, "not those of the journal"),
        ("ALTER DATABASE {database} SET default_transaction_read_only = on", True, "is read-only"),
        ("SELECT", False, "the tables of the journal are missing: make them"),
    ],
)
async def test_a_database_that_is_no_journal_is_refused(
    server: Server, database: str, before: str, says: str, *, create: bool
) -> None:
    server.run(before.format(database=database), database)
    await failure(SqlJournal(server.url(database), create=create), says)


async def test_another_major_version_is_refused_and_another_minor_one_kept(
    server: Server, database: str, journal: SqlJournal
) -> None:
    await journal.claim(begun("k"))
    server.run("ALTER TABLE voucher_records ADD newer text; UPDATE voucher_records SET newer = 'x'", database)
    server.run("UPDATE voucher_journal SET minor = 7", database)
    beside = SqlJournal(server.url(database))
    record = await beside.find(SCOPE, "k")
    assert record is not None
    assert await beside.save(sent(record))
    assert await journal.save(done(sent(record)))
    assert (await journal.claim(begun("another"))).won
    assert server.run("SELECT newer FROM voucher_records ORDER BY number", database) == "x"
    await beside.aclose()
    server.run("UPDATE voucher_journal SET major = 2", database)
    await failure(SqlJournal(server.url(database)), r"of version 2\.7, .* update voucher_async everywhere")


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("53100", "disk of the database is full: make room"),
        ("53200", "lacks resources"),
        ("58030", "trouble with its files"),
        ("XX000", "internal error: see its log"),
        ("P0001", "the database refuses a statement"),
    ],
)
async def test_a_database_that_cannot_write_says_what_is_wrong(
    server: Server, database: str, journal: SqlJournal, code: str, says: str
) -> None:
    server.run(RAISE.format(times=1, code=code), database)
    outcomes = await asyncio.gather(
        *(journal.claim(begun(key)) for key in ("k-1", "k-2")), return_exceptions=True
    )
    assert len({id(each) for each in outcomes}) == 2
    for each in outcomes:
        assert isinstance(each, JournalFailed)
        assert says in str(each)
        assert f"{code}: could not go on" in str(each)
    assert (await journal.claim(begun("k-1"))).won


@pytest.mark.parametrize("code", ["40001", "40P01"])
async def test_what_the_database_stopped_for_others_is_done_again(
    server: Server, database: str, journal: SqlJournal, code: str
) -> None:
    server.run(RAISE.format(times=3, code=code), database)
    assert (await journal.claim(begun("k"))).won


async def test_one_row_that_is_refused_fails_alone(journal: SqlJournal) -> None:
    long = "".join(map(chr, range(0x4E00, 0x4E00 + 5000)))  # more than an index takes, and hard to compress
    records = [begun("k-1"), begun(long), begun("k-2")]
    claims = await asyncio.gather(*map(journal.claim, records), return_exceptions=True)
    assert isinstance(claims[1], JournalFailed)
    assert [await journal.find(SCOPE, key) for key in ("k-1", "k-2")] == [records[0], records[2]]
    ends = [done(records[0], "c-1"), done(records[2], long)]
    saved = await asyncio.gather(*map(journal.save, ends), return_exceptions=True)
    assert saved[0] is True
    assert isinstance(saved[1], JournalFailed)


async def lock(other: asyncpg.Connection, journal: SqlJournal, what: str) -> list[CallRecord]:
    """Records to save, or whose keys to claim, new or free; somebody else's transaction has the fourth."""
    held, *records = [begun(key) for key in ("held", *"abcdef")]
    batch = [*records[:3], held, *records[3:]]
    await asyncio.gather(*map(journal.claim, [begun("template")] if what == "claims" else batch))
    if what == "frees":
        await asyncio.gather(*(journal.save(not_done(record)) for record in batch))
    if what != "claims":
        await other.execute("SELECT FROM voucher_records WHERE key = 'held' FOR UPDATE")
    else:
        await insert(other, held)
    return batch


async def write(journal: SqlJournal, what: str, record: CallRecord) -> bool:
    if what == "saves":
        return await journal.save(sent(record))
    return (await journal.claim(begun(record.key))).won


@pytest.mark.parametrize("what", ["saves", "claims", "frees"])
async def test_a_row_that_stays_locked_fails_alone(
    server: Server, database: str, other: asyncpg.Connection, what: str
) -> None:
    journal = SqlJournal(server.url(database), lock_timeout=0.2)
    async with other.transaction():
        records = await lock(other, journal, what)
        writes = [write(journal, what, record) for record in records]
        outcomes = await asyncio.gather(*writes, return_exceptions=True)
    failed = outcomes.pop(3)
    assert isinstance(failed, JournalFailed)
    assert "stayed locked: look for a transaction" in str(failed)
    assert outcomes == [True] * 6
    await journal.aclose()


@pytest.mark.parametrize("what", ["saves", "claims", "frees"])
async def test_a_row_that_is_locked_is_waited_for_by_its_own_caller_alone(
    journal: SqlJournal, other: asyncpg.Connection, what: str
) -> None:
    transaction = other.transaction()
    await transaction.start()
    records = await lock(other, journal, what)
    writes = [asyncio.create_task(write(journal, what, record)) for record in records]
    waiting = writes.pop(3)
    assert await asyncio.gather(*writes) == [True] * 6
    assert await write(journal, "claims", begun("later"))
    assert not waiting.done()
    await transaction.rollback()
    assert await waiting


async def test_a_table_that_stays_locked_is_not_waited_for_by_each_row(
    server: Server, database: str, other: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = SqlJournal(server.url(database), lock_timeout=0.05)
    await journal.digest_key()
    tries: list[str] = []
    fetch = Connections.fetch

    async def counted(connections: Connections, statement: str, *values: object) -> Any:
        tries.append(statement)
        return await fetch(connections, statement, *values)

    monkeypatch.setattr(Connections, "fetch", counted)
    async with other.transaction():
        await other.execute("LOCK TABLE voucher_records IN SHARE MODE")
        claims = [journal.claim(begun(f"k-{number}")) for number in range(100)]
        outcomes = await asyncio.gather(*claims, return_exceptions=True)
    assert all(isinstance(each, JournalFailed) and "stayed locked" in str(each) for each in outcomes)
    assert len({id(each) for each in outcomes}) == len(outcomes)
    assert len(tries) == 1 + 16
    assert (await journal.claim(begun("k-1"))).won
    await journal.aclose()


@pytest.mark.parametrize("missing", ["INDEX voucher_records_key", "TABLE voucher_turns"])
async def test_what_is_missing_is_named_or_made(
    server: Server, database: str, journal: SqlJournal, missing: str
) -> None:
    server.run(f"DROP {missing}", database)
    name = missing.partition(" ")[2]
    await failure(SqlJournal(server.url(database), create=False), f"lacks {name}.*: make them by a migration")
    maker = SqlJournal(server.url(database))
    assert (await maker.claim(begun("k"))).won
    await maker.aclose()
    assert server.run(f"SELECT to_regclass('{name}') IS NOT NULL", database) == "t"


async def test_rows_that_stay_locked_hold_nobody_up(
    server: Server, database: str, other: asyncpg.Connection
) -> None:
    journal = SqlJournal(server.url(database), lock_timeout=0.1)
    record = begun("k")
    await journal.claim(record)
    async with other.transaction():
        await other.execute("SELECT FROM voucher_records FOR UPDATE")
        with pytest.raises(JournalFailed, match="stayed locked: look for a transaction"):
            await journal.save(sent(record))
        assert await journal.find(SCOPE, "k") == record  # readers are not held up
    assert await journal.save(sent(record))
    await journal.aclose()


async def test_a_statement_that_takes_too_long_is_stopped(server: Server, database: str) -> None:
    journal = SqlJournal(server.url(database))
    journal._store._server._settings["statement_timeout"] = "300"  # type: ignore[attr-defined]
    await journal.digest_key()
    server.run(
        RAISE.format(times=0, code="").replace("RETURN NEW", "PERFORM pg_sleep(5); RETURN NEW"), database
    )
    await failure(journal, "57014: canceling statement due to statement timeout")


async def test_a_pooler_that_refuses_the_settings_of_the_url_is_named(
    server: Server, database: str, tmp_path: Path
) -> None:
    async with pooler(tmp_path, server.socket, database):
        url = server.url(database, host=str(tmp_path), search_path="shop")
        await failure(SqlJournal(url), "a pooler in between, .*: see the parameters of the URL .*search_path")


@pytest.mark.parametrize("answers", [0, 1])
async def test_a_server_that_hangs_holds_nobody_up(
    server: Server, database: str, tmp_path: Path, answers: int
) -> None:
    async with pooler(tmp_path, server.socket, database) as made:
        journal = SqlJournal(server.url(database, host=str(tmp_path), statement_cache_size="0"))
        for _ in range(answers):
            await journal.digest_key()
        made.is_silent = True
        journal._store._server.limit = 0.2  # type: ignore[attr-defined]
        error = await failure(journal, "did not answer in time")
        assert "firewall" in str(error)


async def test_a_caller_that_is_cancelled_while_connecting_shows_no_password(
    server: Server, database: str, tmp_path: Path
) -> None:
    async with pooler(tmp_path, server.socket, database) as made:
        made.is_silent = True
        journal = SqlJournal(server.url(database, f"guarded:{PASSWORD}", host=str(tmp_path)))
        asking = asyncio.create_task(journal.find(SCOPE, "k"))
        await made.is_asked.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await asking
        assert PASSWORD not in "".join(said(caught.value))
        await journal.aclose()


async def test_a_database_that_was_restarted_is_found_again(server: Server, journal: SqlJournal) -> None:
    assert (await journal.claim(begun("k-1"))).won
    await asyncio.to_thread(server.stop)
    with pytest.raises(JournalFailed, match="is it running"):
        await journal.claim(begun("k-2"))
    await asyncio.to_thread(server.start)
    assert (await journal.claim(begun("k-2"))).won
    await asyncio.to_thread(server.stop)
    await asyncio.to_thread(server.start)
    assert not (await journal.claim(begun("k-1"))).won  # without an error: nobody had asked meanwhile


async def test_a_crash_in_the_middle_of_a_batch_is_told_to_everybody(
    server: Server, database: str, journal: SqlJournal
) -> None:
    record = begun("k")
    assert (await journal.claim(record, durable=True)).won
    other = await asyncpg.connect(server.url(database))
    await other.execute("BEGIN; SELECT FROM voucher_records FOR UPDATE")
    saves = [asyncio.create_task(journal.save(sent(record, each))) for each in ("v-1", "v-2")]
    waits = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    await asyncio.to_thread(server.wait_for, waits)
    await asyncio.to_thread(server.stop, "immediate")
    for outcome in await asyncio.gather(*saves, return_exceptions=True):
        assert isinstance(outcome, JournalFailed)
    other.terminate()
    await asyncio.to_thread(server.start)
    assert await journal.find(SCOPE, "k") == record
    assert await journal.save(sent(record))


async def test_a_commit_whose_answer_is_lost_can_be_read_back(
    server: Server, database: str, tmp_path: Path
) -> None:
    async with pooler(tmp_path, server.socket, database) as made:
        journal = SqlJournal(server.url(database, host=str(tmp_path)))
        await journal.digest_key()
        made.loses_commits = True
        records = [begun("k-1"), begun("k-2")]
        for outcome in await asyncio.gather(*map(journal.claim, records), return_exceptions=True):
            assert isinstance(outcome, JournalFailed)
        made.loses_commits = False
        assert [await journal.find(SCOPE, key) for key in ("k-1", "k-2")] == records
        assert (await journal.claim(records[0])).won
        await journal.aclose()


@pytest.mark.parametrize("url", ["postgresql://[::1/x", "postgresql://a:b@[x/y"])
def test_a_url_that_cannot_be_read_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="special characters"):
        SqlJournal(url)


async def test_a_closed_journal_is_closed(journal: SqlJournal) -> None:
    await journal.aclose()
    for ask in (lambda: journal.claim(begun()), lambda: journal.get(SCOPE, "x")):
        with pytest.raises(JournalFailed, match="closed"):
            await ask()
