"""A process that pays with one voucher again and again, beside others that do the same.

    python -m tests.bench.till BASE_URL CALLS TIMEOUT

Pays with some vouchers of its own first. Every line on its standard input is a round, all calls of which are
made at once. Each is answered by a line of JSON: how often each outcome was told.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter

from tests.bench.calls import Call, check, say
from tests.bench.contenders.journaled import connect

CHARGED = "charged"
WARMING = 50


async def outcome(call: Call, code: str) -> str:
    try:
        check("redeem", await call(code))
    except Exception as error:  # noqa: BLE001 - each is counted by its name
        return type(error).__name__
    return CHARGED


async def rounds(base_url: str, calls: int, timeout: float) -> None:
    async with connect(base_url, "redeem", timeout) as call:
        warm = await asyncio.gather(*(outcome(call, f"OF-{os.getpid()}-{n}") for n in range(WARMING)))
        say(Counter(warm))
        # its loop runs on, as that of a shop's worker does: its leases are renewed
        while await asyncio.to_thread(sys.stdin.readline):
            say(Counter(await asyncio.gather(*(outcome(call, "ONE-FOR-ALL") for _ in range(calls)))))


if __name__ == "__main__":
    asyncio.run(rounds(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
