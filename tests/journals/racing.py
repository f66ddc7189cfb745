"""A worker that races others for one journal: `python -m tests.journals.racing URL NUMBER`."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from tests.journals.records import NOW, SCOPE, begun, done
from voucher_async.journals.sql import SqlJournal

__all__ = ["share"]

RACES = 40
COUNTED = 25
OWNERS = 30
STEPS = 5
WORKERS = 3


async def race(url: str, number: int) -> dict[str, object]:
    """What a worker has won of all that there was to win."""
    journal = SqlJournal(url)
    await journal.digest_key()  # all processes create the tables at once
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    won = await claims(journal, number)
    written = await steps(journal, number)
    charged = await charges(journal, number)
    await count(journal, number)
    beats = [await journal.beat(f"dead-{each}", 60.0) for each in range(OWNERS)] if number % 2 else []
    burials = [] if number % 2 else [await journal.bury(f"dead-{each}") for each in range(OWNERS)]
    await journal.aclose()
    return {"won": won, "written": written, "charged": charged, "beats": beats, "burials": burials}


async def claims(journal: SqlJournal, number: int) -> list[str]:
    """The keys that this worker has won, each asked for twice at once."""
    records = [begun(f"k-{each // 2}", owner=f"worker-{number}") for each in range(2 * RACES)]
    random.Random(number).shuffle(records)  # batches that are not sorted stop each other
    claims = await asyncio.gather(*map(journal.claim, records))
    return [str(claim.record.key) for claim in claims if claim.won]


async def steps(journal: SqlJournal, number: int) -> list[str]:
    """The records that this worker has written of those that all write, in batches as large as can be."""
    keys = [f"k-{each}" for each in range(RACES)]
    random.Random(number).shuffle(keys)
    written: list[str] = []
    for step in range(STEPS):
        records = [await journal.find(SCOPE, key) for key in keys]
        steps = [
            attrs.evolve(record, version=step + 2, owner=f"worker-{number}") for record in records if record
        ]
        taken = await asyncio.gather(*map(journal.save, steps))
        written += [f"{record.key} {step}" for record, is_taken in zip(steps, taken, strict=True) if is_taken]
    return written


async def charges(journal: SqlJournal, number: int) -> list[int]:
    """The charges that were given to this worker."""
    taken: list[int] = []
    for each in range(RACES):
        record = begun(f"c-{each}-{number}")
        await journal.claim(record)
        if await journal.save(done(record, f"c-{each}"), durable=each % 10 == 0):
            taken.append(each)
    return taken


async def count(journal: SqlJournal, number: int) -> None:
    """Write a record of all together so often."""
    left = COUNTED
    await journal.claim(begun("counted"))
    while left:
        record = await journal.find(SCOPE, "counted")
        assert record is not None
        left -= await journal.save(record.step(record.state, at=NOW, by=f"worker-{number}"))


def at_once(commands: Sequence[Sequence[str]], root: Path) -> list[str]:
    """Start processes, let them go at one moment, and read what each says.

    Args:
        commands: of programs that say `ready`, and begin when they read a line.
        root: where they run.
    """
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    workers = [subprocess.Popen(command, cwd=root, **pipes) for command in commands]
    try:
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        answers = [worker.communicate(timeout=100)[0] for worker in workers]
        assert [worker.returncode for worker in workers] == [0] * len(commands)
    finally:
        for worker in workers:
            worker.kill()  # a failed worker must not leave the others waiting
            worker.communicate()
    return answers


def run_workers(url: str, root: Path) -> list[dict[str, Any]]:
    """Let workers race; what each has won."""
    command = [sys.executable, "-m", "tests.journals.racing", url]
    return [json.loads(said) for said in at_once([[*command, str(each)] for each in range(WORKERS)], root)]


async def share(url: str, root: Path) -> None:
    """Let workers race for a journal, and see that each thing was won once."""
    said = await asyncio.to_thread(run_workers, url, root)
    won = Counter(key for each in said for key in each["won"])
    assert won == Counter(f"k-{number}" for number in range(RACES))
    written = Counter(step for each in said for step in each["written"])
    assert written == Counter(f"k-{number} {step}" for number in range(RACES) for step in range(STEPS))
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


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(race(sys.argv[1], int(sys.argv[2])))))
