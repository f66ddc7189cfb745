"""A journal in memory that gives turns, as a database does."""

from __future__ import annotations

import itertools

from voucher_async.clock import Clock, ManualClock
from voucher_async.payments.memory import MemoryJournal

__all__ = ["LinedJournal"]


class LinedJournal(MemoryJournal):
    """Lines in memory.

    Attributes:
        lines: the tickets of each turn by their numbers: ticket, owner, and when it lapses.
        fails: the methods that raise an error.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        clock = clock or ManualClock()
        super().__init__(clock)
        self._time = clock
        self._numbers = itertools.count()
        self.lines: dict[str, dict[int, tuple[str, str, float]]] = {}
        self.fails: set[str] = set()

    async def line_up(self, turn: str, ticket: str, owner: str, lease: float) -> int:
        self._check("line_up")
        line = self.lines.setdefault(turn, {})
        now = self._time.monotonic()
        mine = next((number for number, place in line.items() if place[0] == ticket), None)
        if mine is not None and line[mine][2] <= now:
            del line[mine]
            mine = None
        mine = next(self._numbers) if mine is None else mine
        former = [number for number, place in line.items() if place[1] == owner and place[0] != ticket]
        for number in former:
            del line[number]
        line[mine] = ticket, owner, now + lease
        return sum([await self._counts(line[number]) for number in sorted(line) if number < mine])

    async def _counts(self, place: tuple[str, str, float]) -> bool:
        _, owner, until = place
        return until > self._time.monotonic() and await self.is_alive(owner)

    async def leave_line(self, turn: str, ticket: str) -> None:
        self._check("leave_line")
        line = self.lines.get(turn, {})
        now = self._time.monotonic()
        left = {number: place for number, place in line.items() if place[0] != ticket and place[2] > now}
        self.lines[turn] = left

    def _check(self, name: str) -> None:
        if name in self.fails:
            raise OSError("the disk is full")

    @property
    def tickets(self) -> int:
        return sum(map(len, self.lines.values()))
