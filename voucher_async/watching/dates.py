"""Dates by the server's clock, that are never too late."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voucher_async.clock import Clock, ServerClock

__all__ = ["Dates"]


class Dates:
    """One per watch.

    Args:
        clock: the source of the time.
        server_clock: the server's clock, known once it has answered.
    """

    def __init__(self, clock: Clock, server_clock: ServerClock) -> None:
        self._clock = clock
        self._server_clock = server_clock

    def monotonic(self) -> float:
        """The monotonic time in seconds."""
        return self._clock.monotonic()

    def at(self, moment: float) -> dt.datetime:
        """The date at a moment of the monotonic clock, by the clock that shows the earlier one.

        Ask once the server has answered: a local clock may be wrong by any time.
        """
        ago = dt.timedelta(seconds=self._clock.monotonic() - moment)
        return min(self._clock.now(), self._server_clock.now()) - ago
