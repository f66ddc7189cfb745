"""The brake: while too many of the latest money calls are in doubt, new ones are refused unsent.

Every call in doubt costs looks, and keeps a customer waiting. When a server or a proxy loses answers, a shop
may rather send its customers to another way to pay than begin more of them. What is under way goes on, and so
does whatever settles, refunds or takes over: the brake is for new calls alone. It lets go by itself once the
calls in doubt are a minute old.
"""

from __future__ import annotations

import collections
import logging
from typing import TYPE_CHECKING, Final

from voucher_async.cancelling import quietly
from voucher_async.errors import TooManyInDoubt

if TYPE_CHECKING:
    from voucher_async.clock import Clock

__all__ = ["Brake"]

WINDOW: Final = 60.0  # seconds that a call counts
FEWEST: Final = 20  # calls from which a share says something
_MOST: Final = 1000  # calls that are counted

_logger: Final = logging.getLogger("voucher_async")


class Brake:
    """One per client.

    Args:
        share: the share of calls in doubt, between 0 and 1, above which new ones are refused.
        clock: measures the minute.
    """

    def __init__(self, share: float, clock: Clock) -> None:
        self._share = share
        self._clock = clock
        self._latest: collections.deque[tuple[float, bool]] = collections.deque()
        self._in_doubt = 0
        self._is_on = False

    def note(self, *, in_doubt: bool) -> None:
        """Count the first reply to a money call."""
        self._latest.append((self._clock.monotonic(), in_doubt))
        self._in_doubt += in_doubt
        if len(self._latest) > _MOST:
            self._drop()

    def _drop(self) -> None:
        self._in_doubt -= self._latest.popleft()[1]

    def check(self) -> None:
        """Refuse a new call while too many are in doubt.

        Raises:
            TooManyInDoubt: nothing was sent.
        """
        now = self._clock.monotonic()
        while self._latest and now - self._latest[0][0] >= WINDOW:
            self._drop()
        count, in_doubt = len(self._latest), self._in_doubt
        is_on = count >= FEWEST and in_doubt > self._share * count
        if is_on and not self._is_on:
            words = "the brake is on: %d of the latest %d money calls are in doubt, so new ones are not sent"
            quietly(_logger.warning, words, in_doubt, count)
        elif self._is_on and not is_on:
            quietly(_logger.info, "the brake is off: money calls are sent again")
        self._is_on = is_on
        if is_on:
            raise TooManyInDoubt(
                f"{in_doubt} of the latest {count} money calls are in doubt: new ones are not sent for now",
                retry_after=WINDOW - (now - self._latest[0][0]),
            )
