"""A worker that races others for one journal: `python -m tests.journals.racing URL NUMBER`."""

from __future__ import annotations

import asyncio
import json
import sys

from tests.journals.records import NOW, SCOPE, begun, done
from voucher_async.journals.sql import SqlJournal

__all__ = ["COUNTED", "OWNERS", "RACES"]

RACES = 40
COUNTED = 25
OWNERS = 30


async def race(url: str, number: int) -> dict[str, object]:
    """What a worker has won of all that there was to win."""
    journal = SqlJournal(url)
    await journal.digest_key()  # all processes create the tables at once
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    won = await claims(journal, number)
    charged = await charges(journal, number)
    await count(journal, number)
    beats = [await journal.beat(f"dead-{each}", 60.0) for each in range(OWNERS)] if number % 2 else []
    burials = [] if number % 2 else [await journal.bury(f"dead-{each}") for each in range(OWNERS)]
    await journal.aclose()
    return {"won": won, "charged": charged, "beats": beats, "burials": burials}


async def claims(journal: SqlJournal, number: int) -> list[str]:
    """The keys that this worker has won, each asked for twice at once."""
    records = [begun(f"k-{each // 2}", owner=f"worker-{number}") for each in range(2 * RACES)]
    claims = await asyncio.gather(*map(journal.claim, records))
    return [str(claim.record.key) for claim in claims if claim.won]


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


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(race(sys.argv[1], int(sys.argv[2])))))
