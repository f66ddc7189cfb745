"""One run of a batch: vouchers under way at once, results as they finish, and an end that leaves nothing."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from voucher_async.errors import VoucherError
from voucher_async.hooks import Hook
from voucher_async.issuing.sources import NOTHING, Source
from voucher_async.issuing.verdicts import (
    NotAsAsked,
    Stopping,
    Verdict,
    busy_of,
    may_have_been_made,
    tries_of,
    verdict_of,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from voucher_async.events import AttemptEnded, Repeating
    from voucher_async.issuing.cards import Cards
    from voucher_async.issuing.pace import Pace
    from voucher_async.issuing.ports import Issuer
    from voucher_async.issuing.results import IssuedVoucher

__all__ = ["Run"]

_BUSY: Final = frozenset({429, 503})
_FAILED: Final = 500
_OTHERS: Final = frozenset({Verdict.FINE, Verdict.OWN})


class _Watch(Hook):
    """Slows the pace down while calls are under way: one that is refused pauses, and repeats itself."""

    def __init__(self, pace: Pace, issuer: Issuer) -> None:
        self._pace = pace
        self._issuer = issuer
        self._is_busy = False

    def on_attempt_ended(self, event: AttemptEnded) -> None:
        self._is_busy = event.status in _BUSY
        if not self._is_busy and (event.status is None or event.status >= _FAILED):
            self._pace.troubled(self._issuer.now())

    def on_repeating(self, event: Repeating) -> None:
        if self._is_busy:  # an attempt's end and its repeat are told one after the other
            self._pace.refused(self._issuer.now(), event.pause)


class Run:
    """One run of a batch.

    No more vouchers begin than the pace allows, those included whose results nobody has taken yet: so a slow
    reader holds up the run, and no queue grows.

    Args:
        cards: issues one voucher.
        source: the descriptions.
        issuer: the client.
        pace: how many at once.
    """

    def __init__(self, cards: Cards, source: Source, issuer: Issuer, pace: Pace) -> None:
        self._cards = cards
        self._source = source
        self._issuer = issuer
        self._pace = pace
        self._stopping = Stopping()
        self._positions = itertools.count(1)
        self._under_way: set[asyncio.Task[IssuedVoucher]] = set()
        self._finished: deque[IssuedVoucher] = deque()
        self._pausing: asyncio.Task[None] | None = None
        self._error: BaseException | None = None

    async def results(self) -> AsyncGenerator[IssuedVoucher]:
        """Issue the vouchers; each as it finishes.

        Raises:
            VoucherError: no further voucher was begun, since all would have failed alike.
        """
        with self._issuer.watched_by(_Watch(self._pace, self._issuer)):
            try:
                while await self._something_finished():
                    while self._finished:
                        yield self._finished.popleft()
                        self._begin()
            finally:
                await self._end()
            error = self._error or self._source.error
            if error is not None:
                raise error

    async def _something_finished(self) -> bool:
        """Wait until a result can be taken; False when there are no more."""
        while not self._finished:
            self._begin()
            waits: set[asyncio.Task[object]] = {*self._under_way}
            waits.update(task for task in self._helpers() if not task.done())
            if not waits:
                return False
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        return True

    def _helpers(self) -> list[asyncio.Task[object]]:
        tasks: tuple[asyncio.Task[object] | None, ...] = (self._source.reading, self._pausing)
        return [task for task in tasks if task is not None]

    def _begin(self) -> None:
        """Begin as many vouchers as may begin now."""
        while not self._source.is_over and len(self._under_way) + len(self._finished) < self._pace.limit:
            if self._is_pausing():
                return
            given = self._source.take()
            if given is NOTHING:
                return
            card = self._cards.begin(next(self._positions), given)
            task = asyncio.create_task(self._issue(card))
            self._under_way.add(task)
            task.add_done_callback(self._ended)

    def _is_pausing(self) -> bool:
        if self._pausing is not None and not self._pausing.done():
            return True
        seconds = 0.0 if self._issuer.is_closed else self._pace.wait(self._issuer.now())
        self._pausing = asyncio.create_task(self._issuer.pause(seconds)) if seconds > 0 else None
        return self._pausing is not None

    async def _issue(self, card: IssuedVoucher) -> IssuedVoucher:
        for number in itertools.count(1):
            card = await self._cards.issue(card)
            self._note(card.error)
            if number >= tries_of(card.error):
                break
            await self._issuer.pause(self._pace.wait(self._issuer.now()))
            if self._error is not None:
                break
        return card

    def _note(self, error: Exception | None) -> None:
        verdict = verdict_of(error)
        if verdict is Verdict.FINE:
            self._pace.succeeded()
        elif verdict is Verdict.BUSY:
            busy = busy_of(error)
            self._pace.refused(self._issuer.now(), busy.retry_after if busy else None)

    def _ended(self, task: asyncio.Task[IssuedVoucher]) -> None:
        self._under_way.discard(task)
        if task.cancelled():
            self._stop(VoucherError("a voucher's task was cancelled: run the batch again"))
            return
        failure = task.exception()
        if failure is not None:
            self._stop(failure)
            return
        card = task.result()
        verdict = verdict_of(card.error)
        if self._stopping.note(verdict) and card.error is not None:
            words = f"the batch was stopped at voucher {card.position}"
            is_wrong = isinstance(card.error, NotAsAsked)  # to run it again would be as wrong
            card.error.add_note(words if is_wrong else f"{words}: run it again to go on")
            self._stop(card.error)
        is_told = card.voucher is not None or may_have_been_made(card.error)
        if verdict in _OTHERS or is_told or self._error is None:
            self._finished.append(card)

    def _stop(self, error: BaseException) -> None:
        self._error = self._error or error
        self._source.stop()
        for task in self._helpers():
            task.cancel()

    async def _end(self) -> None:
        """End what is under way, and wait for that."""
        self._source.stop()
        tasks: list[asyncio.Task[Any]] = [*self._under_way, *self._helpers()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
