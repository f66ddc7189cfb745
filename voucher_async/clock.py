"""The clocks: one for work, one that tests move by hand.

Deadlines are measured on the monotonic clock, dates are aware and in UTC. Nothing in this package asks the
operating system for the time except through a `Clock`.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import heapq
import itertools
import math
import threading
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from voucher_async.forks import renew_in_children
from voucher_async.realtime import Real, call_at, time_of, wake

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "Clock",
    "Deadline",
    "ManualClock",
    "ServerClock",
    "SteadyClock",
    "SystemClock",
    "clock_uptime",
    "parse_date",
    "parse_retry_after",
    "uptime_of",
]


@runtime_checkable
class Clock(Protocol):
    """The source of the time.

    A clock may have a method `uptime` as well: `monotonic`, the time counted in which the machine slept.
    """

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment; never goes back."""
        ...

    def now(self) -> dt.datetime:
        """The wall clock: an aware datetime in UTC. May be wrong, may jump."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait that many seconds."""
        ...


def uptime_of(clock: Clock) -> float:
    """Seconds since an arbitrary moment, the time counted in which the machine slept.

    Args:
        clock: asked for its `uptime`; one of the application's own that has none, for `monotonic`.
    """
    return clock_uptime(clock)()


def clock_uptime(clock: Clock) -> Callable[[], float]:
    """The method of a clock that `uptime_of` asks."""
    uptime: Callable[[], float] = getattr(clock, "uptime", clock.monotonic)
    return uptime


class SystemClock:
    """The operating system's clocks, which go on when a test freezes the time."""

    __slots__ = ()

    if TYPE_CHECKING:

        def monotonic(self) -> float:
            """Seconds since an arbitrary moment; never goes back."""
            ...

        def uptime(self) -> float:
            """The same, the time counted in which the machine slept."""
            ...

        def now(self) -> dt.datetime:
            """The wall clock in UTC."""
            ...

    else:
        # read several times per call: a method would add a frame each time
        monotonic = staticmethod(Real.monotonic)
        uptime = staticmethod(Real.uptime)
        now = staticmethod(functools.partial(Real.datetime.now, dt.UTC))

    async def sleep(self, seconds: float) -> None:
        """Wait that many seconds on the running event loop."""
        loop = asyncio.get_running_loop()
        if seconds <= 0:
            await asyncio.sleep(0)
        ends = time_of(loop) + seconds
        while time_of(loop) < ends:
            await _until(loop, ends)


async def _until(loop: asyncio.AbstractEventLoop, when: float) -> None:
    woken = loop.create_future()
    cancel = call_at(loop, when, functools.partial(wake, woken))
    try:
        await woken
    finally:
        cancel()


class SteadyClock(SystemClock):
    """A clock whose date is that of the system when it was made, and goes on by itself.

    Setting the system's date, or freezing it, changes nothing; the time in which the machine slept counts.
    """

    __slots__ = ("_born", "_start")

    def __init__(self) -> None:
        self._start = super().now()
        self._born = Real.uptime()

    def now(self) -> dt.datetime:
        """The date in UTC."""
        return self._start + dt.timedelta(seconds=Real.uptime() - self._born)


