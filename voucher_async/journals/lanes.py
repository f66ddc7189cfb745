"""Lanes: what many callers on one event loop ask at once is done together.

No timer: while one batch runs, the next one gathers. What a cancelled caller has asked is left out while it
waits for its batch, and done without telling anybody once the batch runs.
"""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import TYPE_CHECKING, Generic, TypeVar

from voucher_async.errors import JournalFailed
from voucher_async.journals.batches import LIMIT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

__all__ = ["Lane"]

I = TypeVar("I")  # noqa: E741 - an item
R = TypeVar("R")


class Lane(Generic[I, R]):
    """Gathers items of one event loop.

    Args:
        work: does a batch; gives for each item its result, or the error that its caller gets. One that it
            raises is raised for each item as a `JournalFailed`.
    """

    def __init__(self, work: Callable[[Sequence[I]], Awaitable[Sequence[R | Exception]]]) -> None:
        self._work = work
        self._asked: list[tuple[I, asyncio.Future[R]]] = []
        self._task: asyncio.Task[None] | None = None

    async def ask(self, item: I) -> R:
        """Have an item done with others.

        Raises:
            JournalFailed: it was not done, or that is not known.
        """
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._asked.append((item, answer))
        if self._task is None:
            # a batch is not the first caller's own: neither its deadline nor its secrets go with it
            self._task = asyncio.get_running_loop().create_task(self._run(), context=Context())
        return await answer

    async def _run(self) -> None:
        batch: list[tuple[I, asyncio.Future[R]]] = []
        try:
            while self._asked:
                batch, self._asked = self._asked[:LIMIT], self._asked[LIMIT:]
                batch = [each for each in batch if not each[1].cancelled()]
                if batch:
                    outcomes = await self._outcomes([item for item, _ in batch])
                    for (_, answer), outcome in zip(batch, outcomes, strict=True):
                        _settle(answer, outcome)
        finally:
            self._task = None
            for _, answer in (*batch, *self._asked):  # some are left where the loop is being shut down
                answer.cancel()
            self._asked.clear()

    async def _outcomes(self, items: Sequence[I]) -> Sequence[R | Exception]:
        try:
            return await self._work(items)
        except JournalFailed as error:
            text = str(error)
        except Exception as error:  # noqa: BLE001 - it is raised where it was asked for
            text = f"the journal failed: {type(error).__name__}"
        # one of each caller's own: a raised error collects the frames it passes
        return [JournalFailed(text) for _ in items]

    async def end(self) -> None:
        """Wait until all that was asked for is done."""
        if self._task is not None:
            await asyncio.wait({self._task})


def _settle(answer: asyncio.Future[R], outcome: R | Exception) -> None:
    if answer.cancelled():
        return
    if isinstance(outcome, Exception):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)
