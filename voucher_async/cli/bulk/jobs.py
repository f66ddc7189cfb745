"""The vouchers that a command issues, and the words that ask for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from voucher_async.issuing import VoucherSpec

if TYPE_CHECKING:
    from decimal import Decimal

__all__ = ["Job", "counted", "question"]


@attrs.frozen(kw_only=True)
class Job:
    """The vouchers that a command issues.

    Attributes:
        specs: their descriptions.
        count: how many they are.
        what: the words for a question, such as `Issue 500 vouchers`.
        batch: the name of the batch.
        activate: whether they are activated, unless a description says otherwise.
        concurrency: how many are under way at once, at most.
        out: the file that gets them; None for none.
        lines: the number of the line of each in the file they are from; None where they are from no file.
    """

    specs: Iterable[VoucherSpec]
    count: int
    what: str
    batch: str
    activate: bool
    concurrency: int
    out: Path | None = None
    lines: Sequence[int] | None = None


def question(specs: Mapping[VoucherSpec, int]) -> str:
    """The words for a question, such as `Issue 2 vouchers, 50.00 EUR together,`.

    Args:
        specs: descriptions, and how many there are of each.
    """
    count = sum(specs.values())
    sums: dict[str, Decimal] = {}
    for spec, number in specs.items():
        sums[spec.currency] = sums.get(spec.currency, 0) + spec.amount * number
    together = " and ".join(f"{amount} {currency}" for currency, amount in sorted(sums.items()))
    amounts = {(spec.amount, spec.currency) for spec in specs}
    each = "".join(f" of {amount} {currency}" for amount, currency in amounts) if len(amounts) == 1 else ""
    return f"Issue {count} {'voucher' if count == 1 else 'vouchers'}{each}, {together} together,"


def counted(specs: Iterable[VoucherSpec], *, activate: bool) -> list[dict[str, Any]]:
    """Rows of how many vouchers there are of each amount, currency and status.

    Args:
        specs: the descriptions.
        activate: whether those are activated that do not say so.
    """
    counts = Counter(
        (
            spec.currency,
            spec.amount,
            "active" if (activate if spec.activate is None else spec.activate) else "inactive",
        )
        for spec in specs
    )
    return [
        {
            "count": count,
            "amount": str(amount),
            "currency": currency,
            "status": status,
            "total_amount": str(amount * count),
        }
        for (currency, amount, status), count in sorted(counts.items())
    ]
