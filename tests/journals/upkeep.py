"""The part of the journals' contract about reading, telling, erasing and dropping what has ended."""

from __future__ import annotations

import datetime as dt
import re

import attrs
import pytest

from tests.journals.records import NOW, SCOPE, begun, charge_of, done, everything, not_done, opened, sent
from voucher_async import ManualClock, Proof
from voucher_async.models import ChargeType
from voucher_async.outcomes import PendingOutcome
from voucher_async.payments.call import CHECKOUT, CallRecord, Failure
from voucher_async.payments.histories import records_of
from voucher_async.payments.journal import Journal

__all__ = ["UpkeepContract"]

DAY = dt.timedelta(days=1)
LONG_AGO = NOW - 500 * DAY
SECRET_ORDER = "Jane Doe 4711"


async def listed(journal: Journal, **which: str | bool) -> list[CallRecord]:
    """The records of a history."""
    return [record async for record in journal.history(SCOPE, **which)]  # type: ignore[arg-type]


async def by_end(journal: Journal, *, ended: bool, order: str | None = None) -> list[str]:
    """The ids of the records that have ended, or of those that have not."""
    read = records_of(journal, SCOPE, order_number=order, key=None, told=None, ended=ended)
    return [record.id async for record in read]


async def kept(journal: Journal, *records: CallRecord) -> None:
    """Claim records as they are."""
    for record in records:
        assert (await journal.claim(attrs.evolve(record, version=1))).won


def old(record: CallRecord, days: int) -> CallRecord:
    return attrs.evolve(record, version=1, changed_at=NOW - days * DAY)


