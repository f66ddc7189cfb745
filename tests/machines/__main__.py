"""The storm over machines: `python -m tests.machines --help`, or `make storm-machines`."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, get_args

from tests.machines import network, report
from tests.machines.conductor import Conductor, MachineReport
from tests.machines.plan import FAULTS, MachineStorm
from tests.outage.namespace import prefix

_INSIDE: Final = "STORM_INSIDE"
_SHOWN: Final = 20


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    storm = MachineStorm()
    parser = argparse.ArgumentParser(prog="python -m tests.machines", description=__doc__)
    parser.add_argument("--payments", type=int, dest="calls", default=16_000, help="payments (%(default)s)")
    parser.add_argument("--workers", type=int, default=8, help="machines, with a worker each (%(default)s)")
    parser.add_argument("--rounds", type=int, default=storm.rounds, help="turns of each fault (%(default)s)")
    lanes = "payments that a worker takes on at once (%(default)s)"
    parser.add_argument("--lanes", type=int, default=storm.lanes, help=lanes)
    least = "seconds that a fault lasts at least (%(default)s)"
    parser.add_argument("--least", type=float, default=storm.least, help=least)
    most = "seconds that it lasts at the most (%(default)s)"
    parser.add_argument("--most", type=float, default=storm.most, help=most)
    share = "share of the API's requests that meet a fault, when those have their turn (%(default)s)"
    parser.add_argument("--share", type=float, default=storm.share, help=share)
    delay = "seconds that the API takes at the longest (%(default)s)"
    parser.add_argument("--delay", type=float, default=storm.delay, help=delay)
    slack = "seconds that this machine may be late (%(default)s)"
    parser.add_argument("--slack", type=float, default=storm.slack, help=slack)
    parser.add_argument("--seed", type=int, default=storm.seed, help="what everything is drawn from")
    faults = "the faults that have their turns (default: all)"
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=FAULTS, metavar="FAULT", help=faults)
    means = "what stands between machines and services (default: namespaces, where they are to be had)"
    parser.add_argument("--means", choices=get_args(network.Means), help=means)
    parser.add_argument("--keep", type=Path, help="an empty folder for the records, which is kept")
    parser.add_argument("--write", action="store_true", help="write the table into docs/machines.md")
    return parser.parse_args(arguments)


def _run(storm: MachineStorm, keep: Path | None) -> MachineReport:
    if keep is not None:
        keep.mkdir(parents=True)
        return asyncio.run(Conductor(storm, keep).run())
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(Conductor(storm, Path(folder)).run())


def main(arguments: Sequence[str]) -> int:
    """Run the storm that is asked for, and print what came of it."""
    given = vars(_parse(arguments))
    keep, write, means = given.pop("keep"), given.pop("write"), given.pop("means")
    found, reason = network.means()
    chosen = means or found
    if chosen == "namespaces" and _INSIDE not in os.environ:
        command = [*prefix(), sys.executable, "-m", "tests.machines", *arguments]
        os.execvpe(command[0], command, {**os.environ, _INSIDE: "1"})
    storm = MachineStorm(**given, means=chosen)
    print(f"== {storm.command}", flush=True)  # noqa: T201
    print(f"   between machines and services: {chosen} (here: {found}, {reason})", flush=True)  # noqa: T201
    done = _run(storm, keep)
    problems = report.problems_of(done)
    print(f"{report.details(done)}\n\n{report.table(done.columns)}\n")  # noqa: T201
    print("\n".join(problems[:_SHOWN]) or "nothing is wrong")  # noqa: T201
    if len(problems) > _SHOWN:
        print(f"and {len(problems) - _SHOWN} more")  # noqa: T201
    if write:
        report.write(done)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
