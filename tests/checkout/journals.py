"""Journals that fail, and journals whose users stop in the middle of a call."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from tests.journals.around import Around

__all__ = ["Failing", "Pausing"]


class _Wrapping(Around):
    """Does something at certain calls of a journal, before it is asked or after.

    Args:
        journal: answers.
        after: the journal has done what it was asked for by then.
    """

    def __init__(self, journal: Any, *, after: bool = False) -> None:
        super().__init__(journal)
        self._after = after
        self.calls = 0

    async def begin(self) -> int:
        self.calls += 1
        number = self.calls
        if not self._after:
            await self.strike(number)
        return number

    async def end(self, number: int) -> None:
        if self._after:
            await self.strike(number)

    async def strike(self, number: int) -> None:
        raise NotImplementedError


class Failing(_Wrapping):
    """A journal that raises an error at one call, or from that on.

    Args:
        journal: answers the others.
        at: the number of the call, from 1; 0 for none.
        mode: before the call does anything, after it has, or all from there on.
    """

    def __init__(self, journal: Any, at: int, mode: Literal["before", "after", "from"]) -> None:
        super().__init__(journal, after=mode == "after")
        self.at = at
        self._mode = mode

    async def strike(self, number: int) -> None:
        if number == self.at or (self._mode == "from" and 0 < self.at <= number):
            raise OSError("disk full")


class Pausing(_Wrapping):
    """A journal whose user stops at one call: the process was stopped, or the machine.

    Args:
        journal: answers.
        at: the number of the call, from 1.
        after: it has done what it was asked for by then.
    """

    def __init__(self, journal: Any, at: int, *, after: bool) -> None:
        super().__init__(journal, after=after)
        self.at = at
        self.stopped = False
        self.goes_on = asyncio.Event()

    async def strike(self, number: int) -> None:
        if number >= self.at:
            self.stopped = True
            try:
                await self.goes_on.wait()
            except asyncio.CancelledError:
                self.goes_on.set()  # the test has ended: let the call end
                raise
