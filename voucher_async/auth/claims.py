"""Claims of leases, made to the end: none is left with nobody.

A caller may be cancelled while its claim is under way, and an answer may be lost. The store may have given
the lease all the same: then everybody would wait until it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

from voucher_async.cancelling import wait_for_ends
from voucher_async.forks import keep, renew_in_children

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

__all__ = ["Claims"]

_LIMIT: Final = 1.5  # seconds that closing waits for claims; the lease of one that is given up ends by itself
_PARTING: Final = 0.1  # seconds for one that is given up


class Claims:
    """Makes claims in tasks of their own, on any number of event loops."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        renew_in_children(self)

    def after_fork(self) -> None:
        """Leave the tasks to the parent."""
        keep(self._tasks)
        self._tasks = set()

    async def make(
        self, claim: Callable[[], Awaitable[bool]], give_back: Callable[[], Awaitable[None]]
    ) -> bool:
        """Claim a lease; tell whether it was given.

        Args:
            claim: asks for it; has a time limit of its own.
            give_back: does nothing when it was not given. Called when nobody learns of a lease that was, or
                may have been given.

        Raises:
            Exception: what `claim` raises.
        """
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._begin(_claim(claim, give_back, answer))
        try:
            return await answer
        except asyncio.CancelledError:
            # the answer may have come in the very turn in which its caller was cancelled
            if answer.done() and not answer.cancelled() and answer.exception() is None:
                self._begin(_give_back(give_back))
            raise

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name="voucher-lease")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def end(self) -> None:
        """Wait for the claims that are under way on this event loop, and give up those that take long."""
        here = asyncio.get_running_loop()
        tasks = {task for task in self._tasks if task.get_loop() is here}
        await wait_for_ends(tasks, _LIMIT)
        late = {task for task in tasks if not task.done()}
        for task in late:
            task.cancel()
        await wait_for_ends(late, _PARTING)


async def _claim(
    claim: Callable[[], Awaitable[bool]],
    give_back: Callable[[], Awaitable[None]],
    answer: asyncio.Future[bool],
) -> None:
    try:
        won = await claim()
    except asyncio.CancelledError:  # the loop is being shut down
        answer.cancel()
        raise
    except Exception as error:  # noqa: BLE001 - it is raised where it was asked for
        if not answer.done():
            answer.set_exception(error)
        await _give_back(give_back)
        return
    if answer.done():
        await _give_back(give_back)
    else:
        answer.set_result(won)


async def _give_back(give_back: Callable[[], Awaitable[None]]) -> None:
    with contextlib.suppress(Exception):  # the lease ends by itself
        await give_back()
