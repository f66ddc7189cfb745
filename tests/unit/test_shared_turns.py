"""Turns by the lines of a journal: one holder at a time, first come, first served, nothing left behind."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import attrs
import pytest

from tests.idle import Timed, idle
from tests.journals.lined import LinedJournal
from voucher_async.checkout.shared_turns import SharedTurns
from voucher_async.checkout.turns import in_turn
from voucher_async.clock import Deadline, ManualClock
from voucher_async.errors import CallTimeout, ConfigurationError, JournalFailed
from voucher_async.payments.ownership import LEASE, Ownership
from voucher_async.payments.pauses import Pauses


class Worker:
    """A client, as far as turns are concerned."""

    def __init__(self, journal: LinedJournal, clock: ManualClock) -> None:
        self.clock = clock
        self.ownership = Ownership(journal, "shop", clock)
        self.pauses = Pauses(clock)
        self.tasks: set[asyncio.Task[None]] = set()
        self.turns = SharedTurns(journal, self.ownership, self.pauses, self)


@attrs.define
class Street(Timed):
    """Some workers, and who uses a voucher."""

    clock: ManualClock
    journal: LinedJournal
    workers: list[Worker]
    inside: set[str] = attrs.Factory(set[str])
    order: list[int] = attrs.Factory(list[int])
    gate: asyncio.Event = attrs.Factory(asyncio.Event)

    async def use(self, number: int, *keys: str, seconds: float = 1000.0) -> None:
        async with in_turn(self.workers[number].turns, keys, Deadline(self.clock, seconds)):
            assert not self.inside & set(keys), "two holders of one turn"
            self.inside |= set(keys)
            self.order.append(number)
            try:
                await self.gate.wait()
            finally:
                self.inside -= set(keys)

    def start(self, number: int, *keys: str, seconds: float = 1000.0) -> asyncio.Task[None]:
        return asyncio.create_task(self.use(number, *keys, seconds=seconds))

    async def live(self, seconds: float) -> None:
        """Let time pass with all leases renewed."""
        for _ in range(int(seconds)):
            await self.passes(1)
            for worker in self.workers:
                await worker.ownership.renew()

    async def end(self, *tasks: asyncio.Task[None]) -> None:
        """Open the gate, and let time pass until all of these are over."""
        self.gate.set()
        await self.during(asyncio.wait_for(asyncio.gather(*tasks), 60))


@pytest.fixture
async def street() -> AsyncIterator[Street]:
    clock = ManualClock()
    journal = LinedJournal(clock)
    street = Street(clock, journal, [Worker(journal, clock) for _ in range(3)])
    yield street
    for worker in street.workers:
        await worker.ownership.heartbeat.end()
    assert journal.tickets == 0
    assert not any(worker.turns._kept or worker.turns._local._turns for worker in street.workers)


async def test_one_holder_at_a_time_in_the_order_of_asking(street: Street) -> None:
    tasks: list[asyncio.Task[None]] = []
    for number in (2, 0, 1):
        tasks.append(street.start(number, "a"))
        await idle()
    assert street.order == [2]
    await street.end(*tasks)
    assert street.order == [2, 0, 1]


async def test_holders_of_different_vouchers_do_not_wait_for_each_other(street: Street) -> None:
    tasks = [street.start(0, "a"), street.start(1, "b")]
    await idle()
    assert street.order == [0, 1]
    await street.end(*tasks)


async def test_a_worker_uses_its_turn_for_a_few_calls_in_a_row_and_nobody_starves(street: Street) -> None:
    tasks = [street.start(number % 3, "a") for number in range(60)]
    await idle()
    await street.end(*tasks)
    runs = [list(street.order[start : start + 8]) for start in range(0, 48, 8)]
    assert [set(run) for run in runs] == [{0}, {1}, {2}, {0}, {1}, {2}]
    assert sorted(street.order) == [0] * 20 + [1] * 20 + [2] * 20


async def test_several_vouchers_at_once_end_in_no_deadlock(street: Street) -> None:
    wanted = [("a", "b", "c"), ("c", "b"), ("b", "a"), ("c", "a"), ("a", "b")] * 4
    tasks = [street.start(number % 3, *keys) for number, keys in enumerate(wanted)]
    await street.end(*tasks)
    assert len(street.order) == len(wanted)


async def test_a_dead_owners_turn_goes_to_the_next_when_its_lease_is_over(street: Street) -> None:
    dead = street.start(0, "a")
    await idle()
    street.workers[0].ownership.heartbeat.stop()
    waiting = street.start(1, "a")
    await street.passes(LEASE - 1)
    assert street.order == [0]
    street.inside.clear()
    await street.passes(2)
    assert street.order == [0, 1]
    await street.end(dead, waiting)


async def test_a_turn_lapses_and_who_waits_keeps_its_place(street: Street) -> None:
    first = street.start(0, "a")
    await idle()
    second = street.start(1, "a")
    await street.live(18)
    third = street.start(2, "a")
    await street.live(3)
    assert street.order == [0]
    street.inside.clear()
    await street.live(10)
    assert street.order == [0, 1]
    await street.end(first, second, third)
    assert street.order == [0, 1, 2]


async def test_who_gives_up_waiting_leaves_the_line(street: Street) -> None:
    first = street.start(0, "a")
    await idle()
    second, third = street.start(1, "a", seconds=0.05), street.start(2, "a")
    with pytest.raises(CallTimeout, match="another call is using the voucher"):
        await second
    assert street.journal.tickets == 2
    third.cancel()
    await asyncio.wait({third})
    assert third.cancelled()
    await street.end(first)


async def test_a_turn_kept_for_a_call_that_is_cancelled_then_is_given_back(street: Street) -> None:
    first, second = street.start(0, "a"), street.start(0, "a")
    await idle()
    other = street.start(1, "a")
    await idle()
    street.gate.set()
    await first  # keeps the ticket for the second, which is woken later in this turn of the loop
    second.cancel()
    await asyncio.wait({second})
    await street.end(other)
    assert street.order[-1] == 1


async def test_a_journal_that_fails_is_said_and_nothing_is_held(street: Street) -> None:
    street.journal.fails.add("line_up")
    with pytest.raises(JournalFailed):
        await street.use(0, "a")
    street.journal.fails.clear()
    await street.end(street.start(1, "a"))


async def test_a_turn_that_cannot_be_given_back_lapses(
    street: Street, caplog: pytest.LogCaptureFixture
) -> None:
    street.gate.set()
    street.journal.fails.add("leave_line")
    with caplog.at_level(logging.WARNING, "voucher_async"):
        await street.use(0, "a")
    assert "could not be given back yet" in caplog.text
    other = street.start(1, "a")
    await street.live(26)
    assert other.done()
    street.journal.fails.clear()
    await street.live(3)


async def test_a_turn_is_given_back_once_the_journal_is_there_again(street: Street) -> None:
    street.gate.set()
    street.journal.fails.add("leave_line")
    await street.use(0, "a")
    other = street.start(1, "a")
    await street.live(3)
    assert street.order == [0]
    street.journal.fails.clear()
    await street.live(3)
    assert other.done()
    assert not street.workers[0].tasks


async def test_the_next_call_of_a_client_has_the_turn_that_it_could_not_give_back(street: Street) -> None:
    street.gate.set()
    street.journal.fails.add("leave_line")
    await street.use(0, "a")
    street.journal.fails.clear()
    await street.use(0, "a")
    assert street.order == [0, 0]
    await street.live(2)
    assert not street.workers[0].tasks


async def test_closing_ends_the_wait_for_a_turn(street: Street) -> None:
    first = street.start(0, "a")
    await idle()
    waiting = [street.start(1, "a"), street.start(1, "a")]
    await idle()
    street.workers[1].pauses.end()
    ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(end) for end in ends] == [ConfigurationError] * 2
    await street.end(first)
