"""What one warm `reservations.create` costs the client, beside its rivals."""

from __future__ import annotations

from collections.abc import Mapping

from tests.bench import race
from tests.bench.race import CALLS, FLOOR, HEAP_KEPT, IN_FLIGHT, ON_UVLOOP, OURS, Contender, Results, ratio
from tests.bench.report import Figure, Part

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


def measure(rounds: int, missing: Mapping[str, str]) -> Part:
    """All contenders, taking turns."""
    racing = [contender for contender in CONTENDERS if contender.module not in missing]
    results = race.race(racing, "reserve", rounds)
    note = NOTE.format(
        rounds=rounds,
        calls=CALLS,
        in_flight=IN_FLIGHT,
        heap_kept=race.of_pair(results, *HEAP_KEPT),
        on_uvloop=race.of_pair(results, *ON_UVLOOP),
    )
    made = race.table("One warm `reservations.create`", CONTENDERS, results, missing, note)
    return Part([made], figures(results))


def figures(results: Results) -> list[Figure]:
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
            "at most 1.3x",
            f"{against:.2f}x",
            against <= 1.3,
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
