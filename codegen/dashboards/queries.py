"""PromQL of instruments, by the names that Prometheus has for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from voucher_async.config import Settings
from voucher_async.integrations.prometheus import label_of, name_of

if TYPE_CHECKING:
    from voucher_async.integrations.measures import Instrument

__all__ = [
    "FAILED",
    "JOB",
    "LEFT",
    "NOT_MADE",
    "OURS",
    "RATE",
    "SETTLE_FOR",
    "by",
    "increase",
    "matching",
    "quantile",
    "rate",
]

JOB: Final = 'job=~"$job"'
RATE: Final = "$__rate_interval"
SETTLE_FOR: Final = Settings.make(client_id="-", client_secret="-", environment="sandbox").settle_for
# matchers
FAILED: Final = 'error_type!=""'
LEFT: Final = 'voucher_outcome="left"'
NOT_MADE: Final = 'voucher_outcome="failed"'
OURS: Final = 'voucher_operation!=""'


def matching(instrument: Instrument, *matchers: str, suffix: str = "") -> str:
    """A selector of the instrument's series.

    Args:
        instrument: the instrument.
        *matchers: such as `voucher_outcome="failed"`.
        suffix: such as `_count`, of a histogram.
    """
    return (
        f"{name_of(instrument)}{suffix}{{{', '.join(matchers)}}}"
        if matchers
        else f"{name_of(instrument)}{suffix}"
    )


def by(instrument: Instrument, *labels: str) -> str:
    """A clause by labels, those of the instrument by their OpenTelemetry names; empty without any."""
    if not labels:
        return ""
    unknown = set(labels) - set(instrument.labels) - {"le", "job"}
    if unknown:
        raise ValueError(f"{instrument.name} has no labels {unknown}")
    return f" by ({', '.join(label_of(label) for label in labels)})"


def rate(instrument: Instrument, *labels: str, where: tuple[str, ...] = (JOB,)) -> str:
    """Events a second; of a histogram the values it has observed."""
    suffix = "_count" if instrument.buckets else ""
    return f"sum{by(instrument, *labels)} (rate({matching(instrument, *where, suffix=suffix)}[{RATE}]))"


def increase(instrument: Instrument, *labels: str, over: str, where: tuple[str, ...] = (JOB,)) -> str:
    """Events in a time."""
    suffix = "_count" if instrument.buckets else ""
    return f"sum{by(instrument, *labels)} (increase({matching(instrument, *where, suffix=suffix)}[{over}]))"


def quantile(share: float, instrument: Instrument, *labels: str, where: tuple[str, ...] = (JOB,)) -> str:
    """A quantile of a histogram, in its unit."""
    buckets = matching(instrument, *where, suffix="_bucket")
    return f"histogram_quantile({share}, sum{by(instrument, 'le', *labels)} (rate({buckets}[{RATE}])))"
