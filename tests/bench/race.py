"""A race: contenders that take turns at the same work, each warmed up in a process of its own."""

from __future__ import annotations

import contextlib
import os
import pstats
import statistics
import tempfile
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from subprocess import Popen

from tests.bench.calls import JOURNAL, all_calls
from tests.bench.control import Control, server
from tests.bench.places import ROOT, answer_of, ask, start, stop
from tests.bench.report import Table

__all__ = [
    "CALLS",
    "FLOOR",
    "HEAP_KEPT",
    "IN_FLIGHT",
    "ON_UVLOOP",
    "OURS",
    "Contender",
    "Results",
    "profile",
    "race",
    "ratio",
    "running",
    "table",
]

IN_FLIGHT = 50
CALLS = 2_000
KEPT_HEAP = {"MALLOC_TOP_PAD_": str(1 << 24), "MALLOC_TRIM_THRESHOLD_": str(1 << 26)}
REQUESTS = {"reserve": ("reserve",), "redeem": ("reserve", "charge")}  # requests that one call makes


@dataclass(frozen=True)
class Contender:
    """One row of the table."""

    name: str
    module: str
    environment: str
    options: tuple[str, ...] = ()
    kept_heap: bool = False
    journal: str = ""

    @property
    def variables(self) -> dict[str, str]:
        journal = {JOURNAL: self.journal} if self.journal else {}
        return journal | (KEPT_HEAP if self.kept_heap else {})


Results = Mapping[Contender, list[dict[str, float]]]

FLOOR = Contender("raw aiohttp + orjson, no models (the floor)", "floor", "aiohttp")
OURS = Contender("voucher_async", "sdk", "aiohttp")
ON_UVLOOP = (
    Contender("raw aiohttp + orjson, uvloop", "floor", "aiohttp", ("--uvloop",)),
    Contender("voucher_async, uvloop", "sdk", "aiohttp", ("--uvloop",)),
)
HEAP_KEPT = (
    Contender("raw aiohttp + orjson, heap kept", "floor", "aiohttp", kept_heap=True),
    Contender("voucher_async, heap kept", "sdk", "aiohttp", kept_heap=True),
)


@contextlib.contextmanager
def running(contender: Contender, work: str, control: Control) -> Generator[Popen[str]]:
    """The contender's process, warmed up."""
    seen = Counter(control.counts().requests)
    process = start(
        contender.environment,
        "tests.bench.calls",
        contender.module,
        work,
        control.base_url,
        *contender.options,
        **contender.variables,
    )
    try:
        made = answer_of(process)["made"]
        after = Counter(control.counts().requests) - seen
        assert [after[each] for each in REQUESTS[work]] == [made] * len(REQUESTS[work]), (
            "not as many requests"
        )
        yield process
    finally:
        stop(process)


def stay_awake(control: Control) -> None:
    """A server that sleeps has to be woken: work for the client, and more of it for a slow one."""
    control.set(awake=(os.cpu_count() or 1) > 1)


def race(contenders: Sequence[Contender], work: str, rounds: int, calls: int = CALLS) -> Results:
    """The figures of all rounds; the requests that the server saw are asserted."""
    results: dict[Contender, list[dict[str, float]]] = {contender: [] for contender in contenders}
    with server() as control, contextlib.ExitStack() as stack:
        stay_awake(control)
        processes = {one: stack.enter_context(running(one, work, control)) for one in contenders}
        control.set(reset=True)
        for _ in range(rounds):
            for contender, process in processes.items():
                alone: float = ask(process, calls // 4, 1)["cpu_us"]
                results[contender].append(ask(process, calls, IN_FLIGHT) | {"alone": alone})
        seen = control.counts().requests
    expected = rounds * len(contenders) * (all_calls(calls // 4, 1) + all_calls(calls, IN_FLIGHT))
    wanted = dict.fromkeys(REQUESTS[work], expected)
    assert seen == wanted, f"{seen} requests, expected {wanted}"
    return results


def table(
    title: str, contenders: Sequence[Contender], results: Results, missing: Mapping[str, str], note: str
) -> Table:
    """One row a contender, also for those that could not be measured."""
    made = Table(
        title, ("client", "CPU us/call", "x floor", "alone", "calls/s", "p50 ms", "p99 ms"), notes=[note]
    )
    for contender in contenders:
        rest = (
            row(results[contender], results[FLOOR])
            if contender in results
            else (missing[contender.module], *[""] * 5)
        )
        made.rows.append((contender.name, *rest))
    return made


def ratio(times: list[float], others: list[float]) -> float:
    """The median of the rounds' ratios: what else the machine did meets both."""
    return statistics.median(one / other for one, other in zip(times, others, strict=True))


def of_pair(results: Results, raw: Contender, ours: Contender) -> float:
    """Ours against raw aiohttp, both under the same conditions."""
    times, others = ([one["cpu_us"] for one in results[each]] for each in (ours, raw))
    return ratio(times, others)


def row(results: list[dict[str, float]], floor: list[dict[str, float]]) -> tuple[str, ...]:
    middle = {key: statistics.median(one[key] for one in results) for key in results[0]}
    against = ratio([one["cpu_us"] for one in results], [one["cpu_us"] for one in floor])
    return (
        f"{middle['cpu_us']:.0f}",
        f"{against:.2f}",
        f"{middle['alone']:.0f}",
        f"{middle['per_second']:,.0f}",
        f"{middle['p50_ms']:.1f}",
        f"{middle['p99_ms']:.1f}",
    )


def profile(work: str, top: int = 40, calls: int = 5_000) -> str:
    """The functions of voucher_async's call that take the most time of their own, and how many there are."""
    with tempfile.NamedTemporaryFile() as file, server() as control:
        stay_awake(control)
        with running(OURS, work, control) as process:
            ask(process, calls, IN_FLIGHT, file.name)
        stats = pstats.Stats(file.name)
    lines = [f"{'us / call':>9}  {'calls':>6}  function"]
    rows = sorted(stats.stats.items(), key=lambda row: -row[1][2])  # type: ignore[attr-defined]  # not in typeshed
    for (path, line, name), (_, count, own, _, _) in rows[:top]:
        place = path.replace(f"{ROOT}/", "").rpartition("site-packages/")[2]
        lines.append(f"{own / calls * 1e6:9.2f}  {count / calls:6.1f}  {name} ({place}:{line})")
    lines.append(f"{own_calls(stats, calls):.1f} calls of the SDK's own functions in one {work}")
    return "\n".join([*lines, ""])


def own_calls(stats: pstats.Stats, calls: int) -> float:
    """How many functions of the package one call runs, those of attrs' and other generated code left out."""
    return sum(
        count / calls
        for (path, _, _), (_, count, _, _, _) in stats.stats.items()  # type: ignore[attr-defined]  # not in typeshed
        if path.startswith(f"{ROOT}/voucher_async/")
    )
