"""Owning records: what is written durably, and which of its own records an owner takes for driven."""

from __future__ import annotations

import asyncio
from typing import cast

import attrs

from tests.journals.around import Around
from voucher_async import Journal, ManualClock, MemoryJournal, PendingOutcome
from voucher_async.payments.call import CallRecord, CallState, Parameters
from voucher_async.payments.ownership import Ownership
from voucher_async.payments.recording import Recorder


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


class Slow(Around):
    """A journal whose every call lets others go on meanwhile, as a database's does."""

    async def begin(self) -> int:
        await asyncio.sleep(0)
        return 0

    async def end(self, number: int) -> None:
        del number


async def test_many_calls_of_a_client_that_was_declared_dead_have_one_owner_who_lives() -> None:
    """It stood still: of calls with other owners others would take the records, while they are driven."""
    clock = ManualClock()
    journal = MemoryJournal(clock)
    ownership = Ownership(cast("Journal", Slow(journal)), "shop", clock)
    await ownership.renew()
    clock.advance(60)
    assert await journal.bury(ownership.owner)
    asked = [Parameters(operation="redeem", target=f"v-{number}") for number in range(3)]
    records = [ownership.new_record(each, each.target) for each in asked]
    claims = await asyncio.gather(*map(ownership.claim, records))
    ownership.heartbeat.stop()
    assert {claim.record.owner for claim in claims} == {ownership.owner}
    other = owner_of(journal, clock)
    assert [await other.is_alive(claim.record) for claim in claims] == [True] * 3
    assert [await journal.get("shop", record.id) for record in records] == [each.record for each in claims]


class Stalled(MemoryJournal):
    """A journal that answers a renewal so late that its owner was declared dead meanwhile."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.clock, self.has_stalled = clock, False

    async def beat(self, owner: str, lease: float) -> bool:
        renewed = await super().beat(owner, lease)
        if not self.has_stalled:
            self.has_stalled = True
            self.clock.advance(60)
            assert await self.bury(owner)
        return renewed


async def test_a_call_whose_client_is_declared_dead_as_its_first_write_is_made_knows_its_owner() -> None:
    clock = ManualClock()
    journal = Stalled(clock)
    ownership = owner_of(journal, clock)
    record = ownership.new_record(Parameters(operation="refundCharge", target="c-1"), None)
    recorder = Recorder(ownership, record, is_stored=False)
    await recorder.sent(PendingOutcome(id=record.id, operation="refundCharge"))
    ownership.heartbeat.stop()
    assert recorder.record == await journal.get("shop", record.id)
    assert await owner_of(journal, clock).is_alive(recorder.record)


async def test_a_call_whose_client_is_declared_dead_before_its_first_write_goes_on_as_a_living_one() -> None:
    clock = ManualClock()
    journal = MemoryJournal(clock)
    ownership = owner_of(journal, clock)
    await ownership.renew()
    record = ownership.new_record(Parameters(operation="refundCharge", target="c-1"), None)
    recorder = Recorder(ownership, record, is_stored=False)
    clock.advance(60)
    assert await journal.bury(record.owner)
    await recorder.sent(PendingOutcome(id=record.id, operation="refundCharge"))
    ownership.heartbeat.stop()
    assert recorder.record.owner == ownership.owner != record.owner
    assert await owner_of(journal, clock).is_alive(recorder.record)
