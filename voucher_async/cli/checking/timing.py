"""The steps `clock` and `round trip`: the server's clock against this machine's, and how long a read takes.

A `Date` has whole seconds, and was written at some moment between the request and its answer. So each answer
gives an interval for the offset; together they give a narrower one.
"""

from __future__ import annotations

import datetime as dt
import statistics
from typing import TYPE_CHECKING, Final

from voucher_async.cli.checking.findings import Finding, failed, ok, skipped, warning

if TYPE_CHECKING:
    from collections.abc import Sequence

    from voucher_async.cli.checking.asking import Sample
    from voucher_async.cli.checking.findings import Fact
    from voucher_async.config import Settings

__all__ = ["READS", "clock_offset", "judge_clock", "judge_round_trip"]

READS: Final = 3
"""Reads that a round trip is measured with, at least."""

_SLOW: Final = 2.0  # seconds
_SECOND: Final = 1.0  # the resolution of a date
_AGREEMENT: Final = 1.0  # seconds by which the clocks of one server may differ
_SYNC: Final = "Set this machine's clock by NTP; if it is right, the server's is wrong: tell the vendor."


def clock_offset(samples: Sequence[Sample]) -> tuple[float, float, float]:
    """The server's clock minus this machine's.

    Args:
        samples: at least one.

    Returns:
        The offset, its uncertainty, and by how much the answers contradict each other; in seconds.
    """
    least = max((each.date - each.received).total_seconds() for each in samples)
    most = min((each.date - each.sent).total_seconds() for each in samples) + _SECOND
    return (least + most) / 2, abs(most - least) / 2, max(least - most, 0.0)


def judge_clock(samples: Sequence[Sample], settings: Settings) -> Finding:
    """Compare the clocks.

    An age that is told by two machines' clocks counts towards `settle_window` and `list_lag`: a difference
    of half the lag is a warning, one of the window makes "not done" come too early.

    Args:
        samples: the dates that answers told.
        settings: how much is tolerated.
    """
    if not samples:
        return skipped("clock", "", "no answer had a date that no cache has kept")
    offset, margin, gap = clock_offset(samples)
    facts: dict[str, Fact] = {
        "offset_seconds": round(offset, 1),
        "uncertainty_seconds": round(margin, 1),
        "server_date": samples[-1].date.isoformat(),
        "local_date": samples[-1].received.replace(microsecond=0).isoformat(),
        "answers": len(samples),
    }
    side = "ahead of" if offset > 0 else "behind"
    seen = f"the server's clock is {_span(abs(offset))} {side} this machine's, give or take {margin:.1f} s"
    if abs(offset) >= settings.settle_window:
        return failed("clock", "", seen, _SYNC, **facts)
    if abs(offset) >= settings.list_lag / 2:
        return warning("clock", "", seen, _SYNC, **facts)
    if gap > _AGREEMENT:
        seen = f"the answers' dates differ by {gap:.1f} s more than the time between them"
        advice = "Tell the vendor: several servers answer, and their clocks disagree."
        return warning("clock", "", seen, advice, **facts)
    return ok("clock", "", seen, **facts)


def _span(seconds: float) -> str:
    if seconds < 120:  # noqa: PLR2004 - two minutes
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s ({dt.timedelta(seconds=round(seconds))})"


def judge_round_trip(seconds: Sequence[float], settings: Settings) -> Finding:
    """Judge how long reads take.

    Args:
        seconds: of each read.
        settings: the time limits.
    """
    if not seconds:
        return skipped("round trip", "", "no read was answered")
    median = statistics.median(seconds)
    facts: dict[str, Fact] = {
        "median_ms": round(median * 1000, 1),
        "slowest_ms": round(max(seconds) * 1000, 1),
        "reads": len(seconds),
    }
    seen = f"a read takes {median * 1000:.1f} ms (median of {len(seconds)})"
    if median > min(_SLOW, settings.timeout.read / 4):
        advice = "Look for a slow network or proxy on the way: a payment takes three round trips or more."
        return warning("round trip", "", seen, advice, **facts)
    return ok("round trip", "", seen, **facts)
