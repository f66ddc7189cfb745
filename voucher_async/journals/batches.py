"""Batches: what many callers ask at once is done together, in a thread of its own.

No timer: while one batch runs, the next one gathers. Items also gather as long as each turn of their event
loop brings more of them: a loop under load has many calls that are about to ask. A caller is answered on its
own event loop, so clients on several loops and threads may ask; all answers of a batch to one loop come in
one hop. What a cancelled caller has asked is left out while it waits for its batch, and done without telling
anybody once that runs.

A child that was forked has none of the threads, so it begins with an empty queue.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final, Generic, TypeAlias, TypeVar

from voucher_async.errors import JournalFailed
from voucher_async.forks import keep, renew_in_children

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["LIMIT", "Batches"]

I = TypeVar("I")  # noqa: E741 - an item
R = TypeVar("R")

LIMIT: Final = 256
"""The most items of a batch."""

_TURNS: Final = 8  # of a loop in which items gather, at most

_Asked: TypeAlias = "tuple[I, asyncio.AbstractEventLoop, asyncio.Future[R]]"


class Batches(Generic[I, R]):
    """Gathers items for a worker, whose thread starts with the first of them.

    Args:
        work: does a batch, in the order in which it was asked for; gives for each item its result, or the
            error that its caller gets. One that it raises is raised for each item as a `JournalFailed`.
        close: is called in the thread once it has done all that it was asked for.
        name: the name of the thread.
    """

    def __init__(
        self,
        work: Callable[[Sequence[I]], Sequence[R | Exception]],
        close: Callable[[], None],
        name: str = "voucher-journal",
    ) -> None:
        self._work = work
        self._close = close
        self._name = name
        self._closed = False
        self._renew()
        renew_in_children(self)

    def after_fork(self) -> None:
        """Begin anew: the thread and those who wait for it are the parent's."""
        keep(self._asked, self._gathering, self._thread)
        self._renew()

    def _renew(self) -> None:
        self._lock = threading.Lock()
        self._asked: SimpleQueue[_Asked[I, R] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._gathering: dict[asyncio.AbstractEventLoop, list[_Asked[I, R]]] = {}
        self._closers: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []

    async def ask(self, item: I) -> R:
        """Have an item done with others.

        Raises:
            JournalFailed: the journal was closed.
            Exception: what the worker gave for it.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[R] = loop.create_future()
        with self._lock:
            if self._closed:
                raise JournalFailed("the journal was closed")
            gathering = self._gathering.get(loop)
            if gathering is None:
                gathering = self._gathering[loop] = []
                loop.call_soon(self._turn, loop)
            gathering.append((item, loop, answer))
        return await answer

    def _turn(self, loop: asyncio.AbstractEventLoop, seen: int = 1, turns: int = 1) -> None:
        """Hand over what has gathered, once a turn has brought nothing more."""
        with self._lock:
            gathered = len(self._gathering.get(loop, ()))
            if seen < gathered < LIMIT and turns < _TURNS:
                loop.call_soon(self._turn, loop, gathered, turns + 1)
            elif gathered:
                self._hand_over(loop)

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        for each in self._gathering.pop(loop):
            self._asked.put(each)
        if self._thread is None:
            # a journal that nobody has closed must not keep the interpreter from ending
            thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            thread.start()
            self._thread = thread

    def _run(self) -> None:
        asked = self._asked
        is_open = True
        while is_open:
            batch, is_open = _gather(asked)
            if batch:
                _answer(batch, self._outcomes([item for item, _, _ in batch]))
        with contextlib.suppress(Exception):  # nobody is left to tell
            self._close()
        with self._lock:
            self._thread = None
            closers, self._closers = self._closers, []
        for loop, done in closers:
            _hop(loop, [(done, None)])

    def _outcomes(self, items: Sequence[I]) -> Sequence[R | Exception]:
        try:
            return self._work(items)
        except Exception as error:  # noqa: BLE001 - it is raised where it was asked for
            return [_failure(error) for _ in items]

    async def aclose(self) -> None:
        """Do what was asked for, and end the thread; a second call waits for the first."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        with self._lock:
            was_closed, self._closed = self._closed, True
            for each in list(self._gathering):
                self._hand_over(each)
            thread = self._thread
            if thread is None:
                return
            self._closers.append((loop, done))
            if not was_closed:
                self._asked.put(None)
        await done
        thread.join()  # it has nothing left to do


def _gather(asked: SimpleQueue[_Asked[I, R] | None]) -> tuple[list[_Asked[I, R]], bool]:
    """The items asked for by now, once there are some; and False when there will be no more."""
    batch: list[_Asked[I, R]] = []
    each = asked.get()
    with contextlib.suppress(Empty):
        while each is not None:
            if not each[2].cancelled():
                batch.append(each)
            if len(batch) == LIMIT:
                return batch, True
            each = asked.get_nowait()
        return batch, False
    return batch, True


def _answer(batch: Sequence[_Asked[I, R]], outcomes: Sequence[R | Exception]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[R], R | Exception]]] = {}
    for (_, loop, answer), outcome in zip(batch, outcomes, strict=True):
        by_loop.setdefault(loop, []).append((answer, outcome))
    for loop, answers in by_loop.items():
        _hop(loop, answers)


def _hop(loop: asyncio.AbstractEventLoop, answers: Sequence[tuple[asyncio.Future[R], R | Exception]]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop was closed, so nobody waits
        loop.call_soon_threadsafe(_settle, answers)


def _settle(answers: Sequence[tuple[asyncio.Future[R], R | Exception]]) -> None:
    for answer, outcome in answers:
        if answer.cancelled():
            continue
        if isinstance(outcome, Exception):
            answer.set_exception(outcome)
        else:
            answer.set_result(outcome)


def _failure(error: Exception) -> JournalFailed:
    """An error of one caller's own: a raised one collects the frames it passes."""
    known = isinstance(error, JournalFailed)
    mine = JournalFailed(str(error) if known else f"the journal failed: {type(error).__name__}")
    mine.__cause__ = error.__cause__ if known else error
    return mine
