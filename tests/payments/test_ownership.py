"""Owning records: what is written durably, and which of its own records an owner takes for driven."""

from __future__ import annotations

import attrs

from voucher_async import ManualClock, MemoryJournal
from voucher_async.payments.call import CallRecord, CallState, Parameters
from voucher_async.payments.ownership import Ownership


class Noting(MemoryJournal):
    """A journal that notes which writes are to be on disk."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.durable_writes: list[CallState] = []

    async def save(self, record: CallRecord, *, durable: bool = False) -> bool:
        if durable:
            self.durable_writes.append(record.state)
        return await super().save(record)


def owner_of(journal: MemoryJournal, clock: ManualClock) -> Ownership:
    return Ownership(journal, "shop", clock)


async def claimed(ownership: Ownership) -> CallRecord:
    record = ownership.new_record(Parameters(operation="refundCharge", target="c-1"), "K-1")
    assert (await ownership.claim(record)).won
    ownership.heartbeat.stop()
    return record


async def test_a_take_over_is_durable() -> None:
    """A database that forgot it after a crash would let the former owner write what it sends."""
    clock = ManualClock()
    journal = Noting(clock)
    record = await claimed(owner_of(journal, clock))
    clock.advance(60)
    taken = await owner_of(journal, clock).take_from_dead(record, CallState.BEGUN)
    assert taken is not None
    assert journal.durable_writes == [CallState.BEGUN]


async def test_a_record_of_its_own_that_nobody_drives_is_not_alive() -> None:
    """The end of a call was lost with the database's latest writes: its key must not wait for ever."""
    clock = ManualClock()
    journal = MemoryJournal(clock)
    ownership = owner_of(journal, clock)
    record = await claimed(ownership)
    assert await ownership.is_alive(record)
    done = record.step(CallState.DONE, at=clock.now(), by=ownership.owner)
    assert await ownership.save(done)
    assert not await ownership.is_alive(record)
    assert not await ownership.is_alive(attrs.evolve(record, id="never claimed"))