class ManualClock:
    """A clock that stands still until `advance` is called, in any thread, by whoever sleeps on any loop.

    Args:
        start: the wall clock at the start; aware. Default: 2026-01-01 12:00 UTC.
        skip_sleeps: `sleep` moves the clock by itself and returns at once, instead of waiting for `advance`:
            always, or up to so many seconds.
    """

    def __init__(self, start: dt.datetime | None = None, *, skip_sleeps: bool | float = False) -> None:
        start = start or Real.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
        if start.tzinfo is None:
            raise ValueError("start must be an aware datetime")
        self._start = start
        self._elapsed = self._skipped = 0.0
        self._longest_skip = math.inf if skip_sleeps is True else float(skip_sleeps)
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._lock = threading.RLock()
        renew_in_children(self)

    def after_fork(self) -> None:
        """Go on in a child, whose parent may have held the lock in a thread that the child does not have."""
        self._lock = threading.RLock()

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return self._elapsed

    def uptime(self) -> float:
        """The same without sleeps that were skipped: while one task skips hours, no other stands still."""
        with self._lock:
            return self._elapsed - self._skipped

    def now(self) -> dt.datetime:
        """The start plus what was advanced."""
        return (self._start + dt.timedelta(seconds=self._elapsed)).astimezone(dt.UTC)

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock was advanced by that many seconds."""
        if seconds <= self._longest_skip:
            self._skip(max(seconds, 0.0))
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        with self._lock:
            heapq.heappush(self._sleepers, (self._elapsed + seconds, next(self._order), future))
        await future

    def _skip(self, seconds: float) -> None:
        with self._lock:
            if seconds:
                self.advance(seconds)
            self._skipped += seconds

    def advance(self, seconds: float) -> None:
        """Move the clock forward and wake whoever slept until then.

        Args:
            seconds: how far, in seconds; not negative.

        Raises:
            ValueError: when `seconds` is negative or not a number.
        """
        if not seconds >= 0:
            raise ValueError("a clock does not go back")
        with self._lock:
            self._elapsed += seconds
            while self._sleepers and self._sleepers[0][0] <= self._elapsed:
                wake(heapq.heappop(self._sleepers)[2])

    def shifted(self, seconds: float) -> Clock:
        """The same clock seen by a machine whose wall clock is off by that many seconds."""
        return _ShiftedClock(self, dt.timedelta(seconds=seconds))


class _ShiftedClock:
    """Shares everything with a `ManualClock` but the date it shows."""

    def __init__(self, clock: ManualClock, offset: dt.timedelta) -> None:
        self.monotonic = clock.monotonic
        self.uptime = clock.uptime
        self.sleep = clock.sleep
        self._now = clock.now
        self._offset = offset

    def now(self) -> dt.datetime:
        return self._now() + self._offset


def parse_date(text: str | None) -> dt.datetime | None:
    """An HTTP date as an aware datetime in UTC; None when there is none or it cannot be read."""
    if not text:
        return None
    try:
        date = parsedate_to_datetime(text)
        date = date.replace(tzinfo=dt.UTC) if date.tzinfo is None else date.astimezone(dt.UTC)
        # a test that freezes time replaces the class of dates; this restores the real one
        date = Real.datetime.combine(date, date.timetz())
    except (ValueError, OverflowError):
        return None
    # in the calendar's last year, adding a time-out would overflow
    return date if date.year < dt.MAXYEAR else None


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """`Retry-After` in seconds, from either of its forms; None when there is none or it cannot be read.

    A date is measured against the answer's own `Date`, so a wrong local clock changes nothing.
    """
    text = headers.get("Retry-After", "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        date, now = parse_date(text), parse_date(headers.get("Date"))
        seconds = (date - now).total_seconds() if date and now else math.nan
    return max(seconds, 0.0) if math.isfinite(seconds) else None


class Deadline:
    """A moment by which a call has to be over, however many requests and waits it is made of.

    Args:
        clock: the clock to measure with.
        total: seconds from now.
        connect: seconds for making one connection; None: the client's limit.
        read: seconds that an answer may stay silent; None: the client's limit.
    """

    __slots__ = ("_clock", "_ends", "connect", "read", "total")

    def __init__(
        self, clock: Clock, total: float, *, connect: float | None = None, read: float | None = None
    ) -> None:
        self._clock = clock
        self._ends = clock.monotonic() + total
        self.total: float = total
        self.connect: float | None = connect
        self.read: float | None = read

    def left(self) -> float:
        """Seconds left; negative when it passed."""
        return self._ends - self._clock.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since it was set."""
        return self.total - self.left()

    def is_before(self, other: Deadline) -> bool:
        """True when it ends before another one of the same clock."""
        return self._ends < other._ends

    def extend(self, other: Deadline) -> None:
        """End when another one of the same clock ends."""
        self.total += other._ends - self._ends
        self._ends = other._ends


_SECOND: Final = dt.timedelta(seconds=1)  # the resolution of a date
_REPEATED: Final = 2.0  # seconds after which an answer that is no copy has another date


class ServerClock:
    """The server's clock: the `Date` of its answers, kept running on the monotonic clock.

    Args:
        clock: the local clock; its date is used only until the first answer.
    """

    __slots__ = (
        "_asked",
        "_clock",
        "_date",
        "_first",
        "_moves",
        "_original",
        "_received",
        "_sent",
        "_text",
        "_uptime",
    )

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._uptime: Callable[[], float] = clock_uptime(clock)
        self._text: str | None = None
        self._date: dt.datetime | None = None
        self._sent = 0.0
        self._original: dt.datetime | None = None
        self._first = self._received = 0.0  # when originals with this date first and last came
        self._asked = 0.0  # when the request for that first one was sent
        self._moves = True  # whether a later date has been seen since

    def observe(self, text: str | None, sent: float, *, original: bool = False) -> dt.datetime | None:
        """Learn from an answer.

        Args:
            text: its `Date`.
            sent: the monotonic time in seconds when the request went out. The server wrote the date later
                than that, so the clock shown here is ahead by at most the way there.
            original: it cannot come out of a cache, for it answers no GET.

        Returns:
            The date, or None when there is none or it cannot be read.
        """
        date = self._date if text == self._text else parse_date(text)
        if date is not None:
            if text != self._text:
                self._text, self._date, self._sent = text, date, sent
            self._moves = self._moves or self._original is None or date > self._original
            if original:
                self._received, self._asked = self._uptime(), sent
                if date != self._original:
                    self._original, self._first, self._moves = date, self._received, False
        return date

    @property
    def _stands_still(self) -> bool:
        """True when all answers of late have shown one date, as where a test has frozen the server's time."""
        return not self._moves and self._received - self._first > _REPEATED

    def at_least(self, sent: float) -> dt.datetime | None:
        """The date that the server's clock showed at least when a request went out; None if nothing tells.

        Reckoned from the latest answer that cannot be a copy.

        Args:
            sent: monotonic time in seconds when the request went out, a moment ago.
        """
        if self._original is None or self._stands_still:
            return self._original
        ago = self._clock.monotonic() - sent
        return self._original + dt.timedelta(seconds=self._uptime() - self._received - ago)

    def at_most(self, moment: float) -> dt.datetime | None:
        """The date that the server's clock showed at most; None if nothing tells.

        Args:
            moment: monotonic time in seconds, not before the latest such answer was asked for.
        """
        if self._original is None or self._stands_still:
            return self._original
        return self._original + dt.timedelta(seconds=moment - self._asked) + _SECOND

    @property
    def known(self) -> bool:
        """True when an answer told the date; until then `now` is the local clock's."""
        return self._date is not None

    def now(self) -> dt.datetime:
        """The server's date and time as far as known; aware, in UTC."""
        if self._date is None:
            return self._clock.now()
        return self._date + dt.timedelta(seconds=self._clock.monotonic() - self._sent)
