"""The measurements of `make growth`, each of which gives what the tables are made of."""

from __future__ import annotations

import asyncio
import datetime as dt
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]
import attrs

from tests.growth import filling
from tests.growth.mix import DAYS, Family, Mix, families
from tests.growth.plans import Plan, Recorder, recorded
from tests.growth.purging import purged
from tests.growth.questions import Asking
from tests.growth.sqlite_plans import Step, explained
from tests.journals.postgres import Server
from voucher_async.journals.sql import SqlJournal

__all__ = ["SCALES", "fresh_plans", "in_postgresql", "in_sqlite", "opened", "plans_of", "summary"]

SCALES: Final = ("WAL", "rows")
_WARMING: Final = 7  # rounds, after which PostgreSQL may take generic plans
_FRESH: Final = 300
_FAR: Final = 5_000_000  # the number of an order that no other mix has
_DROPPED_DAYS: Final = 40
_WAL: Final = "SELECT pg_current_wal_insert_lsn() - '0/0'"


async def plans_of(url: str, mix: Mix, *, rounds: int = 2, before: Mix | None = None) -> list[Plan]:
    """The plans of every method, by a connection that has used each statement before.

    Args:
        url: of a journal.
        mix: what is in it.
        rounds: how often everything is explained.
        before: what it is filled with at first, and `mix` once its statements are prepared; None: it is full.
    """
    with recorded(Recorder()) as recorder:

        def told(name: str) -> None:
            recorder.asked = name

        journal = SqlJournal(url)
        asking = Asking(journal, mix, told)
        if before is None:
            await asking.all(_WARMING)
        else:
            await filling.fill_postgresql(url, before)
            await Asking(journal, before, told).all(_WARMING)
            await filling.fill_postgresql(url, mix)
        recorder.explains = True
        await asking.all(rounds)
        await journal.aclose()
    return recorder.plans


async def fresh_plans(server: Server, database: str, made: Mapping[str, Family], count: int) -> list[Plan]:
    """The plans of a connection that has prepared its statements when there were next to no records.

    Nothing has told PostgreSQL meanwhile that there are more, as it is until it analyzes tables by itself.
    """
    url = server.url(database)
    key = await opened(url)
    now = dt.datetime.now(dt.UTC)
    return await plans_of(
        url, Mix(made, count, key, now), rounds=1, before=Mix(made, _FRESH, key, now, first=_FAR)
    )


async def in_postgresql(server: Server, database: str, count: int) -> dict[str, Any]:
    """Sizes, plans and a purge of so many records."""
    made = await families()
    await _made(server, f"{database}_fresh")
    fresh = await fresh_plans(server, f"{database}_fresh", made, max(count // 50, 2_000))
    server.run(f"DROP DATABASE {database}_fresh")
    await _made(server, database)
    url = server.url(database)
    mix = Mix(made, count, await opened(url), dt.datetime.now(dt.UTC))
    wal, begun = float(server.run(_WAL)), time.perf_counter()
    rows = await filling.fill_postgresql(url, mix)
    took, wal = time.perf_counter() - begun, float(server.run(_WAL)) - wal
    server.run("VACUUM ANALYZE", database)
    sizes = filling.postgresql_sizes(server, database)
    lengths = await _lengths(url)  # before the purge, which leaves none whole
    plans = await plans_of(url, mix)
    shrink, drop = (mix.begins + dt.timedelta(days=each) for each in (DAYS, _DROPPED_DAYS + _WARMING + 2))
    wal_before = float(server.run(_WAL))
    done = await purged(server, database, shrink, drop)
    purge_wal = float(server.run(_WAL)) - wal_before
    return {
        "version": server.run("SHOW server_version"),
        "rows": rows,
        "filled in": took,
        "WAL": wal,
        "sizes": sizes,
        "records": lengths,
        "plans": summary(plans),
        "fresh": summary(fresh),
        "purge": attrs.asdict(done) | {"WAL": purge_wal},
    }


async def _lengths(url: str) -> dict[str, float]:
    """Bytes of a row of each kind, as it is stored."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "SELECT shrunk, avg(pg_column_size(r.*))::float, avg(octet_length(record))::float "
            "FROM voucher_records AS r TABLESAMPLE SYSTEM (20) WHERE ended GROUP BY shrunk"
        )
    finally:
        await connection.close()
    return {
        f"{'shrunk' if row[0] else 'whole'} {what}": row[at]
        for row in rows
        for at, what in ((1, "row"), (2, "text"))
    }


async def in_sqlite(count: int) -> dict[str, Any]:
    """Sizes and plans of so many records."""
    made = await families()
    with tempfile.TemporaryDirectory(prefix="growth-") as folder:
        path = Path(folder) / "journal.db"
        mix = Mix(made, count, await opened(f"sqlite:///{path}"), dt.datetime.now(dt.UTC))
        begun = time.perf_counter()
        rows = await asyncio.to_thread(filling.fill_sqlite, path, mix)
        took = time.perf_counter() - begun
        sizes = await asyncio.to_thread(filling.sqlite_sizes, path)
        steps = await explained(path, mix, rounds=2)
        return {"rows": rows, "filled in": took, "sizes": sizes, "plans": summary_of_steps(steps)}


def summary(plans: Sequence[Plan]) -> list[dict[str, Any]]:
    """One row per method and statement: the one that touches most."""
    worst: dict[tuple[str, str], Plan] = {}
    for plan in plans:
        place = plan.asked, plan.statement
        if place not in worst or worst[place].buffers < plan.buffers:
            worst[place] = plan
    return [
        {
            "asked": plan.asked,
            "statement": _named(plan.statement),
            "generic": plan.generic,
            "reads": sorted({node for node in plan.nodes if "Scan" in node and "voucher" in node}),
            "scans": list(plan.scans),
            "buffers": plan.buffers,
            "rows": plan.rows,
            "filtered": plan.filtered,
        }
        for plan in worst.values()
    ]


def summary_of_steps(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """One row per method: what its statements read, and the most work of one."""
    rows: dict[str, dict[str, Any]] = {}
    for step in steps:
        row = rows.setdefault(step.asked, {"asked": step.asked, "reads": set(), "scans": False, "work": 0})
        row["reads"] |= {each for each in step.plan if each.startswith(("SCAN", "SEARCH"))}
        row["scans"] |= step.scans
        row["work"] = max(row["work"], step.work)
    return [{**row, "reads": sorted(row["reads"])} for row in rows.values()]


def _named(statement: str) -> str:
    """The beginning of a statement, by which a reader tells it."""
    return " ".join(statement.split())[:60]


async def _made(server: Server, database: str) -> None:
    await asyncio.to_thread(server.run, f"CREATE DATABASE {database}")


async def opened(url: str) -> bytes:
    """The digest key of a journal whose tables are made."""
    journal = SqlJournal(url)
    key = await journal.digest_key()
    await journal.aclose()
    return key
