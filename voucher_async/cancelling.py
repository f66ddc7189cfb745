"""Cancellation: who cancelled whom, doing it when time is up, and foreign code that must not break a call."""

from __future__ import annotations

import asyncio
import contextlib
import math
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import attrs

from voucher_async.realtime import Real, call_at, clock_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping
    from types import TracebackType

__all__ = [
    "WAITS",
    "Limit",
    "Limits",
    "cancelled_from_outside",
    "goes_on",
    "quietly",
    "to_the_end",
    "wait_for_ends",
]

T = TypeVar("T")

_GRAIN: Final = 0.01  # seconds between two checks of the limits, at least


def cancelled_from_outside() -> bool:
    """True when somebody cancelled the running task; False when a CancelledError came up from within it."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def goes_on(future: asyncio.Future[Any]) -> bool:
    """True when something is to be waited for: what belongs to a loop that is gone is over."""
    return not future.done() and future.get_loop() is asyncio.get_running_loop()


async def wait_for_ends(ends: Iterable[asyncio.Future[Any] | None], seconds: float) -> None:
    """Wait until all of this is over, but not for longer; it goes on all the same."""
    waiting = {end for end in ends if end is not None and goes_on(end)}
    if waiting:
        await asyncio.wait(waiting, timeout=max(seconds, 0.0))


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Run in a task of its own, and wait for its end however often the caller is cancelled meanwhile.

    A cancel scope of anyio cancels at each `await` anew, so nothing that is awaited in the caller's own task
    gets anywhere there.

    Args:
        work: what is to be finished.

    Returns:
        What it returns.

    Raises:
        CancelledError: the caller was cancelled meanwhile, which is raised when the work is over.
    """
    try:
        task = asyncio.create_task(work)
    except RuntimeError:  # the caller's event loop is closed, and its coroutine is being discarded
        work.close()
        raise
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return task.result()
    raise cancelled from (None if task.cancelled() else task.exception())


def quietly(log: Callable[..., None], *args: object, extra: Mapping[str, object] | None = None) -> None:
    """Log something; a filter or handler of the application that breaks must not break a payment.

    Args:
        log: a method of a logger.
        args: what it is given.
        extra: facts for formatters that show them.
    """
    # the log itself has failed, and there is no other place to report that
    with contextlib.suppress(Exception, asyncio.CancelledError):
        log(*args, **({} if extra is None else {"extra": extra}))


class Limits:
    """Makes limits that share one timer: nearly every call ends long before it may.

    What `asyncio.timeout` does, without setting and cancelling a timer for each call.
    """

    __slots__ = ("_alarm", "_alarms")

    def __init__(self) -> None:
        self._alarm: _Alarm | None = None  # the alarm used last
        self._alarms: list[_Alarm] = []

    def limit(self, seconds: float) -> Limit:
        """A limit on the running task: until the end of its `with`, or until its `end`.

        Args:
            seconds: how long from now on.
        """
        loop = asyncio.get_running_loop()
        alarm = self._alarm
        if alarm is None or alarm.loop is not loop:
            self._alarm = alarm = self._alarm_of(loop) or self._new_alarm(loop)
        task: Any = asyncio.current_task(loop)
        ends = alarm.time() + seconds
        limit = Limit(alarm, task, task.cancelling(), Real.uptime(), seconds, ends, ends)
        alarm.watched.add(limit)
        if ends < alarm.when:
            alarm.be_there(ends)
        return limit

    def _new_alarm(self, loop: asyncio.AbstractEventLoop) -> _Alarm:
        alarm = _Alarm(loop)
        self._alarms = [*(each for each in self._alarms if not each.loop.is_closed()), alarm]
        return alarm

    def _alarm_of(self, loop: asyncio.AbstractEventLoop) -> _Alarm | None:
        return next((alarm for alarm in self._alarms if alarm.loop is loop), None)

    def end(self) -> None:
        """Let the time of everything that is limited on the running loop be up, and take back the timer."""
        alarm = self._alarm_of(asyncio.get_running_loop())
        if alarm is not None:
            alarm.end()


WAITS: Final = Limits()
"""For waits within the process that belong to no client."""


