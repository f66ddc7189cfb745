"""A journal that has grown is searched by its indexes, and purged by short transactions."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.growth.filling import fill_postgresql, fill_sqlite
from tests.growth.mix import DAYS, Family, Mix
from tests.growth.plans import Plan, Recorder, recorded
from tests.growth.running import fresh_plans, opened, plans_of
from tests.growth.sqlite_plans import explained
from tests.journals.postgres import Server
from voucher_async.journals.postgresql_statements import DROPPED
from voucher_async.journals.rows import row_of
from voucher_async.journals.sql import SqlJournal
from voucher_async.payments.stored import from_json

RECORDS = 3_000
FEW = 2_000
SOME = 3
NOW = dt.datetime(2026, 11, 27, 12, tzinfo=dt.UTC)

Families = Mapping[str, Family]


def mix_of(made: Families, count: int, key: bytes = b"k" * 32) -> Mix:
    return Mix(made, count, key, NOW)


def test_what_tables_are_filled_with_is_what_the_journal_writes(made: Families) -> None:
    for row in list(mix_of(made, FEW).rows())[::7]:
        written = row_of(from_json(str(row["record"])), str(row["key_digest"] or "") or None)
        assert row == {**written, "holds_key": row["holds_key"]}


def test_every_statement_finds_its_rows_by_an_index(server: Server, database: str, made: Families) -> None:
    async def plans() -> Sequence[Plan]:
        url = server.url(database)
        mix = mix_of(made, RECORDS, await opened(url))
        await fill_postgresql(url, mix)
        server.run("VACUUM ANALYZE", database)
        return await plans_of(url, mix, rounds=1)

    check(asyncio.run(plans()))


def test_a_plan_made_for_a_table_that_was_empty_does_when_it_is_full(
    server: Server, database: str, made: Families
) -> None:
    check(asyncio.run(fresh_plans(server, database, made, RECORDS)))


def check(plans: Sequence[Plan]) -> None:
    asked = {plan.asked for plan in plans}
    assert {"claim", "save", "find", "left", "purge", "erase", "history of an order"} <= asked
    assert [plan for plan in plans if plan.scans] == []
    # an index of this size has three levels; a row that is written has a page in each index
    assert [plan for plan in plans if plan.each > 100 or plan.filtered > RECORDS / 4] == []


async def test_sqlite_finds_its_rows_by_an_index(tmp_path: Path, made: Families) -> None:
    path = tmp_path / "journal.db"
    mix = mix_of(made, RECORDS, await opened(f"sqlite:///{path}"))
    fill_sqlite(path, mix)
    steps = await explained(path, mix)
    assert [step for step in steps if step.scans] == []
    assert [step for step in steps if step.work > 200] == []


@pytest.mark.parametrize("kind", ["postgresql", "sqlite"])
async def test_a_purge_that_is_interrupted_is_continued_by_the_next(
    server: Server, database: str, tmp_path: Path, made: Families, kind: str
) -> None:
    path = tmp_path / "journal.db"
    url = server.url(database) if kind == "postgresql" else f"sqlite:///{path}"
    mix = mix_of(made, FEW, await opened(url))
    if kind == "postgresql":
        await fill_postgresql(url, mix)
    else:
        fill_sqlite(path, mix)
    drop = mix.begins + dt.timedelta(days=DAYS // 8)
    with recorded(Recorder()) as recorder:
        journal = SqlJournal(url)
        await journal.digest_key()
        purge = asyncio.create_task(journal.purge(mix.now, drop))
        while not purge.done() and recorder.writes < SOME and kind == "postgresql":
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        purge.cancel()
        with pytest.raises(asyncio.CancelledError):
            await purge
        assert await journal.purge(mix.now, drop) > DROPPED / 2  # the other had done a part
        left = [each async for each in journal.history("shop-de", ended=True)]
        assert await journal.purge(mix.now, drop) == 0
        await journal.aclose()
    assert left
    assert all(each.is_shrunk and each.changed_at >= drop for each in left)
    assert recorder.most <= DROPPED
