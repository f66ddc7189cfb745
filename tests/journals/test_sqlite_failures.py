"""A journal in SQLite that cannot be read or written says what to do, and has written nothing."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.journals.records import SCOPE, begun, done, sent
from voucher_async import Fate, JournalFailed
from voucher_async.journals.sql import SqlJournal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        yield db


def journal_of(path: Path, **options: Any) -> SqlJournal:
    return SqlJournal(f"sqlite:///{path}", **{"lock_timeout": 0.05, **options})


@pytest.fixture
async def journal(path: Path) -> AsyncIterator[SqlJournal]:
    """A journal that has been used."""
    journal = journal_of(path)
    await journal.claim(begun("used"))
    yield journal
    await journal.aclose()


async def fails(journal: SqlJournal, says: str) -> JournalFailed:
    """Claim a key, which has to fail."""
    with pytest.raises(JournalFailed, match=says) as caught:
        await journal.claim(begun("k"), durable=True)
    assert caught.value.fate is Fate.NOT_SENT
    return caught.value


async def made(path: Path, *statements: str) -> None:
    """Make a journal, and change its file."""
    journal = journal_of(path)
    await journal.digest_key()
    await journal.aclose()
    with opened(path) as db:
        for statement in statements:
            db.execute(statement)


async def fails_to_open(path: Path, says: str, **options: Any) -> None:
    before = path.read_bytes() if path.is_file() else None
    journal = journal_of(path, **options)
    for _ in range(2):  # each time it is asked
        await fails(journal, says)
    await journal.aclose()
    assert (path.read_bytes() if path.is_file() else None) == before


async def test_a_file_that_is_no_database(path: Path) -> None:
    path.write_text("no database" * 100)
    await fails_to_open(path, "is no SQLite database; name another file")


async def test_a_folder_that_is_not_there(path: Path) -> None:
    await fails_to_open(path / "journal.db", "its folder must exist")


async def test_a_folder(path: Path) -> None:
    path.mkdir()
    await fails_to_open(path, "cannot be opened")


async def test_the_database_of_another_application(path: Path) -> None:
    with opened(path) as db:
        db.execute("CREATE TABLE bookmarks (url TEXT)")
    await fails_to_open(path, r"of another application \(it has bookmarks\); name another file")
    await fails_to_open(path, "of another application", create=False)


async def test_a_table_of_another_application(path: Path) -> None:
    await made(path, "ALTER TABLE voucher_owners RENAME buried TO color")
    await fails_to_open(path, "a table voucher_owners without buried")


@pytest.mark.parametrize(("major", "minor"), [(2, 0), (0, 9)])
async def test_another_major_version(path: Path, major: int, minor: int) -> None:
    await made(path, f"UPDATE voucher_journal SET major = {major}, minor = {minor}")
    await fails_to_open(path, rf"has version {major}\.{minor}, and this voucher_async knows 1\.1")


async def test_nothing_is_made_where_that_was_not_asked_for(path: Path) -> None:
    await fails_to_open(path, "does not exist; make it, or let create be True", create=False)
    assert not path.exists()


@pytest.mark.parametrize(
    ("statement", "missing"),
    [
        ("DROP TABLE voucher_owners", "voucher_owners"),
        ("DROP INDEX voucher_records_charge", "voucher_records_charge"),
    ],
)
async def test_what_is_missing_is_named_or_made(path: Path, statement: str, missing: str) -> None:
    await made(path, statement)
    await fails_to_open(path, f"lacks {missing}: make them with a migration", create=False)
    journal = journal_of(path)
    assert (await journal.claim(begun("k"))).won
    await journal.aclose()


async def test_tables_that_a_migration_has_made_are_enough(path: Path) -> None:
    await made(path, "DELETE FROM voucher_journal", "CREATE TABLE orders (id TEXT)")
    journal = journal_of(path, create=False)
    assert len(await journal.digest_key()) == 32
    await journal.aclose()


@contextmanager
def as_nobody() -> Iterator[None]:
    """Act as a user who may not write everywhere, as root may."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    yield
    os.seteuid(before)


@pytest.mark.parametrize("is_folder_read_only", [True, False])
async def test_a_file_that_may_not_be_written(*, is_folder_read_only: bool) -> None:
    folder = Path(tempfile.mkdtemp())  # one that any user may see, unlike `tmp_path`
    path = folder / "journal.db"
    try:
        if not is_folder_read_only:
            await made(path)
            path.chmod(0o444)
        folder.chmod(0o555)
        journal = journal_of(path)
        with as_nobody():
            await fails(journal, "let this user write to|be allowed to write to it")
            await journal.aclose()
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


