"""Recovery of what dead workers left: on request, and by itself where the journal is durable."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs

from voucher_async.cancelling import goes_on, quietly, wait_for_ends
from voucher_async.errors import VoucherError
from voucher_async.forks import keep, renew_in_children
from voucher_async.payments.call import CallRecord, CallState
from voucher_async.payments.ownership import ask_journal
from voucher_async.payments.retention import Retention
from voucher_async.payments.rounds import Rounds
from voucher_async.values import Value

if TYPE_CHECKING:
    import random

    from voucher_async.clock import Deadline
    from voucher_async.payments.ownership import Ownership
    from voucher_async.payments.recovering import Recoverer

__all__ = ["Recovered", "Recovery"]

_Work: TypeAlias = tuple[CallRecord, "asyncio.Task[CallRecord | None]"]

_AT_ONCE: Final = 16  # records, so that live calls get their turn
_PAGE: Final = 100  # records

_logger: Final = logging.getLogger("voucher_async")


@attrs.frozen(kw_only=True)
class Recovered(Value):
    """The records that dead workers had left, as a recovery leaves them; none of them holds a secret.

    The charges and refunds of a checkout that it finished are not among them.

    Attributes:
        done: calls that were carried out, and checkouts that are charged. None has told a caller: ask with
            the key, or `VoucherClient.acknowledge` the record.
        not_done: calls that were not carried out, each with its `proof`, and checkouts of which no charge
            stands. Their keys are free.
        open: the others. What is still being settled is in `VoucherClient.pending`, too.
    """

    done: tuple[CallRecord, ...] = ()
    not_done: tuple[CallRecord, ...] = ()
    open: tuple[CallRecord, ...] = ()


@attrs.define(eq=False)
class _Sweep:
    """One recovery of all that is left.

    Attributes:
        is_asked_for: somebody waits for it, so nothing is left for later.
        listed: the ids of the records that were read.
        works: what is done for each record, and the record as it was read.
    """

    is_asked_for: bool
    listed: set[str] = attrs.Factory(set[str])
    works: list[_Work] = attrs.field(factory=list["_Work"])

    def result(self) -> Recovered:
        """The records as they are now."""
        there = [record for left, work in self.works if (record := _outcome(left, work)) is not None]
        return Recovered(
            done=tuple(record for record in there if record.state is CallState.DONE),
            not_done=tuple(record for record in there if record.state is CallState.NOT_DONE),
            open=tuple(record for record in there if not record.ended),
        )


class _Lane:
    """The work on one event loop: one list is read at a time, some records are recovered at once."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.listing = asyncio.Lock()
        self.slots = asyncio.Semaphore(_AT_ONCE)
        self.works: dict[str, _Work] = {}  # by the id of the record
        self.sweeps: set[asyncio.Task[None]] = set()


