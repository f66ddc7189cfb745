"""Server time from `created_at`, which no proxy can change."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from voucher_async.payments.money_call import Anchor

if TYPE_CHECKING:
    from voucher_async.clock import Clock

__all__ = ["Timestamps"]

_KEPT: Final = 60.0  # seconds, as a server's clock may be set in the meantime


class Timestamps:
    """Remembers the timestamp of what was made last, as a place to reckon from.

    Args:
        clock: measures how old it is.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._latest: Anchor | None = None

    def anchor(self, stamp: dt.datetime, sent: float) -> Anchor:
        """A timestamp of the server to reckon from.

        Args:
            stamp: the stamp; aware.
            sent: monotonic time in seconds when the request for it went out, a moment ago.
        """
        ago = dt.timedelta(seconds=self._clock.monotonic() - sent)
        return Anchor(stamp, sent, self._clock.now() - ago)

    def note(self, stamp: dt.datetime, sent: float) -> Anchor:
        """Remember that something was just made; the same as `anchor` otherwise."""
        self._latest = anchor = self.anchor(stamp, sent)
        return anchor

    @property
    def latest(self) -> Anchor | None:
        """The latest timestamp; None when there is none, or it is old."""
        latest = self._latest
        if latest is None or latest.elapsed(self._clock.monotonic(), self._clock.now()) > _KEPT:
            return None
        return latest
