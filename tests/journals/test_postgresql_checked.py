"""The journal in PostgreSQL as the command `check` sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.checking.checked import journal_at
from voucher_async.cli.checking import State
from voucher_async.journals.sql import SqlJournal

if TYPE_CHECKING:
    from tests.journals.postgres import Server

COUNTS = "SELECT count(*) FROM {}"
TABLES = ("voucher_records", "voucher_owners", "voucher_turns", "voucher_journal")


async def make(url: str) -> None:
    journal = SqlJournal(url)
    await journal.digest_key()
    await journal.aclose()


async def test_a_durable_write_is_measured_and_taken_back(
    server: Server, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voucher_async.cli.checking.journaling._SLOW", 60_000.0)
    await make(server.url(database))
    finding = await journal_at(server.url(database))
    assert finding.state is State.OK
    assert float(str(finding.facts["durable_write_ms"])) > 0
    rows = [server.run(COUNTS.format(table), database).strip() for table in TABLES]
    assert rows == ["0", "0", "0", "1"]


async def test_no_tables_are_made(server: Server, database: str) -> None:
    finding = await journal_at(server.url(database))
    assert finding.state is State.WARNING
    assert "no tables of a journal yet" in finding.seen
    await make(server.url(database))
    server.run("DROP INDEX voucher_records_like", database)
    finding = await journal_at(server.url(database))
    assert finding.state is State.WARNING
    assert "lacks voucher_records_like" in finding.seen


async def test_a_newer_version_is_named(server: Server, database: str) -> None:
    await make(server.url(database))
    server.run("UPDATE voucher_journal SET major = 9", database)
    finding = await journal_at(server.url(database))
    assert finding.state is State.FAILED
    assert "version 9.1" in finding.seen


async def test_a_wrong_password_is_named_and_not_shown(server: Server, database: str) -> None:
    finding = await journal_at(server.url(database, "guarded:wrong-Tr0ub4dor-and-3"))
    assert finding.state is State.FAILED
    assert "check the user and the password" in finding.seen
    assert "guarded:***@" in finding.about


async def test_a_database_that_does_not_exist_is_named(server: Server) -> None:
    finding = await journal_at(server.url("nowhere"))
    assert "there is no such database" in finding.seen


async def test_a_database_that_is_down_is_named() -> None:
    finding = await journal_at("postgresql://till:Tr0ub4dor-and-3@127.0.0.1:9/shop")
    assert finding.state is State.FAILED
    assert "cannot be reached" in finding.seen


async def test_rights_that_are_missing_are_named(server: Server, database: str) -> None:
    from tests.journals.postgres import PASSWORD

    await make(server.url(database))
    finding = await journal_at(server.url(database, f"guarded:{PASSWORD}"))
    assert finding.state is State.FAILED
    assert "grant SELECT" in finding.seen
