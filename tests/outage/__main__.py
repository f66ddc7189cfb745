"""Outages of the network as money requests are written: `python -m tests.outage --help`."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import attrs

from codegen.site.results import replaced
from tests.outage.plan import Cell, Certificates, Outcome, run

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "outage.md"
_COLUMNS = ("call", "outage", "timeout", "TLS", *(field.name for field in attrs.fields(Outcome)))
_WRONG = ("late", "lost", "double", "false")


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.outage", description=__doc__)
    parser.add_argument("--calls", type=int, default=20, help="calls at once in each cell")
    parser.add_argument(
        "--beside", type=int, default=12, help="cells at once, each in a namespace of its own"
    )
    parser.add_argument("--outages", type=float, nargs="+", default=[8, 20, 28, 40], help="seconds")
    parser.add_argument("--timeouts", type=float, nargs="+", default=[5, 30], help="seconds")
    parser.add_argument("--what", nargs="+", default=["charge", "recharge", "refund"])
    parser.add_argument("--write", action="store_true", help="write the table into docs/outage.md")
    return parser.parse_args(arguments)


def _cells(given: argparse.Namespace, certificates: Certificates) -> list[Cell]:
    ways = itertools.product(given.what, given.outages, given.timeouts, (None, str(certificates.server)))
    return [
        Cell(what=what, outage=outage, timeout=timeout, certificate=certificate, calls=given.calls)
        for what, outage, timeout, certificate in ways
    ]


def _line(values: Sequence[object]) -> str:
    return f"| {' | '.join(map(str, values))} |"


def _row(cell: Cell, outcome: Outcome) -> str:
    way = (cell.what, f"{cell.outage:g} s", f"{cell.timeout:g} s", "yes" if cell.certificate else "no")
    return _line((*way, *attrs.astuple(outcome)))


async def _run_all(cells: Sequence[Cell], certificates: Certificates, beside: int) -> list[Outcome]:
    turns = asyncio.Semaphore(beside)

    async def one(cell: Cell) -> Outcome:
        async with turns:
            return await run(cell, certificates)

    return await asyncio.gather(*map(one, cells))


def main(arguments: Sequence[str]) -> int:
    """Run every cell, print a table, and fail when a caller was told what is not so."""
    given, begun = _parse(arguments), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        certificates = Certificates.make(Path(folder))
        cells = _cells(given, certificates)
        outcomes = asyncio.run(_run_all(cells, certificates, given.beside))
    rows = (_row(cell, outcome) for cell, outcome in zip(cells, outcomes, strict=True))
    table = "\n".join((_line(_COLUMNS), _line(["---"] * len(_COLUMNS)), *rows))
    print(table)  # noqa: T201
    if given.write:
        DOCUMENT.write_text(
            replaced(DOCUMENT.read_text(encoding="utf-8"), "results", table), encoding="utf-8"
        )
    wrong = {name: sum(getattr(outcome, name) for outcome in outcomes) for name in _WRONG}
    print(f"\n{len(cells)} cells of {given.calls} calls in {time.monotonic() - begun:.0f} s: {wrong}")  # noqa: T201
    return int(any(wrong.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
