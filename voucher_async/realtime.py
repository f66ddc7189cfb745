"""The real time, whatever a test has put in its place.

A library that freezes time replaces `datetime.datetime` and `time.monotonic` in every module that has them
among its names, at any moment, before this package is imported as well. What hangs on a class is not found.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import functools
import threading
import time
import types
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Real", "call_at", "clock_of", "is_faked", "time_of", "wake"]

_PLAIN: Final = asyncio.BaseEventLoop.time  # the method of a loop whose clock is `time.monotonic`
_APART: Final = 1.0  # seconds from which on a loop's clock is taken for a fake, unless it is one of its own


def _datetime() -> type[dt.datetime]:
    """The class that C code makes; a fake one is derived from it."""
    return next(cls for cls in dt.datetime.__mro__ if cls.__module__ == cls.__name__ == "datetime")


def _monotonic() -> Callable[[], float]:
    clock: object = time.monotonic
    if isinstance(clock, types.BuiltinFunctionType) or not hasattr(time, "clock_gettime"):
        return time.monotonic
    return functools.partial(time.clock_gettime, time.CLOCK_MONOTONIC)


def _uptime() -> Callable[[], float]:
    if hasattr(time, "CLOCK_BOOTTIME"):
        return functools.partial(time.clock_gettime, time.CLOCK_BOOTTIME)
    # Linux alone stops CLOCK_MONOTONIC while the machine sleeps
    if hasattr(time, "clock_gettime"):
        return functools.partial(time.clock_gettime, time.CLOCK_MONOTONIC)
    return _monotonic()


class Real:
    """The real types and clocks.

    Attributes:
        datetime: the class `datetime.datetime`.
        monotonic: seconds since an arbitrary moment; never goes back.
        uptime: the same, the time counted in which the machine slept.
    """

    datetime: Final = _datetime()
    monotonic: Final = staticmethod(_monotonic())
    uptime: Final = staticmethod(_uptime())


def is_faked(loop: asyncio.AbstractEventLoop) -> bool:
    """True when the loop's timers follow a clock that a test has put in place of the real one."""
    # a loop with a clock of its own may be hours apart
    return abs(loop.time() - Real.monotonic()) >= _APART and clock_of(loop) is Real.monotonic


def clock_of(loop: asyncio.AbstractEventLoop) -> Callable[[], float]:
    """The loop's clock in seconds, real also while `time.monotonic` is frozen."""
    return Real.monotonic if getattr(type(loop), "time", None) is _PLAIN else loop.time


def time_of(loop: asyncio.AbstractEventLoop) -> float:
    """The time by `clock_of` the loop."""
    return clock_of(loop)()


def call_at(
    loop: asyncio.AbstractEventLoop, when: float, callback: Callable[[], object]
) -> Callable[[], None]:
    """Call back on the loop when `time_of` is so late; earlier when its clock leaps forward meanwhile.

    Args:
        loop: the running loop.
        when: the moment, in seconds as `time_of` counts.
        callback: called once.

    Returns:
        What takes the call back.
    """
    if not is_faked(loop):
        return loop.call_at(when, callback).cancel
    # a timer of a loop whose clock is frozen does not fire, not even once time flows again
    timer = threading.Timer(when - Real.monotonic(), _call_soon, (loop, callback))
    timer.daemon = True
    timer.start()
    return timer.cancel


def wake(sleeper: asyncio.Future[None]) -> None:
    """Give a future its result unless it is done: at once on its own loop, from elsewhere a turn later."""
    loop = sleeper.get_loop()
    try:
        is_here = asyncio.get_running_loop() is loop
    except RuntimeError:
        is_here = False
    if is_here:
        _end(sleeper)
    else:
        _call_soon(loop, functools.partial(_end, sleeper))


def _end(sleeper: asyncio.Future[None]) -> None:
    if not sleeper.done():
        sleeper.set_result(None)


def _call_soon(loop: asyncio.AbstractEventLoop, callback: Callable[[], object]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop was closed
        loop.call_soon_threadsafe(callback)