class _Alarm:
    """The timer, on one loop."""

    __slots__ = ("_stop_timer", "loop", "time", "watched", "when")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop: asyncio.AbstractEventLoop = loop
        self.time: Callable[[], float] = clock_of(loop)
        self.when: float = math.inf  # time of the next check
        self.watched: set[Limit] = set()
        self._stop_timer: Callable[[], None] | None = None

    def be_there(self, when: float) -> None:
        """Look at the limits at that time, which is before the next look."""
        if self._stop_timer is not None:
            self._stop_timer()
        self.when = when
        self._stop_timer = call_at(self.loop, when, self._look)

    def _look(self) -> None:
        self._stop_timer, self.when = None, math.inf
        now = self.time()
        for limit in [limit for limit in self.watched if limit.next <= now]:
            limit.strike(now)
        if self.watched:
            self.be_there(max(min(limit.next for limit in self.watched), now + _GRAIN))

    def end(self) -> None:
        for limit in list(self.watched):
            limit.strike(math.inf)
        if self._stop_timer is not None:
            self._stop_timer()
            self._stop_timer, self.when = None, math.inf


@attrs.define(eq=False, repr=False)
class Limit:
    """Ends what its task waits for when its time is up: the task is cancelled, `with` raises TimeoutError.

    A part of it can have a shorter limit of its own, see `silence`.

    Attributes:
        ends: when its time is up, by the loop's clock in seconds.
        next: when it has to be looked at.
    """

    _alarm: _Alarm
    _task: asyncio.Task[object]
    _cancelling: int
    _begun: float  # by a clock that goes on while the machine sleeps
    _seconds: float
    ends: float
    next: float
    _ended: bool = attrs.field(init=False, default=False)
    _silenced: bool = attrs.field(init=False, default=False)
    _suspected: bool = attrs.field(init=False, default=False)

    @property
    def passed(self) -> bool:
        """True when the time is up, also when neither the process nor the machine ran meanwhile.

        The timer says so later: a process that was stopped runs what is due in any order when it goes on.
        """
        return self._alarm.time() >= self.ends or Real.uptime() - self._begun >= self._seconds

    def silence(self, seconds: float) -> bool:
        """Cancel the task when its peer stays silent that many seconds from now on.

        Whoever says so calls `heard` when that no longer matters, and asks `fell_silent` when cancelled.

        Returns:
            False when the time is up, see `passed`.
        """
        self._suspected = False
        # this replaces the end of an earlier silence, elapsed or not
        alarm = self._alarm
        self.next = until = min(alarm.time() + seconds, self.ends)
        if until < alarm.when:
            alarm.be_there(until)
        return not self.passed

    def was_cancelled(self) -> bool:
        """True when the task was cancelled since it entered, by this limit or by somebody else."""
        return self._task.cancelling() > self._cancelling

    def heard(self) -> None:
        """Silence is no longer limited."""
        self._suspected = False
        self.next = self.ends
        if self._silenced:
            self.fell_silent()

    def fell_silent(self) -> bool:
        """True when the CancelledError just caught was for the silence; it is taken back then."""
        if not self._silenced:
            return False
        self._silenced = False
        # a cancellation by others takes precedence
        return self._task.uncancel() <= self._cancelling

    def strike(self, now: float) -> None:
        """The time is up, all of it or that of the silence."""
        if now >= self.ends:
            self._ended = True
            self._alarm.watched.discard(self)
        elif not self._suspected:
            # after a pause of this process the peer's bytes may have arrived, and wait unread
            self._suspected = True
            self.next = min(now + _GRAIN, self.ends)
            return
        else:
            self._suspected = False
            self._silenced = True
            self.next = self.ends
        self._task.cancel()

    def end(self) -> bool:
        """Limit nothing any more, and take back what cancelled the task.

        Returns:
            True when the time was up; when others cancelled the task, too, that is what counts.
        """
        self._alarm.watched.discard(self)
        if self._silenced:
            self.fell_silent()
        was_up, self._ended = self._ended, False
        return was_up and self._task.uncancel() <= self._cancelling

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        # what ended in another way is not told that its time was up
        if self.end() and kind is asyncio.CancelledError:
            raise TimeoutError from None
