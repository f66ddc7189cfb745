"""Days of a shop: from midnight to midnight in its time zone."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from typing import Final

import attrs

from voucher_async.errors import InvalidInput, InvalidInputType

__all__ = ["APART", "Day", "day_of", "zone_of"]

APART: Final = dt.timedelta(days=1)
"""Clocks of the shop and of the server are not further apart."""


@attrs.frozen
class Day:
    """A day.

    Attributes:
        date: the date.
        since: its beginning; aware, in UTC.
        until: the beginning of the next day; aware, in UTC.
    """

    date: dt.date
    since: dt.datetime
    until: dt.datetime

    def has(self, moment: dt.datetime | None) -> bool:
        """True for a moment of the day."""
        return moment is not None and self.since <= moment < self.until

    def is_near(self, moment: dt.datetime | None) -> bool:
        """True for a moment of the day, of the one before and of the one after."""
        return moment is not None and self.since - APART <= moment < self.until + APART


def zone_of(timezone: object) -> dt.tzinfo:
    """A time zone, given as such or by its name.

    Raises:
        InvalidInput: this machine knows none of that name.
        InvalidInputType: neither a name nor a time zone.
    """
    if isinstance(timezone, dt.tzinfo):
        return timezone
    if not isinstance(timezone, str):
        kind = type(timezone).__name__
        raise InvalidInputType("timezone", f"must be a name or a tzinfo, not {kind}", kind)
    try:
        return zoneinfo.ZoneInfo(timezone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        words = "must be a time zone that this machine knows, such as Europe/Berlin (or install tzdata)"
        raise InvalidInput("timezone", words, timezone) from None


def day_of(date: object, timezone: object) -> Day:
    """A day in a time zone: 23 or 25 hours where its clocks are set meanwhile.

    Args:
        date: the date.
        timezone: the shop's, such as `Europe/Berlin`.

    Raises:
        InvalidInput: no such time zone, or a day at the end of the calendar.
        InvalidInputType: a datetime, which names a moment and not a day, or something else.
    """
    if not isinstance(date, dt.date) or isinstance(date, dt.datetime):
        kind = type(date).__name__
        raise InvalidInputType("day", f"must be a date, not {kind}", kind)
    zone = zone_of(timezone)
    try:
        since, until = (
            dt.datetime.combine(each, dt.time(), zone).astimezone(dt.UTC)
            for each in (date, date + dt.timedelta(days=1))
        )
        day = Day(date, since, until)
        day.is_near(since)  # the days beside it have to be there, too
    # the time zone of a machine raises any of them at an end
    except (OverflowError, ValueError, OSError):
        words = "must be a day of the calendar, with others before and after it"
        raise InvalidInput("day", words, str(date)) from None
    return day
