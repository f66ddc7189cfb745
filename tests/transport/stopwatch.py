"""How long something took, on a machine that is busy with other things."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Self

__all__ = ["Stopwatch"]

_TICK = 0.01
_LATE = 0.01  # seconds by which timers are late by themselves


class Stopwatch:
    """Measures a block, less the time in which this process was not let run.

    Attributes:
        seconds: what it took, once it is over.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._stood_still = 0.0

    async def __aenter__(self) -> Self:
        self._begun = time.perf_counter()
        self._ticking = asyncio.create_task(self._tick())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.sleep(_TICK)  # shows a block at the very end
        self.seconds = time.perf_counter() - self._begun - self._stood_still - _TICK
        self._ticking.cancel()

    async def _tick(self) -> None:
        while True:
            slept, worked = time.perf_counter(), time.process_time()
            await asyncio.sleep(_TICK)
            late = time.perf_counter() - slept - _TICK
            # without the time in which this process itself was busy
            stood_still = late - (time.process_time() - worked)
            if stood_still > _LATE:
                self._stood_still += stood_still
