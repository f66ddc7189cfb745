"""The main figure: what one warm `reservations.create` costs the client, beside its rivals."""

from __future__ import annotations

import contextlib
import os
import pstats
import statistics
import tempfile
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from subprocess import Popen

from tests.bench.calls import all_calls
from tests.bench.control import Control, server
from tests.bench.places import ROOT, answer_of, start, stop
from tests.bench.report import Figure, Part, Table

IN_FLIGHT = 50
CALLS = 2_000
KEPT_HEAP = {"MALLOC_TOP_PAD_": str(1 << 24), "MALLOC_TRIM_THRESHOLD_": str(1 << 26)}


@dataclass(frozen=True)
class Contender:
    """One row of the table."""

    name: str
    module: str
    environment: str
    options: tuple[str, ...] = ()
    kept_heap: bool = False

    @property
    def variables(self) -> dict[str, str]:
        return KEPT_HEAP if self.kept_heap else {}


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
CONTENDERS = (
    FLOOR,
    OURS,
    *ON_UVLOOP,
    *HEAP_KEPT,
    Contender("httpx + attrs, by hand", "httpx_by_hand", "httpx"),
    Contender("openapi-python-client (httpx, attrs)", "openapi_python_client", "httpx"),
    Contender("openapi-generator (aiohttp, pydantic)", "openapi_generator", "openapi_generator"),
)
NOTE = """\
{in_flight} calls in flight on open connections, after some seconds of warming up; medians of {rounds}
rounds of {calls:,} calls each. CPU is the client's process time, so what the server takes does not
count; "alone" is the same with one call at a time; p50 and p99 are what a caller waits with {in_flight}
in flight. The rivals send a fixed token, voucher_async looks after its own; all but the floor decode
into models. httpx keeps 20 idle connections by default, here 100 like the others; its connection pool
does work that grows with the calls in flight. "Heap kept": asyncio reads into 256 KiB each time, which
the C library's malloc may take from the system and give back for every answer; whether it does depends
on what else lies on the heap, and is worth 15 us. In these two rows malloc is told to keep the memory,
so that luck has no part in the ratio of the two, {heap_kept:.2f}; on uvloop it is {on_uvloop:.2f}."""


@contextlib.contextmanager
def running(contender: Contender, control: Control) -> Generator[Popen[str]]:
    """The contender's process, warmed up."""
    seen = control.counts().requests.get("reserve", 0)
    process = start(
        contender.environment,
        "tests.bench.calls",
        contender.module,
        control.base_url,
        *contender.options,
        **contender.variables,
    )
    try:
        made = answer_of(process)["made"]
        assert control.counts().requests["reserve"] - seen == made, "not one request per call"
        yield process
    finally:
        stop(process)


def stay_awake(control: Control) -> None:
    """A server that sleeps has to be woken: work for the client, and more of it for a slow one."""
    control.set(awake=(os.cpu_count() or 1) > 1)


def ask(process: Popen[str], *words: object) -> dict[str, float]:
    assert process.stdin is not None
    process.stdin.write(f"{' '.join(map(str, words))}\n")
    process.stdin.flush()
    made: dict[str, float] = answer_of(process)
    return made


def measure(rounds: int, missing: Mapping[str, str], calls: int = CALLS) -> Part:
    """All contenders, taking turns."""
    racing = [contender for contender in CONTENDERS if contender.module not in missing]
    results: dict[Contender, list[dict[str, float]]] = {contender: [] for contender in racing}
    with server() as control, contextlib.ExitStack() as stack:
        stay_awake(control)
        processes = {one: stack.enter_context(running(one, control)) for one in racing}
        control.set(reset=True)
        for _ in range(rounds):
            for contender, process in processes.items():
                alone = ask(process, calls // 4, 1)["cpu_us"]
                results[contender].append(ask(process, calls, IN_FLIGHT) | {"alone": alone})
        seen = control.counts().requests
    expected = rounds * len(racing) * (all_calls(calls // 4, 1) + all_calls(calls, IN_FLIGHT))
    assert seen == {"reserve": expected}, f"not one request per call: {seen}, expected {expected}"
    made = Table(
        "One warm `reservations.create`",
        ("client", "CPU us/call", "x floor", "alone", "calls/s", "p50 ms", "p99 ms"),
        notes=[
            NOTE.format(
                rounds=rounds,
                calls=calls,
                in_flight=IN_FLIGHT,
                heap_kept=of_pair(results, *HEAP_KEPT),
                on_uvloop=of_pair(results, *ON_UVLOOP),
            )
        ],
    )
    floor = results[FLOOR]
    for contender in CONTENDERS:
        rest = (
            row(results[contender], floor) if contender in results else (missing[contender.module], *[""] * 5)
        )
        made.rows.append((contender.name, *rest))
    return Part([made], figures(results))


def figures(results: Mapping[Contender, list[dict[str, float]]]) -> list[Figure]:
    """Ours against the floor, and both generated clients against ours."""
    cpu = {
        contender.module: [one["cpu_us"] for one in rounds]
        for contender, rounds in results.items()
        if not contender.options and not contender.kept_heap
    }
    against = ratio(cpu["sdk"], cpu["floor"])
    made = [
        Figure(
            "CPU of a warm `reservations.create` against the floor",
            "at most 1.25x",
            f"{against:.2f}x",
            against <= 1.25,
        )
    ]
    for module, name, bar in (
        ("httpx_by_hand", "httpx by hand", 5.0),
        ("openapi_python_client", "openapi-python-client", 5.0),
        ("openapi_generator", "openapi-generator", 1.0),
    ):
        times = ratio(cpu[module], cpu["sdk"]) if module in cpu else 0.0
        made.append(
            Figure(
                f"CPU of {name} against ours",
                f"at least {bar:g}x",
                f"{times:.1f}x" if times else "not measured",
                times >= bar,
            )
        )
    return made


def ratio(times: list[float], others: list[float]) -> float:
    """The median of the rounds' ratios: what else the machine did meets both."""
    return statistics.median(one / other for one, other in zip(times, others, strict=True))


def of_pair(results: Mapping[Contender, list[dict[str, float]]], raw: Contender, ours: Contender) -> float:
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


def profile(top: int = 25, calls: int = 5_000) -> str:
    """The functions of voucher_async's call that take the most time of their own."""
    with tempfile.NamedTemporaryFile() as file, server() as control:
        stay_awake(control)
        with running(OURS, control) as process:
            ask(process, calls, IN_FLIGHT, file.name)
        stats = pstats.Stats(file.name)
    lines = [f"{'us / call':>9}  {'calls':>6}  function"]
    rows = sorted(stats.stats.items(), key=lambda row: -row[1][2])  # type: ignore[attr-defined]  # not in typeshed
    for (path, line, name), (_, count, own, _, _) in rows[:top]:
        place = path.replace(f"{ROOT}/", "").rpartition("site-packages/")[2]
        lines.append(f"{own / calls * 1e6:9.2f}  {count / calls:6.1f}  {name} ({place}:{line})")
    return "\n".join([*lines, ""])
