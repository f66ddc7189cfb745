"""The fault storm: `python -m tests.chaos --help`, or `make chaos`."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.chaos import report as reports
from tests.chaos.conductor import Conductor, Report
from tests.chaos.config import VARIANTS, Storm

_SHARE = 0.3
_OF_VARIANT: dict[str, dict[str, Any]] = {
    "kill": {"share": _SHARE, "kills": 5},
    "habits": {"share": _SHARE / 3},
    "keys": {"share": _SHARE / 3},
    "keys-sqlite": {"share": _SHARE / 3, "kills": 3, "pauses": 1, "calls": 5_000, "workers": 2},
    "keys-postgresql": {"share": _SHARE / 3, "kills": 3, "pauses": 1, "calls": 5_000},
}


def _storms(arguments: list[str]) -> tuple[list[Storm], Path | None, bool]:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    calls = "calls that move money, of all workers; with keys the payments"
    parser.add_argument("--calls", type=int, help=f"{calls} (default: 20,000; 5,000 with a shared journal)")
    parser.add_argument("--workers", type=int, help="processes (default: 4; 2 with SQLite)")
    parser.add_argument("--lanes", type=int, default=40, help="pieces of work that a worker does at once")
    share = (
        "share of the requests that meet a fault; a third of the default for the variants with habits or keys"
    )
    parser.add_argument("--share", type=float, help=f"{share} (default: {_SHARE})")
    parser.add_argument(
        "--delay", type=float, default=1.0, help="seconds that the server takes at the longest"
    )
    parser.add_argument("--slack", type=float, default=2.0, help="seconds that this machine may be late")
    parser.add_argument("--turn", type=float, default=2.0, help="seconds that each habit has its turn")
    parser.add_argument("--seed", type=int, default=1, help="what everything is drawn from")
    parser.add_argument("--kills", type=int, help="how often each worker is killed")
    paused = "how often each worker is stopped for longer than its lease, and goes on"
    parser.add_argument("--pauses", type=int, help=paused)
    parser.add_argument("--variant", choices=[*VARIANTS, "all"], default="all")
    parser.add_argument("--keep", type=Path, help="an empty folder for the records, which is kept")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/storm.md")
    given = vars(parser.parse_args(arguments))
    keep, write = given.pop("keep"), given.pop("write")
    variant = given.pop("variant")
    own = ("calls", "workers", "kills", "pauses", "share")
    fixed = {name: value for name in own if (value := given.pop(name)) is not None}
    storms = [
        Storm(**given, variant=name, **{**_OF_VARIANT.get(name, {"share": _SHARE}), **fixed})
        for name in (VARIANTS if variant == "all" else (variant,))
    ]
    return storms, keep, write


def _run(storm: Storm, keep: Path | None) -> Report:
    print(f"== {reports.command_of(storm)}", flush=True)  # noqa: T201
    if keep is not None:
        folder = keep / storm.variant
        folder.mkdir(parents=True)
        return asyncio.run(Conductor(storm, folder).run())
    with tempfile.TemporaryDirectory() as folder_name:
        return asyncio.run(Conductor(storm, Path(folder_name)).run())


def main(arguments: list[str]) -> int:
    """Run the storms that are asked for, and print what came of them."""
    storms, keep, write = _storms(arguments)
    done: list[Report] = []
    for storm in storms:
        report = _run(storm, keep)
        done.append(report)
        print(f"   {report.seconds:.0f} s; the server was {report.late:.2f} s late at worst", flush=True)  # noqa: T201
        print(reports.problems(report) or "   nothing is wrong", flush=True)  # noqa: T201
    print(f"\n{reports.table(done)}")  # noqa: T201
    for report in done:
        if report.storm.variant == "habits":
            print(f"\n{reports.table_of_habits(report.verdict.shares)}")  # noqa: T201
    failed = [report for report in done if reports.problems_of(report)]
    for report in failed:
        print(f"failed; run it again: {reports.command_of(report.storm)}")  # noqa: T201
    if write:
        reports.write(done)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
