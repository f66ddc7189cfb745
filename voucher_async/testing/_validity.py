"""Period for which an activated voucher is valid."""

from __future__ import annotations

import calendar
import datetime as dt

__all__ = ["LONGEST", "valid_until"]

LONGEST = 9999
_LAST = dt.datetime.max.replace(microsecond=0, tzinfo=dt.UTC)


def valid_until(start: dt.datetime, value: int, interval: str) -> dt.datetime:
    """The end of a validity that starts at `start`; the 31st becomes the last day of a shorter month."""
    if interval == "days":
        return _later(start, value)
    if interval == "weeks":
        return _later(start, 7 * value)
    months = start.year * 12 + start.month - 1 + value * (12 if interval == "years" else 1)
    year, month = divmod(months, 12)
    if year > dt.MAXYEAR:
        return _LAST
    day = min(start.day, calendar.monthrange(year, month + 1)[1])
    return start.replace(year=year, month=month + 1, day=day)


def _later(start: dt.datetime, days: int) -> dt.datetime:
    return min(start, _LAST - dt.timedelta(days=days)) + dt.timedelta(days=days)
