"""What time it is by the stamps that the server itself gives, not by a header that others may write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import datetime as dt

    from voucher_async.clock import Clock

__all__ = ["Stamps"]

_KEPT: Final = 60.0  # seconds: a server's clock may be set in the meantime


class Stamps:
    """Remembers the stamp of what was made last, as a place to reckon from.

    Args:
        clock: measures how old it is.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._latest: tuple[dt.datetime, float] | None = None

    def note(self, stamp: dt.datetime, sent: float) -> None:
        """Something was made.

        Args:
            stamp: when, by the server.
            sent: monotonic time in seconds when the request for it went out.
        """
        self._latest = (stamp, sent)

    @property
    def latest(self) -> tuple[dt.datetime, float] | None:
        """The latest stamp and when its request went out; None when there is none, or it is old."""
        latest = self._latest
        return latest if latest is not None and self._clock.monotonic() - latest[1] <= _KEPT else None
