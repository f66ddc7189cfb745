"""Time that passes only while nobody has anything to do: an event loop on which every run is the same."""

from __future__ import annotations

import asyncio
import functools
import itertools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

from voucher_async.clock import ManualClock

__all__ = ["VirtualClock", "VirtualLoop", "virtually"]


class VirtualClock(ManualClock):
    """The clock of a `VirtualLoop`."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _Leaping(selectors.DefaultSelector):
    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> Any:
        assert timeout is not None, "somebody waits, and nothing will ever happen"
        if timeout > 0:
            self._clock.advance(timeout)
        return super().select(0)


class _Task(asyncio.Task[Any]):
    """A task whose place in a set is the same in each run."""

    def __init__(self, number: int, *args: Any, **kwargs: Any) -> None:
        self._number = number
        super().__init__(*args, **kwargs)

    def __hash__(self) -> int:
        return self._number


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only while it has nothing to do, and then at once."""

    def __init__(self, clock: ManualClock) -> None:
        self._virtual = clock
        super().__init__(_Leaping(clock))
        self.set_debug(False)  # it looks for calls from other threads, at twice the cost
        self.complaints: list[dict[str, Any]] = []
        self.set_exception_handler(lambda _, context: self.complaints.append(context))
        numbers = itertools.count()
        self.set_task_factory(lambda loop, work, **kwargs: _Task(next(numbers), work, loop=loop, **kwargs))

    def time(self) -> float:
        return self._virtual.monotonic()


def virtually(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test on a virtual loop; it may neither wait for threads nor for other processes."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        loop = VirtualLoop(VirtualClock())
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(test(*args, **kwargs))
        assert loop.complaints == []

    return run
