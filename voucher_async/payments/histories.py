"""Reading a history by whether calls have ended, from journals that can tell and from those that cannot."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from voucher_async.payments.call import CallRecord
    from voucher_async.payments.journal import HistoryByEnd, Journal

__all__ = ["records_of"]


def records_of(
    journal: Journal,
    scope: str,
    *,
    order_number: str | None,
    key: str | None,
    told: bool | None,
    ended: bool | None,
) -> AsyncIterator[CallRecord]:
    """The records of a history; the arguments are those of `HistoryByEnd.history`."""
    if ended is not None and _knows_ends(journal):
        by_end = cast("HistoryByEnd", journal)
        return by_end.history(scope, order_number=order_number, key=key, told=told, ended=ended)
    records = journal.history(scope, order_number=order_number, key=key, told=told)
    return records if ended is None else _by_end(records, ended=ended)


def _knows_ends(journal: Journal) -> bool:
    return "ended" in inspect.signature(journal.history).parameters


async def _by_end(records: AsyncIterator[CallRecord], *, ended: bool) -> AsyncIterator[CallRecord]:
    async for record in records:
        if record.ended == ended:
            yield record
