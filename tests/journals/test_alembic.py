"""Alembic makes the tables of the journal, as docs/journal.md says: those that it makes itself."""

from __future__ import annotations

import ast
import asyncio
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from tests.docs.blocks import blocks_of
from tests.journals.postgres import PASSWORD, Server
from voucher_async import JournalFailed
from voucher_async.journals.sql import SqlJournal
from voucher_async.testing import VoucherEmulator

SHOP: Final = """
from sqlalchemy import Column, ForeignKey, Integer, MetaData, Table, Text

metadata = MetaData(naming_convention={"ix": "ix_%(column_0_label)s", "pk": "pk_%(table_name)s"})
key = Column("id", Integer, primary_key=True)
orders = Table("orders", metadata, key, Column("number", Text, index=True))
lines = Table("lines", metadata, Column("order", Integer, ForeignKey("orders.id"), primary_key=True))
"""

_COLUMNS: Final = """
SELECT table_name, column_name, data_type, is_nullable, is_identity, identity_generation, column_default
FROM information_schema.columns WHERE table_name LIKE 'voucher%' ORDER BY 1, 2;
SELECT indexdef FROM pg_indexes WHERE tablename LIKE 'voucher%' ORDER BY 1;
SELECT conrelid::regclass, pg_get_constraintdef(oid) FROM pg_constraint
WHERE conrelid::regclass::text LIKE 'voucher%' ORDER BY 1, 2;
"""


@attrs.frozen
class Shop:
    """A shop whose tables are made by Alembic.

    Attributes:
        folder: has its files.
        url: of the database, as the journal takes it.
        user_url: the same for a user who may make no tables.
        described: the tables of the journal in a database, by the URL of it.
        other_url: of another database.
        grants: run before the user comes.
    """

    folder: Path
    url: str
    other_url: str
    user_url: str
    described: Callable[[str], str]
    grant: Callable[[str], object]

    def alembic(self, *arguments: str) -> str:
        """Run Alembic's command line."""
        done = subprocess.run(
            [sys.executable, "-m", "alembic", *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONDEVMODE": ""},
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def prepare(self, template: str, driver: str, env: str) -> None:
        """Make the files that `alembic init` makes, and change what the page says."""
        self.alembic("init", "--template", template, "migrations")
        change(self.folder / "alembic.ini", r"^sqlalchemy\.url = .*$", f"sqlalchemy.url = {driver}")
        change(self.folder / "migrations" / "env.py", r"^target_metadata = None$", env)
        (self.folder / "shop").mkdir()
        (self.folder / "shop" / "tables.py").write_text(SHOP, encoding="utf-8")


def change(file: Path, pattern: str, line: str) -> None:
    text, count = re.subn(pattern, lambda _: line, file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert count == 1, pattern
    file.write_text(text, encoding="utf-8")


def block(root: Path, words: str) -> str:
    """The example of the page that has some words."""
    page = blocks_of(root / "docs" / "journal.md")
    (found,) = (str(each.parsed) for each in page if words in each.parsed)
    return found


def in_file(url: str) -> str:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        said = [f"{table} {db.execute(f'PRAGMA table_info({table})').fetchall()}" for table in tables]
        rows = db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    said += [f"{name} {'AUTOINCREMENT' in sql} {sql.count('CHECK')}" for name, sql in rows]
    said += [" ".join(sql.replace('"', "").split()) for _, sql in rows if "INDEX" in sql]
    return "\n".join(sorted(each for each in said if each.partition(" ")[2] and "voucher_" in each))


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest, tmp_path: Path, root: Path) -> Shop:
    env = block(root, "target_metadata")
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'shop.db'}"
        made = Shop(tmp_path, url, f"sqlite:///{tmp_path / 'other.db'}", url, in_file, lambda _: None)
        made.prepare("generic", url, env)
        return made
    server: Server = request.getfixturevalue("server")
    database: str = request.getfixturevalue("database")
    other: str = request.getfixturevalue("other_database")
    url = server.url(database)
    made = Shop(
        tmp_path,
        url,
        server.url(other),
        server.url(database, f"guarded:{PASSWORD}"),
        lambda said: server.run(_COLUMNS, database if said == url else other),
        lambda statement: server.run(statement.replace("TO shop", "TO guarded"), database),
    )
    made.prepare("async", url.replace("postgresql", "postgresql+asyncpg", 1), env)
    return made


@pytest.fixture
def other_database(server: Server, database: str) -> Iterator[str]:
    name = f"{database}_other"
    server.run(f"CREATE DATABASE {name}")
    yield name
    server.run(f"DROP DATABASE {name} WITH (FORCE)")


async def run(example: str, url: str, code: str) -> str:
    """Run an example that redeems; the id of its charge."""
    names: dict[str, Any] = {"url": url, "code": code}
    compiled = compile(example, "journal.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    await eval(compiled, names)
    return str(names["charge"].id)


async def test_tables_made_by_alembic_are_a_journal(
    shop: Shop, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.alembic("revision", "--autogenerate", "-m", "the voucher journal")
    shop.alembic("upgrade", "head")
    text = (root / "docs" / "journal.md").read_text(encoding="utf-8")
    (grant,) = re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
    shop.grant(grant)
    async with VoucherEmulator() as emulator:
        voucher = emulator.add_voucher(amount="25.00")
        for name, value in emulator.environ().items():
            monkeypatch.setenv(name, value)
        example = block(root, "create=False")
        told = {await run(example, shop.user_url, voucher.code) for _ in range(2)}
        assert told == {charge.id for charge in emulator.charges("A-1")}
        assert len(told) == 1
    assert "No new upgrade operations" in shop.alembic("check")
    itself = SqlJournal(shop.other_url)
    await itself.digest_key()
    await itself.aclose()
    assert await asyncio.to_thread(shop.described, shop.url) == shop.described(shop.other_url) != ""
    shop.alembic("downgrade", "base")
    gone = SqlJournal(shop.url, create=False)
    with pytest.raises(JournalFailed, match="migration"):
        await gone.digest_key()
    await gone.aclose()
