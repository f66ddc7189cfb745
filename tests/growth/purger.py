"""A worker that purges.

    python -m tests.growth.purger JOURNAL SHRINK_BEFORE DROP_BEFORE

Moments are in ISO 8601. Says that it begins, then how many records it has changed, its seconds, its
statements and the most rows that one of them has written.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import sys
import time

from tests.growth.plans import Recorder, recorded
from tests.growth.processes import say
from voucher_async.journals.sql import SqlJournal


async def purge(url: str, shrink_before: str, drop_before: str) -> None:
    with recorded(Recorder()) as recorder:
        journal = SqlJournal(url)
        await journal.digest_key()
        say("begun")
        begun = time.perf_counter()
        changed = await journal.purge(*map(dt.datetime.fromisoformat, (shrink_before, drop_before)))
        took = time.perf_counter() - begun
        await journal.aclose()
    say({"changed": changed, "took": took, "statements": recorder.statements, "most": recorder.most})


if __name__ == "__main__":
    asyncio.run(purge(*map(json.loads, sys.argv[1:])))
