"""The options of a watch, checked."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import attrs

from voucher_async.checks import check_pause, check_seconds
from voucher_async.errors import InvalidInput, InvalidInputType
from voucher_async.resources.lazy import to_count
from voucher_async.sansio import check_id
from voucher_async.watching.cursor import ChargeCursor

if TYPE_CHECKING:
    from voucher_async.config import Timeout

__all__ = ["WatchOptions", "cursor_of", "vouchers_of"]

_TEXT: Final = "must be ids in a list, not one text"


def _span(_: object, field: attrs.Attribute[float], value: float) -> None:
    check_seconds(field.name, value)


def _patience(_: object, field: attrs.Attribute[float], value: float) -> None:
    if value != math.inf:
        check_pause(field.name, value)


def _count(_: object, field: attrs.Attribute[int], value: int) -> None:
    to_count(field.name, value)


@attrs.frozen(kw_only=True)
class WatchOptions:
    """The options of a watch; see `VoucherClient.watch_charges`.

    Attributes:
        voucher_ids: the vouchers; None: all.
        follow: go on after the first round.
        interval: seconds between two rounds.
        sweep_every: seconds between two rounds that read every list.
        overlap: seconds that the stamps of entries may be off.
        retry_for: seconds for which failing requests are repeated.
        per_page: entries a page.
        timeout: seconds for each request, or a `Timeout`.
    """

    voucher_ids: tuple[str, ...] | None = None
    follow: bool = True
    interval: float = attrs.field(default=60.0, validator=_span)
    sweep_every: float = attrs.field(default=3600.0, validator=_span)
    overlap: float = attrs.field(default=7200.0, validator=_span)
    retry_for: float = attrs.field(default=600.0, validator=_patience)
    per_page: int = attrs.field(default=100, validator=_count)
    timeout: float | Timeout | None = None


def vouchers_of(ids: Iterable[str] | None) -> tuple[str, ...] | None:
    """The ids of vouchers, each once; None for all.

    Raises:
        InvalidInput: there is none, or one that no voucher has.
        InvalidInputType: one text, or something else than texts.
    """
    if ids is None:
        return None
    if isinstance(ids, str | bytes):
        raise InvalidInputType("voucher_ids", _TEXT, type(ids).__name__)
    checked = tuple(dict.fromkeys(check_id("voucher_ids", each) for each in ids))
    if not checked:
        raise InvalidInput("voucher_ids", "must name a voucher; None stands for all", None)
    return checked


def cursor_of(since: object) -> ChargeCursor:
    """The beginning of a watch.

    Raises:
        InvalidInput: a naive datetime, or one at an end of the calendar that UTC lacks.
        InvalidInputType: neither a cursor nor a datetime.
    """
    if since is None:
        return ChargeCursor()
    if isinstance(since, ChargeCursor):
        return since
    if not isinstance(since, dt.datetime):
        kind = type(since).__name__
        raise InvalidInputType("since", f"must be a ChargeCursor or an aware datetime, not {kind}", kind)
    if since.utcoffset() is None:
        raise InvalidInput("since", "must be an aware datetime: which time zone?", since)
    try:
        return ChargeCursor(since=since.astimezone(dt.UTC))
    except OverflowError:
        raise InvalidInput("since", "must be a time that exists in UTC, too", since) from None
