"""The main figure: what one warm `redeem` costs the client, beside the same two requests in raw aiohttp."""

from __future__ import annotations

from collections.abc import Mapping

from tests.bench import race
from tests.bench.race import CALLS, FLOOR, HEAP_KEPT, IN_FLIGHT, ON_UVLOOP, OURS
from tests.bench.report import Figure, Part

CONTENDERS = (FLOOR, OURS, *ON_UVLOOP, *HEAP_KEPT)
MOST = 1.5
NOTE = """\
As above; raw aiohttp reserves and charges, and nothing else: no turn, no record, no check of the answers.
With the heap kept the ratio is {heap_kept:.2f}, on uvloop {on_uvloop:.2f}. {calls:,} calls a round, medians
of {rounds} rounds, {in_flight} in flight."""


def measure(rounds: int, missing: Mapping[str, str]) -> Part:
    """Both, taking turns."""
    results = race.race(CONTENDERS, "redeem", rounds)
    kept = race.of_pair(results, *HEAP_KEPT)
    note = NOTE.format(
        rounds=rounds,
        calls=CALLS,
        in_flight=IN_FLIGHT,
        heap_kept=kept,
        on_uvloop=race.of_pair(results, *ON_UVLOOP),
    )
    made = race.table("One warm `redeem`", CONTENDERS, results, missing, note)
    against = race.of_pair(results, FLOOR, OURS)
    figure = Figure(
        "CPU of a warm `redeem()` against the same two requests in raw aiohttp",
        f"at most {MOST:g}x",
        f"{against:.2f}x",
        against <= MOST,
    )
    return Part([made], [figure])
