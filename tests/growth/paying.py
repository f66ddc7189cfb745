"""The throughput of `redeem()` by workers that share one PostgreSQL, beside a worker without a database."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Generator, Mapping, Sequence
from typing import Any, Final

import attrs

from tests.growth.processes import Process, cpu_of_server, started
from tests.journals.postgres import Server

__all__ = ["WORKERS", "measured"]

WORKERS: Final = (1, 2, 4, 8)
IN_FLIGHT: Final = 64
"""Calls under way at a time, of all workers together."""
_MEMORY: Final = "memory"
_COMMITS: Final = "SELECT xact_commit FROM pg_stat_database WHERE datname = '{database}'"
_WRITTEN: Final = "SELECT pg_snapshot_xmax(pg_current_snapshot())"
_WAL: Final = "SELECT pg_current_wal_insert_lsn() - '0/0'"


@attrs.define
class _Shop:
    """Workers with one journal, one emulator and one PostgreSQL.

    Attributes:
        server: PostgreSQL.
        api: the emulator.
        workers: the workers.
        tokens: tokens that were fetched until they were ready.
    """

    server: Server
    api: Process
    workers: Sequence[Process]
    tokens: int

    def round(self, calls: int) -> dict[str, float]:
        """The figures of so many payments."""
        self.api.ask()
        before = self._counted()
        begun = time.perf_counter()
        for worker in self.workers:
            worker.tell([calls // len(self.workers), IN_FLIGHT // len(self.workers)])
        told = [worker.told() for worker in self.workers]
        took = time.perf_counter() - begun
        after = self._counted()
        seconds = sorted(each for one in told for each in one["seconds"])
        made = len(seconds)
        used = {name: (after[name] - before[name]) / made * 1000 for name in before}
        used["statements"] = sum(one["statements"] for one in told) / made * 1000
        used["cpu of workers"] = sum(one["cpu"] for one in told) / made * 1000
        times = {"p50": seconds[made // 2] * 1e3, "p99": seconds[made * 99 // 100] * 1e3}
        return {"per second": made / took, **times, **used, "tokens": self.tokens}

    def _counted(self) -> dict[str, float]:
        said = self.api.ask()
        written = int(self.server.run(_WRITTEN))
        wal = float(self.server.run(_WAL))
        return {
            "cpu of emulator": said["cpu"],
            "cpu of PostgreSQL": cpu_of_server(self.server.process),
            "transactions that write": written,
            "WAL": wal,
        }


def measured(calls: int, rounds: int, workers: Sequence[int] = WORKERS) -> dict[str, Any]:
    """The figures of each number of workers, and of one with its journal in memory, per 1,000 redeems.

    Args:
        calls: payments of a round.
        rounds: the rounds; in each, all take their turns.
        workers: the numbers of workers.
    """
    server = Server(settings="")
    try:
        with contextlib.ExitStack() as stack:
            shops = {_MEMORY: stack.enter_context(_shop(server, None, 1))}
            for count in workers:
                server.run(f"CREATE DATABASE shop_{count}")
                shops[str(count)] = stack.enter_context(_shop(server, server.url(f"shop_{count}"), count))
            results: dict[str, list[dict[str, float]]] = {name: [] for name in shops}
            for _ in range(rounds):
                for name, shop in shops.items():
                    results[name].append(shop.round(calls))
            return {"calls": calls, "rounds": rounds, "workers": _medians(results)}
    finally:
        server.close()


@contextlib.contextmanager
def _shop(server: Server, url: str | None, count: int) -> Generator[_Shop]:
    """Workers that are ready."""
    each = IN_FLIGHT // count
    with contextlib.ExitStack() as stack:
        api = stack.enter_context(started("tests.growth.api", IN_FLIGHT))
        said = api.told()
        shares = [said["codes"][number * each : (number + 1) * each] for number in range(count)]
        workers = [
            stack.enter_context(started("tests.growth.payer", said["settings"], codes, url))
            for codes in shares
        ]
        for worker in workers:
            assert worker.told() == "ready"
        yield _Shop(server, api, workers, api.ask()["requests"]["requestToken"])


def _medians(results: Mapping[str, Sequence[Mapping[str, float]]]) -> dict[str, dict[str, float]]:
    memory = results[_MEMORY]
    made: dict[str, dict[str, float]] = {}
    for name, rounds in results.items():
        made[name] = {figure: statistics.median(each[figure] for each in rounds) for figure in rounds[0]}
        ratios = [own["per second"] / other["per second"] for own, other in zip(rounds, memory, strict=True)]
        made[name]["x memory"] = statistics.median(ratios)
    return made
