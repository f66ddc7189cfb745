"""The file of a journal in SQLite: shared commits, indexes, versions, processes that start or fork."""

from __future__ import annotations

import asyncio
import gc
import re
import sqlite3
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.journals.paying import pay_at_once
from tests.journals.racing import at_once
from tests.journals.records import NOW, SCOPE, begun, done, opened, sent
from tests.transport.test_forks import in_child, running
from voucher_async import JournalFailed
from voucher_async.journals import sqlite_statements as statements
from voucher_async.journals.sql import SqlJournal
from voucher_async.journals.sqlite_file import Work
from voucher_async.payments.call import CallRecord

CALLS = 200


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
async def journal(path: Path) -> AsyncIterator[SqlJournal]:
    journal = SqlJournal(f"sqlite:///{path}")
    await journal.digest_key()
    yield journal
    await journal.aclose()


def file_of(journal: SqlJournal) -> Any:
    store: Any = journal._store
    return store.file


def run(path: Path, *statements: str) -> list[Any]:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        return [db.execute(statement).fetchall() for statement in statements][-1]


async def test_calls_at_once_share_their_commits(journal: SqlJournal) -> None:
    records = [begun(f"k-{number}") for number in range(CALLS)]

    async def call(record: CallRecord) -> None:
        assert (await journal.claim(record)).won
        assert await journal.save(sent(record), durable=True)
        assert await journal.get(SCOPE, record.id) == sent(record)
        assert await journal.save(done(sent(record)))

    await asyncio.gather(*map(call, records))
    assert file_of(journal).commits <= 0.2 * CALLS
    before = file_of(journal).commits
    await asyncio.gather(*(journal.find(SCOPE, f"k-{number}") for number in range(CALLS)))
    assert file_of(journal).commits == before


@pytest.mark.parametrize("durable", [True, False])
async def test_a_batch_is_on_disk_where_one_of_it_has_to_be(journal: SqlJournal, *, durable: bool) -> None:
    await asyncio.gather(*(journal.claim(begun(), durable=durable and number == 7) for number in range(20)))
    db = file_of(journal)._opened
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert file_of(journal)._is_full is durable
    assert db.execute("PRAGMA synchronous").fetchone() == (2 if durable else 1,)


async def test_two_hundred_payments_at_once_share_their_commits(journal: SqlJournal) -> None:
    await pay_at_once(journal, CALLS)
    assert file_of(journal).commits <= 0.2 * CALLS


def plans() -> dict[str, str]:
    named = {name: getattr(statements, name) for name in statements.__all__}
    named |= {f"alike {known}": statements.alike(*known) for known in ((), ("like_amount", "like_voucher"))}
    for told in (None, True, False):
        for has_order, has_key in ((False, False), (True, False), (False, True), (True, True)):
            text = statements.history(has_order=has_order, has_key=has_key, told=told)
            named[f"history {has_order=} {has_key=} {told=}"] = text
            if told is None:
                text = statements.history(has_order=has_order, has_key=has_key, told=told, ended=False)
                named[f"history {has_order=} {has_key=} ended=False"] = text
    return {name: text for name, text in named.items() if isinstance(text, str)}


@pytest.mark.parametrize("name", plans())
async def test_every_statement_uses_an_index(journal: SqlJournal, path: Path, name: str) -> None:
    text = plans()[name]
    given = dict.fromkeys(re.findall(r":(\w+)", text), 1)
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute(f"EXPLAIN QUERY PLAN {text}", given).fetchall()
    plan = "\n".join(row[3] for row in rows).replace("USING INDEX voucher_records_live", "")
    if name == "FORGET":  # reads the index of what is not ended, which is small
        plan = plan.replace("SCAN voucher_records", "")
    assert "SCAN voucher_records" not in plan
    for choice in re.findall("has_order=True|has_key=True|LEFT|EARLIER|told=False$|ended=False$", name):
        assert "voucher_records_history" not in plan, choice


async def test_a_newer_minor_version_goes_on_beside_an_older_one(journal: SqlJournal, path: Path) -> None:
    first = begun("k")
    await journal.claim(first)
    run(
        path,
        "ALTER TABLE voucher_records ADD COLUMN till TEXT",
        "CREATE TABLE voucher_tills (till TEXT)",
        "UPDATE voucher_journal SET minor = 7",
        "UPDATE voucher_records SET till = 'north', "
        """record = replace(record, '{"format":"1.0",', '{"format":"1.7","till":"north",')""",
    )
    newer = SqlJournal(f"sqlite:///{path}")
    for each, key in ((journal, "old"), (newer, "new")):
        assert (await each.claim(begun(key))).won
        assert not (await each.claim(begun("k"))).won
    stored = await newer.get(SCOPE, first.id)
    assert stored is not None
    assert await newer.save(sent(stored))
    assert await journal.acknowledge(SCOPE, first.id) is False
    ((till, text),) = run(path, "SELECT till, record FROM voucher_records WHERE key = 'k'")
    assert till == "north"
    assert '"till":"north"' in text
    assert run(path, "SELECT minor FROM voucher_journal") == [(7,)]
    await newer.aclose()


START = """
import asyncio, sys
from tests.journals.records import begun
from voucher_async.journals.sql import SqlJournal

async def main():
    journal = SqlJournal(sys.argv[1])
    key = await journal.digest_key()
    claim = await journal.claim(begun("k"))
    await journal.aclose()
    return key.hex(), claim.won

print("ready", flush=True)
sys.stdin.readline()
print(*asyncio.run(main()))
"""


