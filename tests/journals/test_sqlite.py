"""The journal in SQLite keeps the protocol, and so do processes that share it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.journals.contract import DurableJournalContract
from tests.journals.racing import COUNTED, OWNERS, RACES
from tests.journals.records import SCOPE, begun, done, sent
from voucher_async import ManualClock
from voucher_async.journals.sql import SqlJournal
from voucher_async.payments.journal import Journal

WORKERS = 3


def url_of(folder: Path) -> str:
    """The journal in a folder."""
    return f"sqlite:///{folder / 'journal.db'}"


class TestSqlite(DurableJournalContract):
    @pytest.fixture
    async def journal(self, clock: ManualClock, tmp_path: Path) -> AsyncIterator[Journal]:
        journal = SqlJournal(url_of(tmp_path), clock=clock)
        yield journal
        await journal.aclose()

    @pytest.fixture
    def reopen(self, clock: ManualClock, tmp_path: Path) -> Callable[[], Awaitable[Journal]]:
        async def reopen() -> Journal:
            return SqlJournal(url_of(tmp_path), clock=clock)

        return reopen


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[SqlJournal, SqlJournal]]:
    """Two connections to one journal."""
    clock = ManualClock()
    pair = SqlJournal(url_of(tmp_path), clock=clock), SqlJournal(url_of(tmp_path), clock=clock)
    yield pair
    for journal in pair:
        await journal.aclose()


async def test_of_two_connections_one_wins_each_key(pair: tuple[SqlJournal, SqlJournal]) -> None:
    for number in range(50):
        claims = await asyncio.gather(*(each.claim(begun(f"k-{number}")) for each in pair))
        assert [claim.won for claim in claims].count(True) == 1
        assert len({claim.record.id for claim in claims}) == 1


async def test_of_two_connections_one_writes_each_version(
    pair: tuple[SqlJournal, SqlJournal],
) -> None:
    record = begun("k")
    await pair[0].claim(record)
    for number in range(50):
        steps = [sent(record, f"v-{number}-{which}") for which in range(2)]
        taken = await asyncio.gather(*(each.save(step) for each, step in zip(pair, steps, strict=True)))
        assert taken.count(True) == 1
        record = steps[taken.index(True)]
    assert await pair[0].find(SCOPE, "k") == await pair[1].find(SCOPE, "k") == record


async def test_of_two_connections_one_gets_each_charge(pair: tuple[SqlJournal, SqlJournal]) -> None:
    for number in range(50):
        records = [begun(), begun()]
        for each, record in zip(pair, records, strict=True):
            await each.claim(record)
        ends = [done(record, f"c-{number}") for record in records]
        taken = await asyncio.gather(*(each.save(end) for each, end in zip(pair, ends, strict=True)))
        assert taken.count(True) == 1
        assert await pair[0].owner_of(SCOPE, f"c-{number}") == records[taken.index(True)].id


def run_workers(url: str, root: Path) -> list[dict[str, Any]]:
    """Start workers, let them go at once, and read what each has won."""
    command = [sys.executable, "-m", "tests.journals.racing", url]
    workers = [
        subprocess.Popen(
            [*command, str(number)], cwd=root, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for number in range(WORKERS)
    ]
    try:
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        answers = [worker.communicate(timeout=100)[0] for worker in workers]
        assert [worker.returncode for worker in workers] == [0] * WORKERS
    finally:
        for worker in workers:
            worker.kill()  # a failed worker must not leave the others waiting
            worker.communicate()
    return [json.loads(answer) for answer in answers]


async def test_processes_share_a_journal(tmp_path: Path, root: Path) -> None:
    url = url_of(tmp_path)
    said = await asyncio.to_thread(run_workers, url, root)
    won = Counter(key for each in said for key in each["won"])
    assert won == Counter(f"k-{number}" for number in range(RACES))
    charged = Counter(number for each in said for number in each["charged"])
    assert charged == Counter(range(RACES))
    journal = SqlJournal(url)
    counted = await journal.find(SCOPE, "counted")
    assert counted is not None
    assert counted.version == 1 + WORKERS * COUNTED == len(counted.transitions)
    for number in range(OWNERS):
        lives = {each["beats"][number] for each in said if each["beats"]}
        buried = {each["burials"][number] for each in said if each["burials"]}
        assert len(lives) == len(buried) == 1
        assert lives != buried
        assert await journal.is_alive(f"dead-{number}") in lives
    await journal.aclose()
