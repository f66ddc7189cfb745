"""Habits of databases and frameworks: how order numbers and moments are written down."""

from __future__ import annotations

import datetime as dt
import unicodedata
from typing import Final, Literal

import attrs

from voucher_async.testing._validating import LONGEST, among, aware, within

__all__ = ["Clocks", "Kind", "OrderNumbers", "Resolution"]

Kind = Literal["voucher", "reservation", "charge", "refund", "recharge"]
_Unit = Literal["seconds", "milliseconds", "microseconds"]

# Str::INVISIBLE_CHARACTERS of Laravel 11, those of one UTF-16 unit
_INVISIBLE: Final = (
    " \t\n\r\v\f\0\u00a0\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e"
    "\u202f\u205f\u2800\u3000\u3164\ufeff\uffa0"
    + "".join(map(chr, (*range(0x2000, 0x2010), *range(0x2060, 0x2065), *range(0x206A, 0x2070))))
)
_FOLDS: Final = {"fold": str.casefold, "lower": str.lower, "upper": str.upper}
_UNITS: Final = {"seconds": 1_000_000, "milliseconds": 1_000, "microseconds": 1}


@attrs.frozen
class OrderNumbers:
    """Order numbers are rewritten when they are stored, in the order of these attributes.

    Answers and lists show what is stored, and filters compare with it. The emulator's ledger has what was
    sent.

    Attributes:
        trim: white space and invisible characters (U+200B, U+FEFF, U+200E ...) at both ends are taken off,
            as Laravel's `TrimStrings` does.
        normalise: the Unicode normal form that texts are brought into, as macOS file systems, XML tool
            chains and ICU collations do.
        fold: letters lose their case, as in a column that is kept in lower or upper case; `fold` is
            Unicode's case folding, which makes "ss" of a sharp s.
        cut: so many characters are kept, as in a `VARCHAR` of MySQL without strict mode.
        null: nothing is kept, as by a model that forgot the column in its `$fillable`.
        echo_as_sent: the answer to the request shows the text as it was sent, as a framework does that
            answers with the model in memory and not with the row; only lists and reads show what is stored.
    """

    trim: bool = False
    normalise: Literal["NFC", "NFD", "NFKC", "NFKD"] | None = attrs.field(
        default=None, validator=among(None, "NFC", "NFD", "NFKC", "NFKD")
    )
    fold: Literal["fold", "lower", "upper"] | None = attrs.field(default=None, validator=among(None, *_FOLDS))
    cut: int | None = attrs.field(default=None, validator=within(1, 255))
    null: bool = False
    echo_as_sent: bool = False

    def stored(self, text: str | None) -> str | None:
        """The text as the database has it."""
        if text is None or self.null:
            return None
        if self.trim:
            text = text.strip(_INVISIBLE)
        if self.normalise:
            text = unicodedata.normalize(self.normalise, text)
        if self.fold:
            text = _FOLDS[self.fold](text)
        return text[: self.cut] or None


@attrs.frozen
class Clocks:
    """The clocks of several servers disagree: each timestamp is by the clock of its server.

    Only what is shown is wrong. When a reservation or a token really ends goes by the emulator's time.

    Attributes:
        vouchers: seconds that the timestamps of vouchers are ahead (below 0: behind).
        reservations: the same for reservations and their `valid_until`: one server reserves.
        charges: the same for charges: another server charges. 3600 or -3600 is local time under the label
            of UTC, as in the months of summer time.
        refunds: the same for refunds.
        recharges: the same for recharges.
        date: the same for the `Date` header, which a proxy on the way writes.
        jump: seconds that every clock, that of the `Date` header too, is set on or back by NTP, by hand or
            by a virtual machine that wakes up.
        jump_at: the emulator's time at which that happens; None when it has happened already.
    """

    vouchers: float = attrs.field(default=0.0, validator=within(-LONGEST, LONGEST))
    reservations: float = attrs.field(default=0.0, validator=within(-LONGEST, LONGEST))
    charges: float = attrs.field(default=0.0, validator=within(-LONGEST, LONGEST))
    refunds: float = attrs.field(default=0.0, validator=within(-LONGEST, LONGEST))
    recharges: float = attrs.field(default=0.0, validator=within(-LONGEST, LONGEST))
    date: float = attrs.field(default=0.0, validator=within(-LONGEST, LONGEST))
    jump: float = attrs.field(default=0.0, validator=within(-LONGEST, LONGEST))
    jump_at: dt.datetime | None = attrs.field(default=None, validator=aware)

    def of(self, kind: Kind, now: dt.datetime) -> dt.datetime:
        """The time by the clock that dates records of a kind."""
        seconds: float = getattr(self, f"{kind}s")
        return now + dt.timedelta(seconds=seconds + self._jumped(now))

    def dated(self, now: dt.datetime) -> dt.datetime:
        """The time by the clock that writes the `Date` header."""
        return now + dt.timedelta(seconds=self.date + self._jumped(now))

    def _jumped(self, now: dt.datetime) -> float:
        return self.jump if self.jump_at is None or now >= self.jump_at else 0.0


@attrs.frozen
class Resolution:
    """The fractions of a second that timestamps are written with, per kind of record.

    Migrations add columns over the years: `timestamp` here, `timestamp(6)` there.

    Attributes:
        vouchers: what the timestamps of vouchers are whole numbers of.
        reservations: the same for reservations.
        charges: the same for charges.
        refunds: the same for refunds.
        recharges: the same for recharges.
        rounded: fractions are rounded, as MySQL does, so that a timestamp may be ahead of the time; otherwise
            they are cut off, as PostgreSQL's `date_trunc` and PHP's formats do.
    """

    vouchers: _Unit = attrs.field(default="seconds", validator=among(*_UNITS))
    reservations: _Unit = attrs.field(default="seconds", validator=among(*_UNITS))
    charges: _Unit = attrs.field(default="seconds", validator=among(*_UNITS))
    refunds: _Unit = attrs.field(default="seconds", validator=among(*_UNITS))
    recharges: _Unit = attrs.field(default="seconds", validator=among(*_UNITS))
    rounded: bool = False

    def written(self, kind: Kind, moment: dt.datetime) -> dt.datetime:
        """A moment as it is written down."""
        unit = _UNITS[getattr(self, f"{kind}s")]
        parts, rest = divmod(moment.microsecond, unit)
        if self.rounded and rest * 2 >= unit > 1:
            parts += 1
        return moment.replace(microsecond=0) + dt.timedelta(microseconds=parts * unit)