async def test_six_processes_that_start_at_once_make_one_journal(path: Path, root: Path) -> None:
    command = [sys.executable, "-c", START, f"sqlite:///{path}"]
    said = [each.split() for each in await asyncio.to_thread(at_once, [command] * 6, root)]
    assert len({key for key, _ in said}) == 1
    assert sorted(won for _, won in said) == [*["False"] * 5, "True"]


async def keys(path: Path) -> list[str | None]:
    journal = SqlJournal(f"sqlite:///{path}")
    found = [record.key async for record in journal.history(SCOPE)]
    await journal.aclose()
    return found


async def test_a_child_goes_on_when_the_parent_is_gone(journal: SqlJournal, path: Path) -> None:
    """A child that took the parent's locks for its own would write to a log that the parent deletes."""
    await journal.claim(begun("before"))
    told_to_go = path.with_suffix(".go")

    async def child() -> list[bool]:
        won = [(await journal.claim(begun("child-1"))).won]
        path.with_suffix(".ready").touch()
        while not told_to_go.exists():
            await asyncio.sleep(0.01)
        won += [(await journal.claim(begun(key), durable=True)).won for key in ("child-2", "before")]
        return won  # and dies without closing

    told = in_child(running(child))
    while not path.with_suffix(".ready").exists():
        await asyncio.sleep(0.01)
    assert (await journal.claim(begun("parent"))).won
    await journal.aclose()  # were it the last to close the file, the log would be deleted
    told_to_go.touch()
    assert await asyncio.to_thread(told) == [True, True, False]
    assert await keys(path) == ["before", "child-1", "parent", "child-2"]


async def test_a_fork_waits_for_the_transaction_that_runs(
    journal: SqlJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, begun_to_fork, works = file_of(journal), threading.Event(), threading.Event()
    before_fork = file.before_fork

    def before() -> None:
        begun_to_fork.set()
        before_fork()

    def work(db: sqlite3.Connection) -> int:
        works.set()
        assert begun_to_fork.wait(10)
        return int(db.execute("UPDATE voucher_journal SET minor = 0").rowcount)

    async def child() -> bool:
        return (await journal.claim(begun("k"))).won

    monkeypatch.setattr(file, "before_fork", before)
    store: Any = journal._store
    working = asyncio.create_task(store.batches.ask(Work(work, writes=True)))
    assert await asyncio.to_thread(works.wait, 10)
    told = await asyncio.to_thread(in_child, running(child))
    assert await asyncio.to_thread(told)
    assert await working == 1
    assert not (await journal.claim(begun("k"))).won


def test_clients_on_several_loops_share_a_journal(path: Path) -> None:
    journal = SqlJournal(f"sqlite:///{path}")
    won: list[str | None] = []

    async def work() -> None:
        claims = await asyncio.gather(*(journal.claim(begun(f"k-{number}")) for number in range(100)))
        won.extend(claim.record.key for claim in claims if claim.won)

    loops = [threading.Thread(target=lambda: asyncio.run(work())) for _ in range(4)]
    for each in loops:
        each.start()
    for each in loops:
        each.join(30)
    asyncio.run(journal.aclose())
    assert sorted(map(str, won)) == sorted(f"k-{number}" for number in range(100))


async def test_a_change_that_others_were_faster_with_is_tried_again(
    journal: SqlJournal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = done(begun("k", order_number="A-1"), told=False)
    await journal.claim(record)
    other = SqlJournal(f"sqlite:///{path}")
    store: Any = journal._store
    save = store.save

    async def slow(row: Any, **options: Any) -> bool:
        monkeypatch.setattr(store, "save", save)
        assert await other.save(record.step(record.state, at=NOW, by="other"))
        return bool(await save(row, **options))

    monkeypatch.setattr(store, "save", slow)
    assert await journal.erase("A-1") == 1
    stored = await other.get(SCOPE, record.id)
    assert stored is not None
    assert stored.version == record.version + 2
    assert stored.order_number != "A-1"
    await other.aclose()


async def test_a_change_is_not_tried_for_ever(journal: SqlJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(row: Any, **options: Any) -> bool:
        return False

    record = done(begun("k"), told=False)
    await journal.claim(record)
    monkeypatch.setattr(journal._store, "save", never)
    with pytest.raises(JournalFailed, match="changed by others all the time"):
        await journal.acknowledge(SCOPE, record.id)


async def test_much_is_shrunk_and_dropped_by_pages(journal: SqlJournal) -> None:
    records = [done(begun(f"k-{number}")) for number in range(statements.PAGE + 44)]
    await asyncio.gather(*map(journal.claim, records), journal.claim(opened(sent(begun()))))
    later = NOW.replace(year=2027)
    assert await journal.purge(later, NOW) == len(records)
    assert await journal.purge(later, later) == len(records)
    assert len([each async for each in journal.history(SCOPE)]) == 1


async def test_nothing_is_left_open(path: Path) -> None:
    journal = SqlJournal(f"sqlite:///{path}")
    await journal.claim(begun("k"))
    await journal.aclose()
    assert not [each for each in threading.enumerate() if each.name == "voucher-journal"]
    assert [each.name for each in path.parent.iterdir()] == ["journal.db"]  # no log, no shared memory
    del journal
    gc.collect()  # an open connection would complain
