"""Which habits the server had, and when."""

from __future__ import annotations

import bisect
from collections.abc import Iterable

from tests.chaos.records import Turn


class Turns:
    """The habits of a storm in the order of time.

    Args:
        turns: when which habit began; none before the first.
    """

    def __init__(self, turns: Iterable[Turn] = ()) -> None:
        self._turns = sorted(turns, key=lambda turn: turn.at)

    def between(self, begin: float, end: float) -> tuple[str, ...]:
        """The names of the habits that the server had between two moments, the first one first."""
        first = bisect.bisect_right(self._turns, begin, key=lambda turn: turn.at)
        last = bisect.bisect_right(self._turns, end, key=lambda turn: turn.at)
        names = (turn.habit for turn in self._turns[max(first - 1, 0) : last])
        return tuple(dict.fromkeys(name for name in names if name))