async def test_a_full_disk(journal: SqlJournal, path: Path) -> None:
    store: Any = journal._store
    (pages,) = store.file._opened.execute("PRAGMA page_count").fetchone()
    store.file._opened.execute(f"PRAGMA max_page_count = {pages}")
    record = begun("k", target="x" * 100_000)
    with pytest.raises(JournalFailed, match="the disk is full; free space on it") as caught:
        await journal.claim(record, durable=True)
    assert isinstance(caught.value.__cause__, sqlite3.Error)
    assert await journal.find(SCOPE, "k") is None
    assert (await journal.claim(record)).won  # there is space again


async def test_a_lock_that_is_held_too_long(journal: SqlJournal, path: Path) -> None:
    with opened(path) as other:
        other.execute("BEGIN IMMEDIATE")
        await fails(journal, r"another process held its lock for 0\.05 s; end that process")
        assert (await journal.find(SCOPE, "used")) is not None  # reading waits for nobody
    assert (await journal.claim(begun("k"))).won


@pytest.mark.parametrize("is_replaced", [True, False])
async def test_a_file_that_is_taken_away(journal: SqlJournal, path: Path, *, is_replaced: bool) -> None:
    path.rename(path.with_suffix(".moved"))
    if is_replaced:
        await made(path)
    await fails(journal, "was moved, deleted or replaced while it was used")
    await fails(journal, "is another one than before")  # and not: every key is free


async def test_an_older_copy_of_the_file_in_its_place(journal: SqlJournal, path: Path) -> None:
    copy = path.with_suffix(".backup")
    await asyncio.to_thread(shutil.copy, path, copy)
    await journal.claim(begun("new"))
    copy.rename(path)
    await fails(journal, "was moved, deleted or replaced while it was used")
    for _ in range(2):
        await fails(journal, "is another one than before")  # and not: the keys since then are free


async def test_a_backup_has_the_latest_keys_and_a_plain_copy_may_not(journal: SqlJournal, path: Path) -> None:
    await journal.claim(begun("latest"))
    copies = [path.with_suffix(".copy"), path.with_suffix(".backup")]
    await asyncio.to_thread(shutil.copy, path, copies[0])
    with opened(path) as db, opened(copies[1]) as backup:
        db.backup(backup)  # as the command .backup does
    await journal.claim(begun("later"))
    found = []
    for copy in copies:
        restored = journal_of(copy)
        found.append([await restored.find(SCOPE, key) is not None for key in ("latest", "later")])
        await restored.aclose()
    assert found == [[False, False], [True, False]]


async def test_a_record_that_cannot_be_read_fails_those_who_ask_for_it(
    journal: SqlJournal, path: Path
) -> None:
    record = begun("bad")
    await journal.claim(record)
    with opened(path) as db:
        db.execute("UPDATE voucher_records SET record = 'rubbish' WHERE key = 'bad'")
    for asked in (journal.get(SCOPE, record.id), journal.find(SCOPE, "bad"), journal.claim(begun("bad"))):
        with pytest.raises(JournalFailed, match="cannot be read"):
            await asked
    assert await journal.find(SCOPE, "used") is not None


async def test_a_record_that_cannot_be_stored_fails_alone(journal: SqlJournal) -> None:
    huge = attrs.evolve(begun("huge"), version=2**70)
    good = begun("good")
    failed, claim = await gather(journal.claim(huge), journal.claim(good))
    assert isinstance(failed, JournalFailed)
    assert claim.won
    with pytest.raises(JournalFailed, match="surrogate"):
        await journal.claim(begun("\ud800"))


async def gather(*asked: Any) -> list[Any]:
    return await asyncio.gather(*asked, return_exceptions=True)


async def test_half_of_a_surrogate_pair_is_found_nowhere(journal: SqlJournal) -> None:
    half = "\ud800"
    assert await journal.get(SCOPE, half) is await journal.find(SCOPE, half) is None
    assert await journal.children(SCOPE, half) == await journal.alike(sent(begun(), half)) == []
    assert await journal.owner_of(SCOPE, half) is None
    assert not await journal.acknowledge(SCOPE, half)
    assert await journal.erase(half) == 0
    assert [each async for each in journal.history(SCOPE, key=half)] == []


async def test_a_closed_journal(journal: SqlJournal) -> None:
    await journal.aclose()
    await fails(journal, "the journal was closed")
    for asked in (journal.find(SCOPE, "k"), journal.save(done(begun("k"))), journal.beat("owner", 1.0)):
        with pytest.raises(JournalFailed, match="closed"):
            await asked
