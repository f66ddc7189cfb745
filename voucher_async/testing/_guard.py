"""The lock on an emulator's memory: a test's thread and the server's take turns."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from voucher_async.forks import renew_in_children

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Guard"]


class Guard:
    """A lock that whoever holds it may take again. Nobody awaits anything while holding it."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        renew_in_children(self)

    def __enter__(self) -> None:
        """Wait for the lock."""
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give it back."""
        self._lock.release()

    def after_fork(self) -> None:
        """Begin anew in a child, which has none of the threads that may have held the lock."""
        self._lock = threading.RLock()
