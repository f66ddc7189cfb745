"""Measure what a journal costs when it has grown, and what one database carries.

python -m tests.growth                       everything; writes results.json and the tables of docs/growth.md
python -m tests.growth --only workers        a part; the results of the others stay as they are
python -m tests.growth --records 20000 --calls 400 --rounds 1 --dry    a quick look; nothing is written
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from tests.growth import paying, report, running
from tests.journals.postgres import Server

MILLION: Final = 1_000_000
_NOISY: Final = """
max_wal_size = 8GB
"""


def _postgresql(given: argparse.Namespace) -> dict[str, Any]:
    """PostgreSQL as it is installed, but for what its disk is given for a fill that no shop has."""
    server = Server(settings=_NOISY)
    try:
        return asyncio.run(running.in_postgresql(server, "grown", given.records))
    finally:
        server.close()


def _sqlite(given: argparse.Namespace) -> dict[str, Any]:
    return asyncio.run(running.in_sqlite(given.records))


def _workers(given: argparse.Namespace) -> dict[str, Any]:
    return paying.measured(given.calls, given.rounds)


_PARTS: Final[dict[str, Callable[[argparse.Namespace], dict[str, Any]]]] = {
    "postgresql": _postgresql,
    "sqlite": _sqlite,
    "workers": _workers,
}


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.growth", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", choices=_PARTS, action="append", help="measure this part; may be repeated")
    parser.add_argument("--records", type=int, default=MILLION, help="records in each journal")
    parser.add_argument("--calls", type=int, default=4_000, help="payments of a round")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of payments")
    parser.add_argument("--dry", action="store_true", help="print the results, and write nothing")
    given = parser.parse_args()
    results: dict[str, Any] = {}
    for name in given.only or _PARTS:
        facts, begun = report.facts(), time.monotonic()
        results[name] = {"facts": facts, **_PARTS[name](given)}
        sys.stdout.write(f"{name}: {time.monotonic() - begun:.0f} s\n")
        sys.stdout.flush()
        if not given.dry:  # what has been measured is kept, whatever becomes of the other parts
            report.write(report.keep({name: results[name]}))
    if given.dry:
        sys.stdout.write(f"{json.dumps(results, indent=1)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
