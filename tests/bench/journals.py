"""The cost of a durable journal: redeems a second, commits, time, and turns between processes."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Callable, Mapping, Sequence
from subprocess import Popen

from tests.bench import one_voucher
from tests.bench.calls import all_calls
from tests.bench.control import server
from tests.bench.databases import Database, databases
from tests.bench.places import ask
from tests.bench.race import Contender, ratio, running
from tests.bench.report import Figure, Part, Table

LOADS = {200: 1_600, 10: 600, 1: 150}
"""Calls of a round by how many are in flight."""

BUSY, FEW, ALONE = LOADS
MEMORY = "memory"
LEAST = {"SQLite": {BUSY: 0.5, FEW: 0.3}, "PostgreSQL": {BUSY: 0.4, FEW: 0.3}}
MOST_COMMITS = 0.2
NOTE = """\
`redeem()` of different vouchers, each with a key, {busy} at a time, {few} at a time and alone, on open
connections, after some seconds of warming up; medians of {rounds} rounds of {calls} calls; "x" is the
median of the rounds' ratios. All that works shares the processors of this machine: the client, the
API's server, which sleeps while nobody asks, and PostgreSQL {version} with the settings it comes with.
SQLite has those that the journal gives it: a write-ahead log, and a call's record on disk before its
charge is sent. Commits are transactions that changed something, with {busy} calls at a time, counted by
the databases themselves: by SQLite in the index of its log, by PostgreSQL as it numbers them. "Longer
by" is how much longer than with the journal in memory a call takes that is alone. The last row is the
disk: a page of 4 KiB of a file beside that of SQLite, written over and on disk (`fsync`)."""

Rounds = dict[str, dict[int, list[dict[str, float]]]]


def measure(rounds: int, _missing: Mapping[str, str]) -> Part:
    """All journals, taking turns; then processes that share one."""
    crowding = max(1, rounds // 3)
    with databases() as made:
        memory = Database(MEMORY, "", lambda: 0)
        results, syncs = race([memory, *made.make("race")], rounds, made.sync_ms)
        crowds = one_voucher.crowds(made.make("crowd"), crowding)
        version = made.version
    tables = [table(results, syncs, version), one_voucher.table(crowds, crowding)]
    return Part(tables, [*figures(results), *one_voucher.figures(crowds, crowding)])


def race(
    databases: Sequence[Database], rounds: int, sync_ms: Callable[[], float]
) -> tuple[Rounds, list[float]]:
    """The figures of all rounds by journals and loads, and the disk's; the server's counts are asserted."""
    results: Rounds = {each.kind: {load: [] for load in LOADS} for each in databases}
    syncs: list[float] = []
    with server() as control, contextlib.ExitStack() as stack:
        processes: list[tuple[Database, Popen[str]]] = []
        for each in databases:
            contender = Contender(each.kind, "journaled", "journals", journal=each.url)
            processes.append((each, stack.enter_context(running(contender, "redeem", control))))
        control.set(reset=True)
        for _ in range(rounds):
            syncs.append(sync_ms())
            for in_flight, calls in LOADS.items():
                for database, process in processes:
                    results[database.kind][in_flight].append(loaded(database, process, calls, in_flight))
        seen = control.counts()
    expected = rounds * len(processes) * sum(all_calls(calls, load) for load, calls in LOADS.items())
    assert seen.requests == {"reserve": expected, "charge": expected}, f"{seen}, expected {expected} calls"
    assert seen.charged == expected
    return results, syncs


def loaded(database: Database, process: Popen[str], calls: int, in_flight: int) -> dict[str, float]:
    """One journal's figures of one load."""
    before = database.written()
    made: dict[str, float] = ask(process, calls, in_flight)
    return made | {"commits": (database.written() - before) / all_calls(calls, in_flight)}


def column(rounds: Rounds, kind: str, in_flight: int, name: str) -> list[float]:
    return [each[name] for each in rounds[kind][in_flight]]


def against_memory(results: Rounds, kind: str, in_flight: int) -> float:
    """Redeems a second as a multiple of those of the journal in memory."""
    return ratio(*(column(results, each, in_flight, "per_second") for each in (kind, MEMORY)))


def commits(results: Rounds, kind: str) -> float:
    return statistics.median(column(results, kind, BUSY, "commits"))


def longer(results: Rounds, kind: str) -> float:
    """Milliseconds that a call which is alone takes longer than with the journal in memory."""
    times, others = (column(results, each, ALONE, "p50_ms") for each in (kind, MEMORY))
    return statistics.median(one - other for one, other in zip(times, others, strict=True))


def table(results: Rounds, syncs: list[float], version: str) -> Table:
    note = NOTE.format(
        busy=BUSY,
        few=FEW,
        rounds=len(syncs),
        calls=", ".join(f"{calls:,}" for calls in LOADS.values()),
        version=version,
    )
    loads = [cell for load in (BUSY, FEW) for cell in (f"redeems/s, {load} in flight", "x memory")]
    head = ("journal", *loads, "commits/redeem", "alone, ms", "longer by, ms")
    made = Table("`redeem()` with a durable journal", head, notes=[note])
    for kind in results:
        alone = statistics.median(column(results, kind, ALONE, "p50_ms"))
        costs = (f"{commits(results, kind):.3f}", f"{alone:.2f}", f"{longer(results, kind):.2f}")
        made.rows.append((kind, *rates(results, kind), *(costs if kind != MEMORY else ("", costs[1], ""))))
    made.rows.append(("the disk alone", *[""] * 5, f"{statistics.median(syncs):.2f}", ""))
    return made


def rates(results: Rounds, kind: str) -> list[str]:
    made: list[str] = []
    for load in (BUSY, FEW):
        rate = statistics.median(column(results, kind, load, "per_second"))
        made += [f"{rate:,.0f}", f"{against_memory(results, kind, load):.2f}"]
    return made


def figures(results: Rounds) -> list[Figure]:
    made: list[Figure] = []
    for kind, bars in LEAST.items():
        for load, least in bars.items():
            times = against_memory(results, kind, load)
            what = f"redeems/s with {kind} against the journal in memory, {load} in flight"
            made.append(Figure(what, f"at least {least:g}x", f"{times:.2f}x", times >= least))
        made.append(
            Figure(
                f"commits per `redeem()` with {kind}, {BUSY} in flight",
                f"at most {MOST_COMMITS:g}",
                f"{commits(results, kind):.3f}",
                commits(results, kind) <= MOST_COMMITS,
            )
        )
    return made
