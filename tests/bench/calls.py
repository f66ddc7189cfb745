"""Calls in rounds: what a contender offers, and how one round of it is measured.

    python -m tests.bench.calls CONTENDER WORK BASE_URL [--uvloop]

`WORK` is `reserve` or, where the contender has it, `redeem`.

Runs in a process of its own, in the contender's environment, and needs nothing but the standard library.
Every line on its standard input, `CALLS IN_FLIGHT [PROFILE]`, is one round and is answered by one line of
JSON.
"""

from __future__ import annotations

import asyncio
import cProfile
import gc
import importlib
import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

TOKEN = "bench-token-0"
JOURNAL = "BENCH_JOURNAL"  # the variable with the URL of a contender's journal
WARM_SECONDS = 3.0
MADE = {"reserve": "2b1f3c9e-", "redeem": "c81d4e2e-"}  # prefixes of the ids in the answers

Call = Callable[[str], Awaitable[object]]
"""Reserves 10.00 EUR of the voucher with that code, or pays with it; gives the last answer as it makes it."""


async def worker(call: Call, numbers: Iterator[int], seconds: list[float]) -> None:
    clock = time.perf_counter
    for number in numbers:
        start = clock()
        await call(f"CODE-{number:08}")
        seconds.append(clock() - start)


async def run(call: Call, calls: int, in_flight: int) -> list[float]:
    """Make the calls, so many at a time; the seconds each took."""
    numbers = iter(range(calls))
    seconds: list[float] = []
    await asyncio.gather(*(worker(call, numbers, seconds) for _ in range(in_flight)))
    return seconds


async def last(call: Call, seconds: float) -> int:
    """Make calls for so many seconds: until caches, pools and the heap are those of a process at work."""
    made, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        made += len(await run(call, 100, 50))
    return made


def warm_up(calls: int, in_flight: int) -> int:
    return max(in_flight * 4, calls // 10)


def all_calls(calls: int, in_flight: int) -> int:
    """How many calls a round makes, those that are not measured included."""
    return warm_up(calls, in_flight) + calls


async def measure(call: Call, calls: int, in_flight: int, profile: str | None = None) -> dict[str, float]:
    """One round, on connections that are open."""
    await run(call, warm_up(calls, in_flight), in_flight)
    gc.collect()
    # CPU time of this process, which leaves out other processes
    profiler = cProfile.Profile(time.process_time) if profile else None
    wall, cpu = time.perf_counter(), time.process_time()
    if profiler:
        profiler.enable()
    seconds = await run(call, calls, in_flight)
    if profiler:
        profiler.disable()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    if profiler and profile:
        profiler.dump_stats(profile)
    seconds.sort()
    return {
        "cpu_us": cpu / calls * 1e6,
        "per_second": calls / wall,
        "p50_ms": seconds[calls // 2] * 1e3,
        "p99_ms": seconds[calls * 99 // 100] * 1e3,
    }


def check(work: str, made: object) -> None:
    """A contender that decodes nothing, or loses an error, must not win."""
    made_id = made["id"] if isinstance(made, dict) else getattr(made, "id", None)
    if not isinstance(made_id, str) or not made_id.startswith(MADE[work]):
        raise TypeError(f"no answer to {work}: {made!r}")


async def rounds(contender: Any, work: str, base_url: str) -> None:
    async with contender.connect(base_url, work) as call:
        check(work, await call("CODE-FIRST"))
        say({"made": 1 + await last(call, WARM_SECONDS)})
        # between rounds this process idles, so its loop may block
        for line in sys.stdin:
            calls, in_flight, *profile = line.split()
            say(await measure(call, int(calls), int(in_flight), *profile))


def say(line: object) -> None:
    sys.stdout.write(f"{json.dumps(line)}\n")
    sys.stdout.flush()


def main(name: str, work: str, base_url: str, *options: str) -> None:
    contender = importlib.import_module(f"tests.bench.contenders.{name}")
    factory = importlib.import_module("uvloop").new_event_loop if "--uvloop" in options else None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(rounds(contender, work, base_url))


if __name__ == "__main__":
    main(*sys.argv[1:])
