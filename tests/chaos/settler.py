"""Settles what killed workers had saved, in a process of its own, when the storm is over.

`python -m tests.chaos.settler STORM ACCESS FOLDER JOURNALS...`
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from tests.chaos.config import Storm
from tests.chaos.records import Ended, Journal
from tests.chaos.settling import settle_all, unresolved_in
from tests.chaos.watcher import Watcher
from voucher_async import VoucherClient
from voucher_async.testing import EmulatorSettings


async def run(storm: Storm, access: EmulatorSettings, folder: Path, names: list[str]) -> None:
    """Settle what is open in the journals of these names, by two clients that know nothing of each other."""
    pendings = unresolved_in(folder / name for name in names)

    async def settle(by: str) -> None:
        with Journal(folder / f"{by}.jsonl") as journal:
            client = VoucherClient(settings=storm.settings(access), hooks=[Watcher(journal)])
            await settle_all(client, pendings, journal, by, tries=storm.tries)
            left = await client.aclose()
            journal.write(Ended(open=tuple(pending.id for pending in left)))

    await asyncio.gather(settle("stranger"), settle("another stranger"))


if __name__ == "__main__":
    asyncio.run(run(Storm.from_json(sys.argv[1]), json.loads(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:]))
