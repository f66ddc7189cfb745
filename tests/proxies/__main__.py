"""Make money calls through real proxies, and compare what callers were told with the ledger.

python -m tests.proxies                        every scenario; writes the tables of docs/proxies.md
python -m tests.proxies --only "nginx caches"  one scenario; docs/proxies.md stays as it is
python -m tests.proxies --missing              the Debian packages that are not installed

The exit status is 1 when a caller was told wrong, or money moved twice.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence

from tests.proxies import report
from tests.proxies.judge import Row
from tests.proxies.processes import PROGRAMS, program
from tests.proxies.running import run
from tests.proxies.scenarios import SCENARIOS, Scenario


def main(arguments: Sequence[str]) -> int:
    """Run the scenarios that are asked for, and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.proxies", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    names = [scenario.name for scenario in SCENARIOS]
    parser.add_argument("--only", choices=names, action="append", help="run this scenario; may be repeated")
    parser.add_argument("--calls", type=int, default=150, help="money calls of a scenario (default: 150)")
    parser.add_argument("--seed", type=int, default=1, help="of the faults (default: 1)")
    parser.add_argument("--missing", action="store_true", help="print the packages to install, and end")
    given = parser.parse_args(arguments)
    missing = [package for package in PROGRAMS if program(package) is None]
    if given.missing or missing:
        _say(" ".join(missing))
        return 0 if given.missing else 2
    wanted = [scenario for scenario in SCENARIOS if not given.only or scenario.name in given.only]
    rows = {scenario.name: _run(scenario, given.calls, given.seed) for scenario in wanted}
    _say(f"\n{report.results(rows)}")
    if not given.only:
        report.write(rows)
    return 1 if any(row.violations for row in rows.values()) else 0


def _run(scenario: Scenario, calls: int, seed: int) -> Row:
    begun = time.monotonic()
    row = asyncio.run(run(scenario, calls, seed))
    _say(f"{scenario.name}: {row.violations} violations, {time.monotonic() - begun:.0f} s")
    for example in row.examples[:5]:
        _say(f"    {example}")
    return row


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
