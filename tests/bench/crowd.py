"""10,000 `redeem()` at once in one process: requests, tokens, connections, memory."""

from __future__ import annotations

import asyncio
import gc
import resource
import statistics
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from tests.bench.calls import TOKEN
from tests.bench.control import Control, Counts, server
from tests.bench.places import fresh
from tests.bench.report import Figure, Part, Table
from voucher_async import VoucherClient

CALLS = 10_000
LIMIT = 100
KIB = 1024
NOTE = """\
{calls:,} vouchers, {limit} connections at most (the default), medians of {rounds} fresh processes. The
counts are the server's and are asserted: one token, two requests a call, each reservation charged once,
and no token and two requests a call once warm. Memory: the server holds every answer back until all
calls wait; the growth since before the calls, divided by their number, by the resident size of the
process and by tracemalloc (in another process). The last row is the same crowd waiting in raw aiohttp."""


async def redeem(port: int, calls: int) -> dict[str, float]:
    """A cold start with all calls at once, then some more, warm."""
    control = Control(port)
    async with client_of(control) as client:
        wall, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(pay(client, number) for number in range(calls)))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        cold = control.counts()
        control.set(reset=True)
        await asyncio.gather(*(pay(client, number) for number in range(100)))
        warm = control.counts()
    demand(cold, {"token": 1, "reserve": calls, "charge": calls})
    demand(warm, {"reserve": 100, "charge": 100})
    return {"cpu_us": cpu / calls * 1e6, "per_second": calls / wall, "peak": cold.peak}


async def waiting(port: int, calls: int, *, traced: bool, raw: bool = False) -> float:
    """KiB that one call takes while it waits for its answer."""
    control = Control(port)
    if raw:
        import aiohttp

        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with aiohttp.ClientSession(headers=headers) as session:

            async def post(number: int) -> None:
                body = {"amount": "10.00", "currency": "EUR", "code": f"CODE-{number}"}
                async with session.post(f"{control.base_url}/reservations", json=body) as answer:
                    await answer.read()

            return await grown(control, post, calls, traced=traced)
    async with client_of(control) as client:
        made = await grown(control, lambda number: pay(client, number), calls, traced=traced)
    demand(control.counts(), {"token": 1, "reserve": calls + 1, "charge": calls + 1})
    return made


async def grown(
    control: Control, call: Callable[[int], Awaitable[None]], calls: int, *, traced: bool
) -> float:
    """KiB per call by which the process grows while so many of them wait."""
    await call(calls)  # load and make what the first call alone needs
    if traced:
        tracemalloc.start()
    control.set(held=["reserve"])
    before = size(traced=traced)
    tasks = [asyncio.ensure_future(call(number)) for number in range(calls)]
    while control.counts().held < LIMIT:
        await asyncio.sleep(0.05)
    made = size(traced=traced) - before
    tracemalloc.stop()
    control.set(held=[])
    await asyncio.gather(*tasks)
    return made / calls / KIB


def client_of(control: Control) -> VoucherClient:
    return VoucherClient("bench", "bench-secret", base_url=control.base_url, timeout=300)


async def pay(client: VoucherClient, number: int) -> None:
    await client.redeem(code=f"CODE-{number:05}", amount="10.00", currency="EUR", order_number="A-1")


def size(*, traced: bool) -> float:
    """Bytes in use."""
    gc.collect()
    if traced:
        return tracemalloc.get_traced_memory()[0]
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def demand(counts: Counts, requests: dict[str, int]) -> None:
    assert counts.requests == requests, f"expected {requests}, the server saw {counts.requests}"
    assert counts.charged == requests["charge"], (
        f"charged {counts.charged} of {requests['charge']} reservations"
    )
    assert counts.double_charges == 0, f"{counts.double_charges} charges of one reservation"
    assert counts.peak <= LIMIT, f"{counts.peak} connections at once, {LIMIT} allowed"


def measure(rounds: int, _missing: Mapping[str, str]) -> Part:
    """Fresh processes, taking turns."""
    rounds = min(rounds, 3)
    kinds: dict[str, list[Any]] = {
        "asyncio": [],
        "uvloop": [],
        "rss": [],
        "traced": [],
        "raw": [],
        "raw traced": [],
    }
    for _ in range(rounds):
        for kind, made in kinds.items():
            made.append(once(kind))
    table = Table(
        f"{CALLS:,} `redeem()` at once",
        ("client", "CPU us/redeem", "redeems/s", "connections", "KiB/call, resident", "KiB/call, traced"),
        notes=[NOTE.format(calls=CALLS, limit=LIMIT, rounds=rounds)],
    )
    memory = {kind: statistics.median(kinds[kind]) for kind in ("rss", "traced", "raw", "raw traced")}
    for kind, name in (("asyncio", "voucher_async"), ("uvloop", "voucher_async, uvloop")):
        cpu, rate = (statistics.median(one[key] for one in kinds[kind]) for key in ("cpu_us", "per_second"))
        peak = max(one["peak"] for one in kinds[kind])
        sizes = (f"{memory['rss']:.1f}", f"{memory['traced']:.1f}") if kind == "asyncio" else ("", "")
        table.rows.append((name, f"{cpu:.0f}", f"{rate:,.0f}", f"{peak}", *sizes))
    table.rows.append(("raw aiohttp", "", "", "", f"{memory['raw']:.1f}", f"{memory['raw traced']:.1f}"))
    peak = max(one["peak"] for one in kinds["asyncio"])
    crowd = f"{CALLS:,} concurrent `redeem()`"
    return Part(
        [table],
        [
            # asserted in the measuring process, where a miss ends the run with an error
            Figure("requests per warm `redeem()`", "2, and 0 token requests", "2, and 0", met=True),
            Figure(f"{crowd}", "all succeed, 1 token request", f"{CALLS:,} charged, 1", met=True),
            Figure(f"{crowd}: connections", f"at most {LIMIT}", f"{peak:.0f}", met=True),
            Figure(
                f"{crowd}: memory per waiting call",
                "at most 20 KiB",
                f"{memory['rss']:.1f} KiB resident",
                memory["rss"] <= 20,
            ),
        ],
    )


def once(kind: str) -> Any:
    with server() as control:
        if kind in {"asyncio", "uvloop"}:
            options = ["--uvloop"] if kind == "uvloop" else []
            return fresh("aiohttp", __name__, "redeem", *options, port=control.port, calls=CALLS)
        arguments = {"port": control.port, "calls": CALLS, "traced": "traced" in kind, "raw": "raw" in kind}
        return fresh("aiohttp", __name__, "waiting", **arguments)
