"""Lists that commands show: read page by page, and no further than asked for."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final, TypeVar

from voucher_async.errors import InvalidInput
from voucher_async.resources.lazy import to_count

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from voucher_async.cli.terminal import Terminal
    from voucher_async.models import VoucherDetails
    from voucher_async.resources.lazy import Lazy

__all__ = ["PER_PAGE", "moment", "show_list", "shown_moment", "vouchers_of"]

T = TypeVar("T")

PER_PAGE: Final = 100
"""Entries that are asked for at once; a server may give fewer."""

_DAY: Final = 10  # characters of a date without a time


async def show_list(
    terminal: Terminal,
    items: Lazy[T],
    view: Callable[[T], Mapping[str, Any]],
    columns: Sequence[str],
    *,
    limit: int | None,
    keeps: Callable[[T], bool] = lambda _: True,
    empty: str,
) -> None:
    """Show the entries of a list: JSON lines as they come, or a table once all of it is there.

    Args:
        terminal: shows them.
        items: reads them.
        view: gives the row of an entry.
        columns: the names of the columns of the table.
        limit: how many entries at most; None for all.
        keeps: tells which entries to show.
        empty: the words in place of a table without rows.

    Raises:
        InvalidInput: a limit below 1; nothing was sent.
        VoucherError: a page could not be read.
    """
    most = None if limit is None else to_count("limit", limit)
    rows: list[Mapping[str, Any]] = []
    count = 0
    async for item in items:
        if not keeps(item):
            continue
        if count == most:
            terminal.say(f"The first {most} are shown; there are more: --limit, or --all.")
            break
        count += 1
        if terminal.as_json:
            terminal.line(terminal.row(view(item)))
        else:
            rows.append(view(item))
    if not terminal.as_json:
        terminal.show(rows, columns, empty=empty)
    elif not count:
        terminal.say(empty)


def vouchers_of(batch: str | None, status: str | None) -> Callable[[VoucherDetails], bool]:
    """The test for vouchers of a batch and with a status, for which the API has no filter; None is any."""
    return lambda voucher: batch in {None, voucher.batch} and status in {None, str(voucher.status)}


def moment(name: str, text: str | None, *, is_end: bool = False) -> dt.datetime | None:
    """A moment that was typed in: a date, or a date and a time; local unless it has an offset.

    Args:
        name: the field's name, for the error.
        text: what was typed in.
        is_end: a date stands for its last second, not its first.

    Raises:
        InvalidInput: it is no date.
    """
    if text is None:
        return None
    try:
        value = dt.datetime.fromisoformat(text)
        if is_end and len(text) <= _DAY:
            value = value.replace(hour=23, minute=59, second=59)
        return value if value.tzinfo is not None else value.astimezone()
    except (ValueError, OverflowError):
        words = "must be a date or a time, such as 2026-11-30 or 2026-11-30T18:00:00+01:00"
        raise InvalidInput(name, words, text) from None


def shown_moment(value: dt.datetime | None) -> str | None:
    """A moment for a table, to the second, in UTC."""
    if value is None:
        return None
    return value.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M:%SZ")
