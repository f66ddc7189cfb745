"""A worker that pays with vouchers of its own.

    python -m tests.growth.payer SETTINGS CODES JOURNAL

The journal is a URL, or null for one in memory. Pays once with each voucher, and says so. Each line on
standard input, `[CALLS, IN_FLIGHT]`, is a round; it is answered by the seconds that each call took, and the
CPU seconds and the statements of all of them.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.growth.plans import Recorder, recorded
from tests.growth.processes import say
from voucher_async import VoucherClient


class _Payer:
    """Pays with each of some vouchers by turns, with a key each time."""

    def __init__(self, client: VoucherClient, codes: Sequence[str]) -> None:
        self._client = client
        self._codes = itertools.cycle(codes)
        self._keys = (f"{os.getpid()}-{number}" for number in itertools.count())

    async def pay(self, calls: int, in_flight: int) -> list[float]:
        """Pay; the seconds of each call."""
        seconds: list[float] = []
        numbers = iter(range(calls))
        await asyncio.gather(*(self._some(numbers, seconds) for _ in range(in_flight)))
        return seconds

    async def _some(self, numbers: Iterator[int], seconds: list[float]) -> None:
        for _ in numbers:
            key, code = next(self._keys), next(self._codes)
            begun = time.perf_counter()
            await self._client.redeem(
                code=code, amount="0.01", currency="EUR", order_number=key, idempotency_key=key
            )
            seconds.append(time.perf_counter() - begun)


async def rounds(settings: Mapping[str, Any], codes: Sequence[str], journal: str | None) -> None:
    with recorded(Recorder()) as recorder:
        async with VoucherClient(**settings, journal=journal, timeout=60) as client:
            payer = _Payer(client, codes)
            await payer.pay(len(codes), len(codes))
            say("ready")
            # its loop runs on, as that of a shop's worker does: its leases are renewed
            while line := await asyncio.to_thread(sys.stdin.readline):
                calls, in_flight = json.loads(line)
                gc.collect()
                cpu, statements = time.process_time(), recorder.statements
                seconds = await payer.pay(calls, in_flight)
                used = {"cpu": time.process_time() - cpu, "statements": recorder.statements - statements}
                say({"seconds": seconds, **used})


if __name__ == "__main__":
    asyncio.run(rounds(*map(json.loads, sys.argv[1:])))
