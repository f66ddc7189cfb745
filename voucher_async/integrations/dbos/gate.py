"""The gate of money steps: counts those under way, and lets no new one begin once the process is to end."""

from __future__ import annotations

import asyncio
import threading
import time
from types import TracebackType
from typing import Self

__all__ = ["Gate"]


class Gate:
    """Steps pass it with `async with`, on any event loop; once it is shut they wait to be cancelled."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._is_shut = False

    async def __aenter__(self) -> Self:
        if not self._enter():
            await asyncio.Event().wait()  # the workflow stays pending, for the process that takes it over
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._inside -= 1
            self._changed.notify_all()

    def _enter(self) -> bool:
        with self._changed:
            if self._is_shut:
                return False
            self._inside += 1
            return True

    def open(self) -> None:
        """Let steps begin again."""
        with self._changed:
            self._is_shut = False

    def shut(self) -> None:
        """Let no step begin any more."""
        with self._changed:
            self._is_shut = True

    def wait(self, seconds: float) -> bool:
        """Wait until no step is under way; False when some still are after these seconds."""
        end = time.monotonic() + seconds
        with self._changed:
            while self._inside and (left := end - time.monotonic()) > 0:
                self._changed.wait(left)
            return not self._inside
