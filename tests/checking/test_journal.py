"""The step `journal` with a file: each way in which it cannot be used, and nothing left behind."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.checking.checked import journal_at
from voucher_async.cli.checking import State
from voucher_async.journals import filesystems
from voucher_async.journals.sql import SqlJournal
from voucher_async.journals.sqlite_file import Work


def dump(path: Path) -> list[str]:
    """All that a database holds."""
    db = sqlite3.connect(path)
    try:
        return [*db.iterdump()]
    finally:
        db.close()


def change(path: Path, statement: str) -> None:
    db = sqlite3.connect(path)
    db.execute(statement)
    db.commit()
    db.close()


async def test_a_durable_write_is_measured_and_taken_back(journal: Path, url: str) -> None:
    before, files = dump(journal), sorted(journal.parent.iterdir())
    finding = await journal_at(url)
    assert finding.state is State.OK
    assert 0 < float(str(finding.facts["durable_write_ms"])) < 60_000
    assert finding.facts["path"] == str(journal)
    assert (dump(journal), sorted(journal.parent.iterdir())) == (before, files)


async def test_a_journal_in_use_is_left_as_it_is(journal: Path, url: str) -> None:
    other = SqlJournal(url)
    assert await other.beat("owner", 15.0)
    assert (await journal_at(url)).state is State.OK
    assert await other.is_alive("owner")
    await other.aclose()


async def test_a_write_is_on_disk_before_it_is_measured(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from voucher_async.cli.checking import journal_files

    works: list[tuple[bool, bool]] = []
    real = Work

    def work(run: Callable[[sqlite3.Connection], object], *, writes: bool, durable: bool) -> object:
        works.append((writes, durable))
        return real(run, writes=writes, durable=durable)

    monkeypatch.setattr(journal_files, "Work", work)
    await journal_at(url)
    assert works == [(True, True)] * 3


async def test_no_journal_is_made_where_none_is(tmp_path: Path) -> None:
    finding = await journal_at(f"sqlite:///{tmp_path}/vouchres.db")
    assert finding.state is State.WARNING
    assert f"there is no journal at {tmp_path}/vouchres.db yet" in finding.seen
    assert "correct VOUCHER_JOURNAL" in finding.advice
    assert float(str(finding.facts["durable_write_ms"])) > 0
    assert list(tmp_path.iterdir()) == []


async def test_a_relative_path_is_told_as_the_absolute_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert (await journal_at("sqlite:///shop.db")).facts["path"] == str(tmp_path / "shop.db")


async def test_an_empty_file_is_no_journal_yet(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    path.touch()
    assert (await journal_at(f"sqlite:///{path}")).state is State.WARNING
    assert path.stat().st_size == 0


async def test_tables_that_are_missing_are_not_made(journal: Path, url: str) -> None:
    change(journal, "DROP TABLE voucher_turns")
    before = dump(journal)
    finding = await journal_at(url)
    assert finding.state is State.WARNING
    assert "no tables of a journal yet" in finding.seen
    assert dump(journal) == before


async def test_a_file_that_vanishes_meanwhile_is_not_made_anew(
    journal: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def vanish(path: Path) -> bool:
        path.unlink()
        return False

    monkeypatch.setattr("voucher_async.cli.checking.journal_files._lacks_tables", vanish)
    finding = await journal_at(url)
    assert finding.state is State.FAILED
    assert "does not exist" in finding.seen
    assert list(journal.parent.iterdir()) == []


async def test_a_folder_is_named(tmp_path: Path) -> None:
    finding = await journal_at(f"sqlite:///{tmp_path}")
    assert finding.state is State.FAILED
    assert "is a folder" in finding.seen


async def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    finding = await journal_at(f"sqlite:///{tmp_path}/no/shop.db")
    assert finding.state is State.FAILED
    assert "its folder does not exist" in finding.seen


async def test_a_folder_that_cannot_be_written_is_named() -> None:
    finding = await journal_at("sqlite:////proc/shop.db")  # root writes to any other
    assert finding.state is State.FAILED
    assert "cannot be made" in finding.seen
    assert "let this user write to its folder" in finding.seen


async def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    path.write_text("no database, and longer than the header of one " * 50)
    finding = await journal_at(f"sqlite:///{path}")
    assert finding.state is State.FAILED
    assert "no SQLite database" in finding.seen
    assert path.read_text().startswith("no database")


async def test_the_database_of_another_application_is_named_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    change(path, "CREATE TABLE customers (name TEXT)")
    before = path.read_bytes()
    finding = await journal_at(f"sqlite:///{path}")
    assert finding.state is State.FAILED
    assert "another application" in finding.seen
    assert path.read_bytes() == before


async def test_a_journal_of_a_newer_version_is_named(journal: Path, url: str) -> None:
    change(journal, "UPDATE voucher_journal SET major = 9")
    finding = await journal_at(url)
    assert finding.state is State.FAILED
    assert "has version 9.1" in finding.seen


async def test_a_lock_that_another_process_holds_is_named(
    journal: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voucher_async.cli.checking.journal_files.LOCKS", 0.1)
    other = sqlite3.connect(journal, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    finding = await journal_at(url)
    other.close()
    assert finding.state is State.FAILED
    assert "another process held its lock" in finding.seen


async def test_a_network_file_system_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"36 35 98:0 / {tmp_path} rw,noatime - nfs4 server:/shop rw\n")
    monkeypatch.setattr(filesystems, "_MOUNTS", mounts)
    finding = await journal_at(f"sqlite:///{tmp_path}/shop.db")
    assert finding.state is State.FAILED
    assert "network file system (nfs4)" in finding.seen


async def test_a_slow_disk_is_a_warning(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voucher_async.cli.checking.journaling._SLOW", 0.0)
    assert "faster disk" in (await journal_at(url)).advice


@pytest.mark.parametrize("url", ["mysql://shop", "sqlite:///:memory:", "shop.db"])
async def test_what_is_no_url_of_a_journal_is_named(url: str) -> None:
    finding = await journal_at(url)
    assert finding.state is State.FAILED
    assert "Correct VOUCHER_JOURNAL" in finding.advice


async def test_a_driver_that_is_not_installed_is_named(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from voucher_async.cli import checking

    monkeypatch.delitem(sys.modules, "voucher_async.cli.checking.journal_files", raising=False)
    monkeypatch.delattr(checking, "journal_files", raising=False)
    monkeypatch.setitem(sys.modules, "voucher_async.journals.sqlite", None)
    finding = await journal_at(url)
    assert finding.state is State.FAILED
    assert 'pip install "voucher-async[sqlite]"' in finding.seen
