"""The leases of owners in the journal in memory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from voucher_async.clock import Clock

__all__ = ["Leases"]

_DAY: Final = 86_400.0  # seconds


class Leases:
    """The leases of the owners, which tell who is alive.

    Args:
        clock: measures the leases.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ends: dict[str, float] = {}
        self._buried: dict[str, float] = {}
        self._process = os.getpid()
        self._elsewhere: dict[str, int] = {}  # owner -> process, for owners from before a fork

    def inherit(self) -> None:
        """In a forked child: who is alive is alive elsewhere."""
        for owner in self._ends:
            if owner not in self._elsewhere and self.is_running(owner):
                self._elsewhere[owner] = self._process
        self._process = os.getpid()

    def beat(self, owner: str, lease: float) -> bool:
        """Begin or renew a lease; False when the owner was buried."""
        if owner in self._buried:
            return False
        self._elsewhere.pop(owner, None)
        self._ends[owner] = self._clock.monotonic() + lease
        return True

    def is_running(self, owner: str) -> bool:
        """True while the lease of an owner runs."""
        process = self._elsewhere.get(owner)
        if process is not None:
            return _lives(process)
        return owner not in self._buried and self._ends.get(owner, 0.0) > self._clock.monotonic()

    def bury(self, owner: str) -> bool:
        """Declare an owner dead; False while its lease runs."""
        if self.is_running(owner):
            return False
        self._elsewhere.pop(owner, None)
        self._ends.pop(owner, None)
        self._buried.setdefault(owner, self._clock.monotonic())
        return True

    def forget(self, needed: Iterable[str]) -> None:
        """Forget the owners that have been dead for a day, but those that are needed."""
        kept, dead_since = set(needed), self._clock.monotonic() - _DAY
        for moments in (self._ends, self._buried):
            for owner in [each for each, moment in moments.items() if moment < dead_since]:
                if owner not in kept and owner not in self._elsewhere:
                    del moments[owner]


def _lives(process: int) -> bool:
    """True when a process is there; a number that was given to another one makes it seem so."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