class UpkeepContract:
    """What has ended is read, acknowledged, erased, shrunk and dropped."""

    async def test_the_history_is_read_in_order(self, journal: Journal) -> None:
        records = [begun(f"k-{n}", order_number=f"A-{n % 2}", at=NOW - n * DAY) for n in range(6)]
        await kept(journal, *records)
        assert await journal.save(done(records[1]))
        assert await journal.save(done(records[2], told=False))
        assert await journal.save(not_done(records[3]))
        ends = [records[0], done(records[1]), done(records[2], told=False), not_done(records[3])]
        ends += records[4:]
        for record, end in zip(await listed(journal), ends, strict=True):
            assert (record.id, record.state, record.told) == (end.id, end.state, end.told)
        orders = [record.id for record in await listed(journal, order_number="A-1")]
        assert orders == [records[1].id, records[3].id, records[5].id]
        assert [record.id for record in await listed(journal, key="k-4")] == [records[4].id]
        assert [record.id for record in await listed(journal, told=True)] == [records[1].id]
        assert [record.id for record in await listed(journal, told=False)] == [records[2].id]
        assert await listed(journal, order_number="A-1", told=False) == []
        assert await listed(journal, order_number="") == await listed(journal, key="") == []

    async def test_what_has_not_ended_is_read_in_order(self, journal: Journal) -> None:
        records = [begun(f"k-{n}", order_number=f"A-{n % 2}") for n in range(140)]
        await kept(journal, *records, begun(scope="another scope"))
        assert await journal.save(sent(records[0]))
        for record in records[2::3]:
            assert await journal.save(done(record) if record.id < "8" else not_done(record))
        gone = {record.id for record in records[2::3]}
        left = [record.id for record in records if record.id not in gone]
        assert await by_end(journal, ended=False) == left
        assert await by_end(journal, ended=True) == [each.id for each in records[2::3]]
        odd = [record.id for record in records[1::2]]
        assert await by_end(journal, ended=False, order="A-1") == [each for each in odd if each not in gone]
        assert await by_end(journal, ended=True, order="A-1") == [each for each in odd if each in gone]

    async def test_a_key_has_the_calls_that_were_not_carried_out_in_its_history(
        self, journal: Journal
    ) -> None:
        records = [begun("k") for _ in range(3)]
        for record in records:
            assert (await journal.claim(record)).won
            assert await journal.save(not_done(record))
        assert [each.id for each in await listed(journal, key="k")] == [each.id for each in records]

    async def test_a_refund_is_in_the_history_of_the_order_it_belongs_to(self, journal: Journal) -> None:
        first, second = begun(order_number=None), begun(order_number=None)
        found = sent(first, pending=PendingOutcome(operation="refundCharge", order_number="A-1"))
        made = done(second, charge=charge_of(second, order_number="A-1", type=ChargeType.REFUND))
        await kept(journal, found, made, begun(order_number=None))
        assert [each.id for each in await listed(journal, order_number="A-1")] == [first.id, second.id]

    async def test_a_long_history_stays_whole_while_others_write(self, journal: Journal) -> None:
        records = [begun(f"k-{number}") for number in range(130)]
        await kept(journal, *records)
        seen: list[CallRecord] = []
        async for record in journal.history(SCOPE):
            if len(seen) in range(0, len(records), 10):
                await kept(journal, begun())
                assert await journal.save(done(records[len(seen)]))
            seen.append(record)
        ids = [record.id for record in seen]
        assert ids[: len(records)] == [record.id for record in records]
        assert len(set(ids)) == len(ids)

    async def test_a_history_that_is_left_early_holds_nothing_up(self, journal: Journal) -> None:
        await kept(journal, *(begun() for _ in range(130)))
        reading = journal.history(SCOPE)
        await anext(reading)
        assert (await journal.claim(begun("k"))).won
        await reading.aclose()  # type: ignore[attr-defined]
        assert (await journal.claim(begun())).won

    async def test_an_end_is_acknowledged_once(self, journal: Journal) -> None:
        record = begun("k")
        await kept(journal, record)
        assert not await journal.acknowledge(SCOPE, record.id)  # the call has not ended
        assert not await journal.acknowledge(SCOPE, "unknown")
        ended = done(record, "c-1", told=False)
        assert await journal.save(ended)
        assert await journal.acknowledge(SCOPE, record.id)
        told = await journal.get(SCOPE, record.id)
        assert told == attrs.evolve(ended, told=True, version=ended.version + 1)
        assert await journal.acknowledge(SCOPE, record.id)
        assert await journal.get(SCOPE, record.id) == told
        assert not await journal.save(done(ended, "c-2"))  # refused: changed since this version was read
        assert await journal.owner_of(SCOPE, "c-1") == record.id
        assert await listed(journal, told=False) == []

    async def test_an_erased_order_is_named_nowhere(self, journal: Journal) -> None:
        key = f"{SECRET_ORDER}/Smith"
        first = begun(key, order_number=SECRET_ORDER)
        ended = done(sent(first), "c-8", why=f"found for {key}", refunds=(charge_of(first, "c-2"),))
        full = everything(SECRET_ORDER)
        failure = Failure(kind="Conflict", message=f"no, {SECRET_ORDER}")
        full = attrs.evolve(full, parameters=first.parameters, failure=failure)
        other = done(begun("other"))
        await kept(journal, ended, full, other)
        assert await journal.erase(SECRET_ORDER) == 2
        for record in (first, full):
            stored = await journal.get(SCOPE, record.id)
            assert stored is not None
            assert not {"Doe", "Smith"} & set(re.findall(r"\w+", repr(stored)))
        erased = await journal.get(SCOPE, first.id)
        assert erased is not None
        assert (erased.version, erased.state, erased.told) == (2, ended.state, True)
        assert erased.charge is not None
        assert erased.charge.id == "c-8"
        assert await journal.owner_of(SCOPE, "c-8") == first.id
        assert (await listed(journal))[2] == attrs.evolve(other, version=1)
        assert await journal.erase(SECRET_ORDER) == 0

    async def test_an_erased_key_stays_used(self, journal: Journal) -> None:
        record = done(begun("k", order_number=SECRET_ORDER), "c-1")
        await kept(journal, record)
        assert await journal.erase(SECRET_ORDER) == 1
        again = begun("k", order_number=SECRET_ORDER)
        claim = await journal.claim(again)
        assert not claim.won
        assert claim.record == attrs.evolve(record, version=2)
        assert claim.record.parameters.differences(again.parameters) == ()
        other = (await journal.claim(begun("k", order_number="A-2"))).record
        assert other.key == "k"
        assert other.parameters.differences(again.parameters) == ("order_number",)
        found = await journal.find(SCOPE, "k")
        assert found == other
        assert await journal.find(SCOPE, str((await listed(journal))[0].key)) == (await listed(journal))[0]
        (stored,) = await listed(journal)
        assert await listed(journal, key="k") == [attrs.evolve(stored, key="k")]
        (shown,) = await listed(journal, order_number=SECRET_ORDER)
        assert (shown.order_number, shown.key) == (SECRET_ORDER, stored.key)
        assert await listed(journal, key="k", order_number=SECRET_ORDER) == [attrs.evolve(record, version=2)]

    async def test_a_claim_asked_again_after_its_record_was_erased_is_shown_its_own_words(
        self, journal: Journal
    ) -> None:
        record = begun("k", order_number=SECRET_ORDER)
        assert (await journal.claim(record)).won
        ended = done(record, "c-1")
        assert await journal.save(ended)
        assert await journal.erase(SECRET_ORDER) == 1
        again = await journal.claim(record)
        assert (again.won, again.record) == (False, attrs.evolve(ended, version=ended.version + 1))

    async def test_an_erased_key_that_was_free_goes_to_one_call(self, journal: Journal) -> None:
        record = not_done(sent(begun("k", order_number=SECRET_ORDER)))
        await kept(journal, record)
        assert await journal.erase(SECRET_ORDER) == 1
        second = begun("k", order_number=SECRET_ORDER)
        claim = await journal.claim(second)
        assert (claim.won, claim.record) == (True, second)
        assert claim.earlier == attrs.evolve(record, version=2)
        assert await journal.claim(second) == claim
        assert not (await journal.claim(begun("k"))).won
        assert await journal.save(done(second))
        assert await journal.erase(SECRET_ORDER) == 1
        assert (await journal.claim(begun("k"))).record.id == second.id

    async def test_a_call_without_a_key_is_erased_too(self, journal: Journal) -> None:
        record = done(begun(order_number=SECRET_ORDER))
        await kept(journal, record)
        assert await journal.erase(SECRET_ORDER) == 1
        stored = await journal.get(SCOPE, record.id)
        assert stored is not None
        assert stored.key is None
        assert stored.order_number != SECRET_ORDER

    async def test_what_is_open_keeps_the_order_that_it_is_found_by(self, journal: Journal) -> None:
        first, second = begun("k-1", order_number=SECRET_ORDER), begun("k-2", order_number=SECRET_ORDER)
        await kept(journal, opened(sent(first)), second)
        assert await journal.erase(SECRET_ORDER) == 0
        found = await journal.find(SCOPE, "k-2")
        assert found == second
        assert await journal.save(done(second))
        assert await journal.erase(SECRET_ORDER) == 1

    async def test_a_shrunk_record_is_replayed(self, journal: Journal) -> None:
        full = attrs.evolve(old(everything("k"), 31), state=done(begun()).state)
        young, live = old(done(begun("young")), 29), old(opened(sent(begun("live"))), 31)
        await kept(journal, full, young, live)
        assert await journal.purge(NOW - 30 * DAY, LONG_AGO) == 1
        shrunk = (await journal.claim(begun("k"))).record
        assert shrunk == full.shrunk()
        assert (shrunk.id, shrunk.key, shrunk.parameters) == (full.id, "k", full.parameters)
        assert (shrunk.charge, shrunk.refunds, shrunk.plan) == (full.charge, full.refunds, full.plan)
        assert (shrunk.pending, shrunk.failure, shrunk.transitions) == (None, None, ())
        assert await journal.owner_of(SCOPE, "c-1") == full.id
        assert await listed(journal) == [shrunk, young, live]
        assert await journal.purge(NOW - 30 * DAY, LONG_AGO) == 0
        assert not await journal.save(done(full))
        assert await journal.save(done(shrunk, "c-1", at=NOW - 31 * DAY))
        assert await journal.purge(NOW - 30 * DAY, LONG_AGO) == 1

    async def test_a_shrunk_refusal_can_still_be_looked_for(self, journal: Journal) -> None:
        full = old(attrs.evolve(not_done(sent(begun("k"))), proof=Proof.REFUSED), 31)
        await kept(journal, full)
        await journal.purge(NOW - 30 * DAY, LONG_AGO)
        (shrunk,) = await listed(journal)
        assert shrunk.is_shrunk
        assert (shrunk.sent_at, shrunk.pending, shrunk.voucher_id) == (
            full.sent_at,
            full.pending,
            full.voucher_id,
        )
        assert (shrunk.proof, shrunk.failure) == (Proof.REFUSED, None)

    async def test_a_shrunk_child_is_still_found(self, journal: Journal) -> None:
        parent = old(done(begun("k", operation=CHECKOUT), charge=None), 31)
        child = attrs.evolve(old(done(begun("k/1")), 31), parent=parent.id)
        await kept(journal, parent, child)
        assert await journal.purge(NOW, LONG_AGO) == 2
        assert await journal.children(SCOPE, parent.id) == [child.shrunk()]
        assert child.shrunk().parent == parent.id

    async def test_what_is_too_old_and_no_part_of_a_live_call_is_dropped_with_its_key(
        self, journal: Journal
    ) -> None:
        first, second = old(done(begun("k"), "c-1"), 401), old(done(begun("young")), 399)
        live, child = old(sent(begun("live")), 500), old(not_done(begun("child")), 500)
        child = attrs.evolve(child, parent=live.id)
        await kept(journal, first, second, live, child)
        assert await journal.purge(LONG_AGO, NOW - 400 * DAY) == 1
        assert await listed(journal) == [second, live, child]
        assert await journal.get(SCOPE, first.id) is await journal.find(SCOPE, "k") is None
        assert await journal.owner_of(SCOPE, "c-1") is None
        assert await journal.children(SCOPE, live.id) == [child]
        assert await journal.save(done(live, at=NOW - 500 * DAY))
        assert await journal.purge(LONG_AGO, NOW - 400 * DAY) == 2
        assert await listed(journal) == [second]
        assert await journal.children(SCOPE, live.id) == []
        assert not await journal.save(done(first))
        assert not await journal.acknowledge(SCOPE, first.id)
        claim = await journal.claim(done(begun("k"), "c-1"))
        assert (claim.won, claim.earlier) == (True, None)

    async def test_an_erased_record_that_is_dropped_frees_its_key(self, journal: Journal) -> None:
        await kept(journal, old(done(begun("k", order_number=SECRET_ORDER)), 401))
        assert await journal.erase(SECRET_ORDER) == 1
        assert await journal.purge(LONG_AGO, NOW - 400 * DAY) == 1
        assert (await journal.claim(begun("k"))).won

    async def test_a_record_that_has_lost_its_key_is_dropped_without_it(self, journal: Journal) -> None:
        first, second = old(not_done(begun("k")), 401), begun("k")
        await kept(journal, first, second)
        assert await journal.purge(LONG_AGO, NOW - 400 * DAY) == 1
        assert await journal.find(SCOPE, "k") == second
        assert not (await journal.claim(begun("k"))).won

    @pytest.mark.parametrize("is_erased_first", [True, False])
    async def test_a_key_that_was_lost_does_not_come_back(
        self, journal: Journal, *, is_erased_first: bool
    ) -> None:
        first = not_done(begun("k", order_number=SECRET_ORDER))
        second = old(done(begun("k", order_number="A-2")), 401)
        await kept(journal, first)
        if is_erased_first:
            assert await journal.erase(SECRET_ORDER) == 1
        await kept(journal, second)
        if not is_erased_first:
            assert await journal.erase(SECRET_ORDER) == 1
        assert (await journal.find(SCOPE, "k")) == second
        assert await journal.purge(LONG_AGO, NOW - 400 * DAY) == 1
        assert await journal.find(SCOPE, "k") is None
        assert (await journal.claim(begun("k"))).earlier is None

    async def test_owners_that_died_long_ago_are_forgotten_once_they_own_nothing(
        self, journal: Journal, clock: ManualClock
    ) -> None:
        for owner in ("buried", "needed", "late", "alive"):
            await journal.beat(owner, 15.0)
        record = begun(owner="needed")
        await kept(journal, record)
        clock.advance(60)
        for owner in ("buried", "needed"):
            assert await journal.bury(owner)
        clock.advance(86_000)
        assert await journal.beat("alive", 1000.0)
        await journal.purge(LONG_AGO, LONG_AGO)
        assert not await journal.beat("buried", 15.0)
        clock.advance(900)
        await journal.purge(LONG_AGO, LONG_AGO)
        assert await journal.beat("buried", 15.0)
        assert not await journal.beat("needed", 15.0)
        assert await journal.is_alive("alive")
        assert await journal.save(done(record))
        await journal.purge(LONG_AGO, LONG_AGO)
        assert await journal.beat("needed", 15.0)

    async def test_it_can_be_closed_twice(self, journal: Journal) -> None:
        await kept(journal, begun("k"))
        await journal.aclose()
        await journal.aclose()

    @pytest.mark.parametrize("text", ["quo'te", 'dou"ble', "back\\slash", "\u2603 \U0001f600", "x" * 255])
    async def test_texts_are_kept_as_they_are(self, journal: Journal, text: str) -> None:
        record = done(begun(text, order_number=text, target=text), text)
        await kept(journal, record)
        found = await journal.find(SCOPE, text)
        assert found == attrs.evolve(record, version=1)
        assert await journal.owner_of(SCOPE, text) == record.id
        assert await listed(journal, order_number=text, key=text) == [found]
