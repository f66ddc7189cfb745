"""The contract of journals: derive from it, give it a journal, and the tests say whether it keeps it.

    class TestMine(JournalContract):
        @pytest.fixture
        async def journal(self, clock: ManualClock) -> AsyncIterator[Journal]:
            mine = MyJournal(..., clock=clock)
            yield mine
            await mine.aclose()

The journal begins empty for every test, and measures leases by the clock it is given. One that keeps records
in a file or a database derives from `DurableJournalContract`, and says with `reopen` how it is opened again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.journals.lines import LineContract
from tests.journals.records import SCOPE, begun, done, not_done, opened, sent
from tests.journals.upkeep import UpkeepContract
from tests.journals.writes import ClaimContract, SaveContract, put
from voucher_async import ManualClock
from voucher_async.payments.call import CHECKOUT, new_id
from voucher_async.payments.journal import Journal

__all__ = ["DurableJournalContract", "JournalContract"]

LEASE = 15.0


class QuestionContract:
    """Records are found by what they have to do with others."""

    async def test_the_children_of_a_checkout_are_read_in_order(self, journal: Journal) -> None:
        parent = await put(journal, begun("k", operation=CHECKOUT))
        children = [begun(f"k/{n}", parent=parent.id) for n in range(3)]
        for child in children:
            await put(journal, child)
        await put(journal, begun("other", parent=new_id()))
        last = done(children[2], told=False)
        assert await journal.save(last)
        assert await journal.children(SCOPE, parent.id) == [*children[:2], last]

    @pytest.mark.parametrize(
        ("changes", "voucher_id", "is_alike"),
        [
            ({}, "v-1", True),
            ({"order_number": "A-2", "target": "d-2", "currency": None}, "v-1", True),
            ({"operation": "chargeReservation"}, "v-1", True),
            ({"operation": "chargeReservation", "amount": None}, "v-1", True),
            ({}, None, True),
            ({"amount": Decimal(10)}, "v-1", True),
            ({"amount": Decimal("10.01")}, "v-1", False),
            ({"amount": Decimal("10.01")}, None, False),
            ({}, "v-2", False),
            ({"operation": "refundCharge"}, "v-1", False),
            ({"operation": "rechargeVoucher"}, "v-1", False),
            ({"operation": CHECKOUT}, "v-1", False),
        ],
    )
    async def test_records_that_could_be_taken_for_one(
        self, journal: Journal, changes: dict[str, Any], voucher_id: str | None, *, is_alike: bool
    ) -> None:
        first, second = begun("k-1"), begun("k-2", **changes)
        one = await put(journal, first, sent(first))
        other = await put(journal, second, sent(second, voucher_id))
        assert await journal.alike(one) == ([other] if is_alike else [])
        assert await journal.alike(other) == ([one] if is_alike else [])

    async def test_calls_that_are_known_or_not_sent_are_taken_for_none(self, journal: Journal) -> None:
        records = [begun() for _ in range(5)]
        for record in records:
            await put(journal, record)
        waiting, first, second, third, fourth = records
        steps = [sent(first), opened(sent(second)), done(third), not_done(sent(fourth))]
        for step in steps:
            record = (
                step if step.version == 2 else sent(records[[each.id for each in records].index(step.id)])
            )
            assert await journal.save(record)
            assert record == step or await journal.save(step)
        assert await journal.alike(steps[0]) == [steps[1]]
        assert await journal.alike(steps[1]) == [steps[0]]
        assert await journal.alike(waiting) == await journal.alike(steps[2]) == []
        new = sent(begun())
        found = await journal.alike(new)  # without being stored
        assert sorted(each.id for each in found) == sorted([first.id, second.id])

    async def test_the_digest_key_stays(self, journal: Journal) -> None:
        key = await journal.digest_key()
        assert len(key) == 32
        assert await journal.digest_key() == key


class OwnerContract:
    """Owners live as long as their leases, and are buried once."""

    async def test_a_lease_runs_until_it_is_over(self, journal: Journal, clock: ManualClock) -> None:
        assert not await journal.is_alive("owner-1")
        assert await journal.beat("owner-1", LEASE)
        clock.advance(LEASE - 1)
        assert await journal.is_alive("owner-1")
        assert not await journal.bury("owner-1")
        assert await journal.beat("owner-1", LEASE)
        clock.advance(LEASE - 1)
        assert await journal.is_alive("owner-1")
        assert not await journal.is_alive("owner-2")
        clock.advance(1)
        assert not await journal.is_alive("owner-1")

    async def test_a_late_owner_goes_on_unless_it_was_buried(
        self, journal: Journal, clock: ManualClock
    ) -> None:
        await journal.beat("owner-1", LEASE)
        clock.advance(2 * LEASE)
        assert await journal.beat("owner-1", LEASE)
        assert await journal.is_alive("owner-1")
        clock.advance(2 * LEASE)
        assert await journal.bury("owner-1")
        assert not await journal.beat("owner-1", LEASE)
        assert not await journal.is_alive("owner-1")
        assert await journal.bury("owner-1")

    async def test_an_owner_that_nobody_knows_can_be_buried(self, journal: Journal) -> None:
        assert await journal.bury("owner-1")
        assert not await journal.beat("owner-1", LEASE)
        assert await journal.beat("owner-2", LEASE)

    async def test_of_a_beat_and_a_burial_at_once_one_wins(
        self, journal: Journal, clock: ManualClock
    ) -> None:
        for number in range(20):
            owner = f"owner-{number}"
            await journal.beat(owner, LEASE)
            clock.advance(LEASE)
            lives, is_buried = await asyncio.gather(journal.beat(owner, LEASE), journal.bury(owner))
            assert lives is not is_buried
            assert await journal.is_alive(owner) is lives

    async def test_what_the_dead_have_left_is_found_the_oldest_first(
        self, journal: Journal, clock: ManualClock
    ) -> None:
        for owner in ("lives", "late", "buried"):
            await journal.beat(owner, LEASE)
        clock.advance(LEASE)
        await journal.beat("lives", LEASE)
        assert await journal.bury("buried")
        owners = ("late", "lives", "buried", "unknown", "late")
        records = [begun(f"k-{number}", owner=owner) for number, owner in enumerate(owners)]
        for record in records:
            await put(journal, record)
        await journal.save(sent(records[0]))
        left = [sent(records[0]), *records[2:]]
        assert await journal.left(SCOPE) == left
        assert await journal.left(SCOPE, 2) == left[:2]
        await journal.save(opened(sent(records[0])))
        await journal.save(done(records[2]))
        await journal.save(not_done(records[3]))
        assert await journal.left(SCOPE) == [opened(sent(records[0])), records[4]]
        await journal.beat("late", LEASE)
        assert await journal.left(SCOPE) == []


class JournalContract(ClaimContract, SaveContract, QuestionContract, OwnerContract, UpkeepContract):
    """All that a journal has to do."""

    @pytest.fixture
    def clock(self) -> ManualClock:
        """The clock that the journal measures leases by."""
        return ManualClock()

    @pytest.fixture
    def journal(self, clock: ManualClock) -> Any:
        """An empty journal."""
        raise NotImplementedError


class DurableJournalContract(LineContract, JournalContract):
    """All that a journal has to do which outlives its process."""

    @pytest.fixture
    def reopen(self, clock: ManualClock) -> Callable[[], Awaitable[Journal]]:
        """A function that opens the records of `journal` once more; the test closes what it gives."""
        raise NotImplementedError

    async def test_everything_is_there_when_it_is_opened_again(
        self, journal: Journal, reopen: Callable[[], Awaitable[Journal]]
    ) -> None:
        record, free = begun("k"), begun("free")
        held = await put(journal, record, sent(record), done(sent(record), "c-1"))
        await put(journal, free, not_done(free))
        key = await journal.digest_key()
        await journal.beat("owner-1", LEASE)
        await journal.bury("owner-2")
        await journal.aclose()
        again = await reopen()
        assert await again.digest_key() == key
        assert [each async for each in again.history(SCOPE)] == [held, not_done(free)]
        assert (await again.claim(begun("k"))).record == held
        assert (await again.claim(begun("free"))).earlier == not_done(free)
        assert await again.owner_of(SCOPE, "c-1") == record.id
        assert await again.is_alive("owner-1")
        assert not await again.beat("owner-2", LEASE)
        await again.aclose()

    async def test_two_that_are_open_see_the_same(
        self, journal: Journal, reopen: Callable[[], Awaitable[Journal]]
    ) -> None:
        other = await reopen()
        assert await other.digest_key() == await journal.digest_key()
        record = await put(journal, begun("k"))
        assert not (await other.claim(begun("k"))).won
        assert await other.save(sent(record))
        assert not await journal.save(opened(record))
        assert await journal.get(SCOPE, record.id) == sent(record)
        await other.aclose()
        assert await journal.find(SCOPE, "k") == sent(record)
