"""Run the benchmarks.

python -m tests.bench                             everything, and write RESULTS.md
python -m tests.bench --only reserve --rounds 3   a quick look; RESULTS.md stays as it is
python -m tests.bench --profile redeem            where the time of one `redeem` goes; or of one `reserve`
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping

from tests.bench import crowd, decode, imports, journals, race, redeem, reserve, tokens
from tests.bench.environments import prepare
from tests.bench.report import Figure, Part, Table, busy, summary, write

QUIET = 0.3
PARTS: dict[str, Callable[[int, Mapping[str, str]], Part]] = {
    "redeem": redeem.measure,
    "reserve": reserve.measure,
    "decode": decode.measure,
    "imports": imports.measure,
    "crowd": crowd.measure,
    "tokens": tokens.measure,
    "journals": journals.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Run the benchmarks.")
    parser.add_argument("--only", choices=PARTS, action="append", help="run this part; may be repeated")
    parser.add_argument("--rounds", type=int, default=9, help="how many rounds the medians are of")
    parser.add_argument("--profile", choices=race.REQUESTS, help="profile this, measure nothing")
    options = parser.parse_args()
    missing = prepare()
    if options.profile:
        sys.stdout.write(race.profile(options.profile))
        return
    load = busy()
    if load > QUIET:
        sys.stderr.write(f"== this machine is {load:.0%} busy with other things: do not trust the figures\n")
    tables: list[Table] = []
    figures: list[Figure] = []
    for name in options.only or PARTS:
        part = PARTS[name](options.rounds, missing)
        for table in part.tables:
            show(table)
        tables += part.tables
        figures += part.figures
    show(summary(figures))
    if not options.only:
        write([summary(figures), *tables], load)


def show(table: Table) -> None:
    sys.stdout.write(f"{table.text()}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
