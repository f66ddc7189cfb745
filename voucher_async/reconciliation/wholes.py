"""Calls and the parts that they consist of: whoever is told of a whole is told of its parts. Pure.

A checkout has charges, and the refund of an order has refunds, each with a record of its own. What a part's
record says of a caller is said to the whole: a process may die between the last part and its own end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from voucher_async.models import ChargeType
from voucher_async.payments.call import CHECKOUT, CallRecord, CallState
from voucher_async.payments.taken_back import covers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from voucher_async.reconciliation.days import Day

__all__ = ["parts_of_day", "untold_among"]


def parts_of_day(records: Iterable[CallRecord], day: Day) -> dict[str, list[CallRecord]]:
    """The records of the entries that were made on a day, by the id of what they are part of, or their own.

    Args:
        records: the records.
        day: the day.
    """
    parts: dict[str, list[CallRecord]] = {}
    for each in records:
        if each.state is CallState.DONE and each.charge is not None and day.has(each.charge.created_at):
            parts.setdefault(each.parent or each.id, []).append(each)
    return parts


def untold_among(
    parts: Mapping[str, list[CallRecord]], by_id: Mapping[str, CallRecord]
) -> list[tuple[CallRecord, list[CallRecord]]]:
    """The calls that were carried out, and of which no caller was told, each with the records of its entries.

    A whole that has not ended is none of them: it is settled first, and reported as open.

    Args:
        parts: as `parts_of_day` gives them.
        by_id: all records, those of the wholes among them.
    """
    found: list[tuple[CallRecord, list[CallRecord]]] = []
    for whole_id, of_whole in parts.items():
        whole = by_id.get(whole_id)  # None: it was purged
        if whole is None or whole.state is CallState.NOT_DONE:
            alone = (each for each in of_whole if not each.told and not _is_taken_back(each, whole))
            found += [(each, [each]) for each in alone]
        elif whole.state is CallState.DONE and not whole.told:
            found.append((whole, of_whole))
    return found


def _is_taken_back(record: CallRecord, whole: CallRecord | None) -> bool:
    """True for a charge of a failed checkout that was refunded, and for that refund."""
    charge = record.charge
    if whole is None or charge is None or whole.parameters.operation != CHECKOUT:
        return False
    return charge.type == ChargeType.REFUND or covers(charge, record.refunds)
