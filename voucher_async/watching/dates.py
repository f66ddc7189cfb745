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

    def now(self) -> dt.datetime:
        """The date by the local clock, to note at a moment."""
        return self._clock.now()

    def at(self, moment: float, noted: dt.datetime) -> dt.datetime:
        """The date at a moment, by what shows the earliest one.

        Ask once the server has answered: a local clock may be wrong by any time.

        Args:
            moment: the moment of the monotonic clock, which may stand still while a machine sleeps.
            noted: the date by the local clock at that moment.
        """
        ago = dt.timedelta(seconds=self._clock.monotonic() - moment)
        return min(min(self._clock.now(), self._server_clock.now()) - ago, noted)
