"""Decoding: the converter beside pydantic, msgspec and cattrs."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

from tests.bench.places import fresh
from tests.bench.report import Figure, Part, Table

# here, not in bench_decode.py, which imports this module into an environment without the SDK
OURS = "voucher_async.wire"
PYDANTIC = "pydantic v2, model_validate_json (amounts unchecked)"
MANY = "1,000 vouchers"
NOTE = """\
Medians of {rounds} rounds. Ours checks that amounts are texts with two decimals and that moments have an
offset; what a set-up does not check stands beside its name."""


def measure(rounds: int, _missing: Mapping[str, str]) -> Part:
    """All readers, in one fresh process, taking turns."""
    results: dict[str, dict[str, list[float]]] = fresh(
        "aiohttp", "tests.bench.bench_decode", "measure", rounds=rounds
    )
    head = [cell for case in results for cell in (f"{case}, us", "x ours")]
    table = Table("Decoding", ("reader", *head), notes=[NOTE.format(rounds=rounds)])
    for name in results[MANY]:
        cells: list[str] = []
        for times in results.values():
            cells += [f"{statistics.median(times[name]):,.1f}", f"{ratio(times[name], times[OURS]):.2f}"]
        table.rows.append((name, *cells))
    against = ratio(results[MANY][OURS], results[MANY][PYDANTIC])
    figure = Figure(
        "decoding 1,000 vouchers against pydantic v2 `model_validate_json`",
        "below 1x",
        f"{against:.2f}x",
        against < 1,
    )
    return Part([table], [figure])


def ratio(times: list[float], others: list[float]) -> float:
    """The median of the rounds' ratios."""
    return statistics.median(one / other for one, other in zip(times, others, strict=True))
