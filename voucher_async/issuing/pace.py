"""The pace of a batch: how many vouchers are under way at once, and when the next begins. No I/O, no clock.

It is that of TCP: halved where the server says "too many", less by a quarter where it is in trouble, and one
more for each round in which all went well. The first voucher goes alone, so that a batch that cannot work
fails with one request.
"""

from __future__ import annotations

from typing import Final

__all__ = ["Pace"]

_GRACE: Final = 1.0  # seconds in which the answers to what was sent before slow nothing down once more
_FIRST: Final = 0.5  # seconds of a pause for which the server gives no time
_LONGEST: Final = 30.0


class Pace:
    """One per run.

    Args:
        most: the largest number of vouchers under way at once.

    Attributes:
        limit: how many may be under way now.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._is_proven = False
        self._credits = 0
        self._pause = _FIRST
        self._resumes = self._deaf_until = float("-inf")
        self.limit: int = 1

    def wait(self, now: float) -> float:
        """Seconds until the next voucher may begin; 0 when it may at once.

        Args:
            now: monotonic time in seconds.
        """
        return max(self._resumes - now, 0.0)

    def succeeded(self) -> None:
        """A voucher was issued: after as many as may be under way at once, one more may be."""
        self._pause = _FIRST
        if not self._is_proven:
            self._is_proven, self.limit = True, self._most
            return
        self._credits += 1
        if self._credits >= self.limit:
            self._credits, self.limit = 0, min(self.limit + 1, self._most)

    def refused(self, now: float, seconds: float | None = None) -> None:
        """The server has said "too many": nothing begins for a while, then half as many at once.

        Args:
            now: monotonic time in seconds.
            seconds: how long the server asks to wait; None where it does not say.
        """
        is_heard = now >= self._deaf_until
        if is_heard:
            self._slow_down(self.limit // 2)
            self._resumes = max(self._resumes, now + self._pause)
            self._pause = min(self._pause * 2, _LONGEST)
        self._resumes = max(self._resumes, now + (seconds or 0.0))
        if is_heard:
            self._deaf_until = max(self._resumes, now + _GRACE)

    def troubled(self, now: float) -> None:
        """The server has failed, or has not answered: a quarter less at once, and no pause.

        Args:
            now: monotonic time in seconds.
        """
        if now >= self._deaf_until:
            self._slow_down(self.limit * 3 // 4)
            self._deaf_until = now + _GRACE

    def _slow_down(self, limit: int) -> None:
        self.limit, self._credits = max(limit, 1), 0
