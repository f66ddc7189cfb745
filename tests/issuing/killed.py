"""A batch that runs until it is killed: `python -m tests.issuing.killed ACCESS JOURNAL COUNT`.

It prints a line for each voucher that is issued, and one with the number of errors when it ends.
"""

from __future__ import annotations

import asyncio
import json
import sys

from tests.issuing.batch import BATCH, specs
from voucher_async import VoucherClient


async def main(access: str, journal: str, count: str) -> None:
    errors = 0
    async with VoucherClient(**json.loads(access), journal=journal) as client:
        async for card in client.vouchers.issue_many(specs(int(count)), batch=BATCH, activate=True):
            errors += card.error is not None
            print(card.position, flush=True)  # noqa: T201
    print("errors", errors, flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
