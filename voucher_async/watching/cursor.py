"""The cursor of a watch: where it stands, as a small value to store."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final, Self

import attrs

from voucher_async.errors import InvalidInput
from voucher_async.values import Value

__all__ = ["ChargeCursor", "Position"]

_VERSION: Final = 1


def _counted(seen: Mapping[str, int]) -> str:
    return f"<{len(seen)} ids>"


@attrs.frozen(kw_only=True)
class ChargeCursor(Value):
    """The position of a watch: what it gave out, and will not give out again.

    `to_json` writes it, `from_json` reads it. It grows by an id per entry, and with each sweep that was read
    whole it forgets those that are older than the watch's `overlap`. Where lists never are, since a server
    counts wrongly, it grows without bound, and each sweep logs a WARNING. It belongs to one environment and
    to one choice of vouchers.

    Attributes:
        version: the version of this value.
        since: entries with an earlier `created_at` are passed over; None: the watch has not yet found its
            beginning, so one that goes on from here begins anew.
        seen: the entries from then on that were given out: their `created_at` in seconds since 1970, by id.
    """

    version: int = _VERSION
    since: dt.datetime | None = None
    seen: Mapping[str, int] = attrs.field(factory=dict[str, int], hash=False, repr=_counted)

    @classmethod
    def _read(cls, content: Mapping[str, Any]) -> Self:
        version = content.get("version")
        if isinstance(version, bool) or not isinstance(version, int):
            raise InvalidInput("version", "must be a number", None)
        if version != _VERSION:
            raise InvalidInput(
                "version", f"must be {_VERSION}: another one of voucher_async wrote it", version
            )
        if not isinstance(content.get("seen"), Mapping):
            raise InvalidInput("seen", "must be a mapping", None)
        return super()._read(content)


class Position:
    """The same while a watch runs.

    Args:
        cursor: where it begins.
    """

    def __init__(self, cursor: ChargeCursor) -> None:
        self.since: dt.datetime | None = cursor.since
        self._seen: dict[str, int] = dict(cursor.seen)

    @property
    def cursor(self) -> ChargeCursor:
        """The value to store; before the beginning was found there is nothing to go on from."""
        if self.since is None:
            return ChargeCursor()
        return ChargeCursor(since=self.since, seen=dict(self._seen))

    def is_new(self, charge_id: str, created_at: dt.datetime) -> bool:
        """True for an entry that was not given out, and is not passed over."""
        return charge_id not in self._seen and (self.since is None or created_at >= self.since)

    def add(self, charge_id: str, created_at: dt.datetime) -> None:
        """Note that an entry was given out, or was there before the beginning."""
        self._seen[charge_id] = int(created_at.timestamp())

    def advance(self, since: dt.datetime) -> None:
        """Pass over what is older than a moment; never goes back."""
        since = since.replace(microsecond=0)
        if self.since is not None and since <= self.since:
            return
        self.since = since
        oldest = int(since.timestamp())
        self._seen = {each: at for each, at in self._seen.items() if at >= oldest}
