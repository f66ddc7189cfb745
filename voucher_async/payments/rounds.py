"""Rounds: work that a client does again and again by itself, from its first money call on.

A timer is set on the event loop of the latest money call. It holds the rounds weakly, so it keeps no client
alive, and it keeps no loop from closing. Each pause is drawn anew, so that workers that were started together
do not ask their journal together.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import math
import random
import weakref
from contextvars import Context
from typing import TYPE_CHECKING, Final

from voucher_async.cancelling import goes_on, quietly
from voucher_async.errors import VoucherError
from voucher_async.forks import keep, renew_in_children
from voucher_async.realtime import call_at, time_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from voucher_async.clock import Clock

__all__ = ["Rounds"]

_logger: Final = logging.getLogger("voucher_async")


class Rounds:
    """One per client.

    Args:
        work: done in each round.
        every: seconds between two rounds, give or take half of it; 0 for no rounds.
        clock: measures them.
        rng: draws the pauses; None: the random numbers of this process.
    """

    def __init__(
        self,
        work: Callable[[], Awaitable[object]],
        every: float,
        clock: Clock,
        rng: random.Random | None = None,
    ) -> None:
        self._work = work
        self._every = every
        self._clock = clock
        self._draw = random.random if rng is None else rng.random
        self._is_over = False
        self._has_failed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._due = math.inf  # by the clock; while a round is under way none is
        self._stop_timer: Callable[[], None] | None = None
        self._task: asyncio.Task[None] | None = None
        renew_in_children(self)

    def after_fork(self) -> None:
        """Leave the timer and the round under way to the parent; the child's next money call begins anew."""
        keep(self._task, self._stop_timer, self._loop)
        self._task = self._stop_timer = self._loop = None

    def wake(self) -> None:
        """Begin the round that is due; the first call sets the time of the first round.

        That time holds on other event loops, too: a worker may run each of its jobs on a loop of its own.
        """
        if self._is_over or not self._every:
            return
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop = loop
            if math.isinf(self._due):  # it is the first, or the loop of the last round may be gone
                self._wait()
            else:
                self._set_timer()
        if self._clock.monotonic() >= self._due:
            self._begin()

    def _wait(self) -> None:
        """Let the next round come after a pause."""
        if not self._is_over:
            self._due = self._clock.monotonic() + self._every * (0.5 + self._draw())
            self._set_timer()

    def _set_timer(self) -> None:
        self._cancel_timer()
        loop = asyncio.get_running_loop()
        pause = max(self._due - self._clock.monotonic(), 0.0)
        ring = functools.partial(_ring, weakref.ref(self), loop)
        self._stop_timer = call_at(loop, time_of(loop) + pause, ring)

    def _cancel_timer(self) -> None:
        if self._stop_timer is not None:
            self._stop_timer()
            self._stop_timer = None

    def ring(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin the round that is due, or wait on: the timer of a loop may be early by the clock.

        Args:
            loop: the loop of the timer; of several that the client was used on the latest counts.
        """
        if self._is_over or loop is not self._loop:
            return
        if self._clock.monotonic() >= self._due:
            self._begin()
        else:
            self._set_timer()

    def _begin(self) -> None:
        self._due = math.inf
        self._cancel_timer()
        # neither the secrets nor the trace of the money call that began it go with it
        self._task = asyncio.create_task(self._round(), context=Context())

    async def _round(self) -> None:
        try:
            await self._work()
            self._has_failed = False
        except VoucherError as error:
            if not self._has_failed:
                self._has_failed = True
                quietly(_logger.warning, "what dead workers left could not be recovered: %s", error)
        finally:
            if asyncio.get_running_loop() is self._loop:
                self._wait()

    def stop(self) -> None:
        """Begin no more rounds."""
        self._is_over = True
        self._cancel_timer()

    async def end(self) -> None:
        """Stop, and end the round under way."""
        self.stop()
        if self._task is not None and goes_on(self._task):
            self._task.cancel()
            await asyncio.wait({self._task})


def _ring(rounds: weakref.ref[Rounds], loop: asyncio.AbstractEventLoop) -> None:
    there = rounds()
    if there is not None:
        there.ring(loop)