class Recovery:
    """One per client.

    Args:
        recoverer: recovers one record.
        ownership: reads what is left.
        every: seconds between two sweeps by itself; 0 for none.
        rng: draws the pauses between them.
    """

    def __init__(
        self, recoverer: Recoverer, ownership: Ownership, every: float, rng: random.Random | None = None
    ) -> None:
        self._recoverer = recoverer
        self._ownership = ownership
        is_durable = bool(getattr(ownership.journal, "durable", False))
        self._rounds = Rounds(self._by_itself, every if is_durable else 0.0, ownership.clock, rng)
        self._retention = Retention(ownership)
        self._lane: _Lane | None = None
        self._is_over = False
        renew_in_children(self)

    def after_fork(self) -> None:
        """Leave what is under way to the parent."""
        keep(self._lane)
        self._lane = None

    def wake(self) -> None:
        """Note a money call: from the first one on the client recovers by itself."""
        self._rounds.wake()

    async def run(self, deadline: Deadline) -> Recovered:
        """Recover all that is left; documented at `VoucherClient.recover`.

        Args:
            deadline: the caller's; the sweep goes on behind it.

        Raises:
            JournalFailed: the journal cannot be read.
        """
        sweep, lane = _Sweep(is_asked_for=True), self._lane_here()
        task = asyncio.create_task(self._run(sweep, lane))
        lane.sweeps.add(task)
        task.add_done_callback(lane.sweeps.discard)
        task.add_done_callback(_read)
        await wait_for_ends((task,), deadline.left())
        if task.done() and not task.cancelled():
            task.result()
        return sweep.result()

    async def _by_itself(self) -> None:
        """Begin with all that is due; the next round waits for none of it."""
        lane = self._lane_here()
        async with lane.listing:
            await self._list(_Sweep(is_asked_for=False), lane)
        await self._retention.tidy()

    def _lane_here(self) -> _Lane:
        if self._lane is None or self._lane.loop is not asyncio.get_running_loop():
            self._lane = _Lane()
        return self._lane

    async def _run(self, sweep: _Sweep, lane: _Lane) -> None:
        async with lane.listing:
            await self._list(sweep, lane)
        if sweep.works:
            await asyncio.wait({work for _, work in sweep.works})

    async def _list(self, sweep: _Sweep, lane: _Lane) -> None:
        """Begin with all that is left: each page is twice as long, for what was seen may still be there."""
        ownership, limit = self._ownership, _PAGE
        if sweep.is_asked_for:
            sweep.works.extend(lane.works.values())
            sweep.listed.update(lane.works)
        records, is_last = await self._given_up(), False
        while not is_last:
            page = await ask_journal(ownership.journal.left(ownership.scope, limit))
            is_last, limit = len(page) < limit, 2 * limit
            for left in (*records, *page):
                if left.id not in sweep.listed and not self._is_over:
                    sweep.listed.add(left.id)
                    if sweep.is_asked_for or self._recoverer.is_due(left):
                        sweep.works.append(self._begin(lane, left))
            records = []

    async def _given_up(self) -> list[CallRecord]:
        """The records that this client could not write the end of: its lease may run, and nobody else may."""
        ownership, left = self._ownership, list[CallRecord]()
        for record_id in ownership.given_up:
            record = await ask_journal(ownership.journal.get(ownership.scope, record_id))
            if record is not None and record.ended:
                ownership.keep(record_id)
            elif record is not None:
                left.append(record)
        return left

    def _begin(self, lane: _Lane, left: CallRecord) -> _Work:
        if left.id in lane.works:
            return lane.works[left.id]
        task = asyncio.create_task(self._recover(lane, left))
        work = lane.works[left.id] = left, task
        task.add_done_callback(lambda _: lane.works.pop(left.id))
        task.add_done_callback(_read)
        return work

    async def _recover(self, lane: _Lane, left: CallRecord) -> CallRecord | None:
        async with lane.slots:
            if self._is_over:
                return left
            try:
                return await self._recoverer.recover(left)
            except VoucherError as error:
                words, operation = "a %s, id %s, was not recovered: %s", left.parameters.operation
                quietly(_logger.warning, words, operation, left.id, error, extra=left.named)
                return left

    def stop(self) -> None:
        """Begin to recover nothing more."""
        self._is_over = True
        self._rounds.stop()

    async def end(self) -> None:
        """Stop, and end what is under way: what was taken over is left for other clients."""
        self.stop()
        await self._rounds.end()
        lane = self._lane
        under_way = [] if lane is None else [*lane.sweeps, *(task for _, task in lane.works.values())]
        tasks = {task for task in under_way if goes_on(task)}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


def _outcome(left: CallRecord, work: asyncio.Task[CallRecord | None]) -> CallRecord | None:
    """A record as it is once its work is over, else as it was read."""
    is_over = work.done() and not work.cancelled() and work.exception() is None
    return work.result() if is_over else left


def _read(task: asyncio.Task[Any]) -> None:
    """Retrieve the exception, or asyncio logs it as never retrieved."""
    if not task.cancelled():
        task.exception()
