"""A shop in the storm: `python -m tests.chaos.shop --help`."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

import attrs

from tests.chaos.shop.plan import ShopStorm
from tests.chaos.shop.storm import ShopConductor, ShopReport

_HELP = {
    "checkouts": "orders",
    "seed": "what everything is drawn from",
    "share": "share of the API's requests that meet a fault",
    "lanes": "customers in the shop at once",
    "workers": "processes of the shop",
    "grace": "seconds that handlers have once the shop is stopped",
    "delay": "seconds that the API's server takes at the longest",
    "window": "the clients' settle_window, in seconds",
    "close_wait": "seconds that a closing client waits for money calls",
}


def problems_of(report: ShopReport) -> list[str]:
    """Why a storm was not passed; empty when it was."""
    left = [f"left open: {count} of {what}" for what, count in report.open.items()]
    return [*report.wrong, *left, *(f"in the log:\n{each}" for each in report.ugly)]


def rows_of(report: ShopReport) -> list[tuple[str, str]]:
    """The lines of the table: what, how much."""
    answers = ", ".join(f"{count} x {status or 'none'}" for status, count in report.answers.items())
    return [
        ("orders", f"{report.storm.checkouts}"),
        ("paid / refused", f"{report.states.get('paid', 0)} / {report.states.get('unpaid', 0)}"),
        ("refunds by the shop / by the SDK", f"{report.given_back[0]} / {report.given_back[1]}"),
        ("clicks, by the answer's status", answers),
        ("requests to the API / with a fault", f"{report.requests:,} / {report.faults:,}"),
        ("handlers cancelled by the stop", f"{report.cancelled}"),
        ("seconds the stop took", f"{report.stopping:.1f}"),
        ("calls left for the last recovery", f"{report.recovered}"),
        ("records left open", f"{sum(report.open.values())}"),
        ("orders that do not agree with the ledger", f"{len(report.wrong)}"),
        ("ugly lines in the log", f"{len(report.ugly)}"),
        ("seconds", f"{report.seconds:.0f}"),
    ]


def main(arguments: list[str]) -> int:
    """Run the storm that is asked for, and print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.shop", description=__doc__)
    for field in attrs.fields(ShopStorm):
        kind = type(field.default)
        name = f"--{field.name.replace('_', '-')}"
        parser.add_argument(name, type=kind, default=field.default, help=f"{_HELP[field.name]} (%(default)s)")
    parser.add_argument(
        "--keep", type=Path, help="an empty folder for journal, orders and log, which is kept"
    )
    given = vars(parser.parse_args(arguments))
    keep: Path | None = given.pop("keep")
    storm = ShopStorm(**given)
    print(f"== {storm.command}", flush=True)  # noqa: T201
    with tempfile.TemporaryDirectory() as made:
        if keep is not None:
            keep.mkdir(parents=True)
        report = asyncio.run(ShopConductor(storm, keep or Path(made)).run())
    problems = problems_of(report)
    for what, how_much in rows_of(report):
        print(f"| {what} | {how_much} |")  # noqa: T201
    print("\n".join(problems[:40]) or "nothing is wrong")  # noqa: T201
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
