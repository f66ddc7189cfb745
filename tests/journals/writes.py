"""The part of the journals' contract about claiming and saving records."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import attrs
import pytest

from tests.journals.records import NOW, SCOPE, begun, charge_of, done, everything, not_done, opened, sent
from voucher_async.payments.call import CHECKOUT, CallRecord
from voucher_async.payments.journal import Journal

__all__ = ["ClaimContract", "SaveContract", "put"]

OTHER = "https://vouchers.example/v1 client-2"


async def put(journal: Journal, *steps: CallRecord) -> CallRecord:
    """Claim a record, and save what becomes of it; the last one."""
    claim = await journal.claim(steps[0])
    assert claim.won
    for step in steps[1:]:
        assert await journal.save(step)
    return steps[-1]


class ClaimContract:
    """One record gets a key."""

    async def test_a_new_key_is_won(self, journal: Journal) -> None:
        record = begun("k")
        claim = await journal.claim(record)
        assert (claim.won, claim.record, claim.earlier) == (True, record, None)
        assert await journal.find(SCOPE, "k") == await journal.get(SCOPE, record.id) == record

    async def test_what_was_never_claimed_is_not_there(self, journal: Journal) -> None:
        assert await journal.find(SCOPE, "k") is None
        assert await journal.get(SCOPE, "id") is None
        assert await journal.children(SCOPE, "id") == []
        assert await journal.owner_of(SCOPE, "c-1") is None

    @pytest.mark.parametrize("state", ["begun", "sent", "open", "done"])
    async def test_a_key_in_use_is_not_given_away(self, journal: Journal, state: str) -> None:
        first = begun("k")
        steps = {"begun": [], "sent": [sent(first)], "open": [sent(first), opened(sent(first))]}
        held = await put(journal, first, *steps.get(state, [done(first)]))
        second = begun("k", amount=Decimal("5.00"))
        claim = await journal.claim(second)
        assert (claim.won, claim.record, claim.earlier) == (False, held, None)
        assert await journal.get(SCOPE, second.id) is None
        assert await journal.find(SCOPE, "k") == held

    async def test_a_call_that_was_not_carried_out_leaves_its_key(self, journal: Journal) -> None:
        first, second = begun("k"), begun("k", amount=Decimal("5.00"))
        earlier = await put(journal, first, sent(first), not_done(sent(first)))
        assert await journal.find(SCOPE, "k") == earlier
        claim = await journal.claim(second)
        assert (claim.won, claim.record, claim.earlier) == (True, second, earlier)
        assert await journal.find(SCOPE, "k") == second
        assert await journal.get(SCOPE, first.id) == earlier

    async def test_who_lost_a_key_does_not_get_it_back(self, journal: Journal) -> None:
        first, second = begun("k"), begun("k")
        earlier = await put(journal, first, not_done(first))
        await put(journal, second)
        assert await journal.save(done(earlier))  # stored, although the key is another record's
        assert await journal.find(SCOPE, "k") == second
        assert not (await journal.claim(begun("k"))).won

    async def test_calls_without_a_key_are_always_stored(self, journal: Journal) -> None:
        records = [begun(), begun(), sent(begun())]
        for record in records:
            assert (await journal.claim(record, durable=True)).won
        assert [each async for each in journal.history(SCOPE)] == records

    async def test_keys_are_compared_byte_for_byte(self, journal: Journal) -> None:
        keys = [
            "a",
            "A",
            "a ",
            " a",
            "\u00e4",
            "a\u0308",
            "%",
            "_",
            "a_b",
            "a%b",
            "axb",
            "0",
            "00",
            "\U0001f600",
        ]
        for key in keys:
            assert (await journal.claim(begun(key))).won, key
        for key in keys:
            assert not (await journal.claim(begun(key))).won, key

    async def test_scopes_do_not_meet(self, journal: Journal) -> None:
        parent, child = begun("k", operation=CHECKOUT), begun("child")
        child = attrs.evolve(child, parent=parent.id)
        await put(journal, parent)
        await put(journal, child, sent(child))
        ended = begun("ended")
        await put(journal, ended, done(ended, "c-1"))
        other = begun("k", scope=OTHER)
        assert (await journal.claim(other)).won
        assert await journal.find(OTHER, "k") == other
        assert await journal.get(OTHER, parent.id) is None
        assert await journal.children(OTHER, parent.id) == []
        assert await journal.owner_of(OTHER, "c-1") is None
        assert await journal.alike(sent(other)) == []
        assert await journal.left(OTHER) == [other]
        assert [each async for each in journal.history(OTHER)] == [other]
        assert not await journal.acknowledge(OTHER, ended.id)
        assert await journal.save(done(other, "c-1"))
        assert not await journal.save(attrs.evolve(sent(parent), scope=OTHER))

    async def test_of_many_claims_at_once_one_wins(self, journal: Journal) -> None:
        records = [begun("k") for _ in range(20)]
        claims = await asyncio.gather(*map(journal.claim, records))
        assert [claim.won for claim in claims].count(True) == 1
        assert {claim.record.id for claim in claims} == {each.record.id for each in claims if each.won}

    async def test_a_claim_whose_answer_was_lost_is_won_again(self, journal: Journal) -> None:
        first, second = begun("k"), begun("k")
        await put(journal, first, not_done(first))
        assert await journal.claim(second) == await journal.claim(second)
        assert (await journal.claim(second)).won
        await journal.save(sent(second))
        late = await journal.claim(second)
        assert (late.won, late.record) == (False, sent(second))

    async def test_a_charge_of_another_record_is_not_claimed(self, journal: Journal) -> None:
        first = begun("k")
        held = await put(journal, first, done(first, "c-1"))
        second = done(begun(), "c-1")
        claim = await journal.claim(second)
        assert (claim.won, claim.record) == (False, held)
        assert await journal.get(SCOPE, second.id) is None


class SaveContract:
    """Records change by compare-and-swap."""

    async def test_everything_that_is_saved_is_read_back(self, journal: Journal) -> None:
        record = everything()
        before = attrs.evolve(record, version=record.version - 1, state=begun().state, charge=None)
        await put(journal, before)
        assert await journal.save(record, durable=True)
        assert await journal.get(SCOPE, record.id) == record
        assert await journal.find(SCOPE, "everything") == record

    async def test_only_the_successor_is_taken(self, journal: Journal) -> None:
        record = begun("k")
        await put(journal, record, sent(record))
        for version in (0, 1, 2, 4):
            assert not await journal.save(attrs.evolve(opened(sent(record)), version=version))
        assert await journal.get(SCOPE, record.id) == sent(record)
        assert await journal.save(opened(sent(record)))

    async def test_what_was_never_claimed_cannot_be_saved(self, journal: Journal) -> None:
        assert not await journal.save(sent(begun("k")))
        assert await journal.find(SCOPE, "k") is None

    async def test_of_many_successors_at_once_one_is_taken(self, journal: Journal) -> None:
        record = begun("k")
        await put(journal, record)
        successors = [sent(record, voucher_id=f"v-{number}") for number in range(20)]
        taken = await asyncio.gather(*map(journal.save, successors))
        assert taken.count(True) == 1
        assert await journal.get(SCOPE, record.id) == successors[taken.index(True)]

    async def test_who_was_replaced_finds_out(self, journal: Journal) -> None:
        record = begun("k")
        await put(journal, record)
        taken_over = record.step(record.state, at=NOW, by="owner-2", owner="owner-2")
        assert await journal.save(taken_over)
        assert not await journal.save(sent(record))
        assert await journal.find(SCOPE, "k") == taken_over

    async def test_a_charge_belongs_to_one_record(self, journal: Journal) -> None:
        first, second = begun("k-1"), begun("k-2")
        await put(journal, first, sent(first), done(sent(first), "c-1"))
        assert await journal.owner_of(SCOPE, "c-1") == first.id
        await put(journal, second, sent(second))
        assert not await journal.save(done(sent(second), "c-1"))
        assert await journal.get(SCOPE, second.id) == sent(second)
        assert await journal.save(done(sent(second), "c-2"))
        assert await journal.owner_of(SCOPE, "c-2") == second.id

    async def test_one_charge_is_given_to_one_of_many_at_once(self, journal: Journal) -> None:
        records = [begun() for _ in range(10)]
        for record in records:
            await put(journal, record)
        taken = await asyncio.gather(*(journal.save(done(record, "c-1")) for record in records))
        assert taken.count(True) == 1
        assert await journal.owner_of(SCOPE, "c-1") == records[taken.index(True)].id

    async def test_a_charge_that_a_record_has_no_more_is_free(self, journal: Journal) -> None:
        first, second = begun("k-1"), begun("k-2")
        held = await put(journal, first, done(first, "c-1"))
        assert await journal.save(done(held, "c-2"))
        assert await journal.owner_of(SCOPE, "c-1") is None
        await put(journal, second, done(second, "c-1"))
        assert await journal.owner_of(SCOPE, "c-1") == second.id

    async def test_a_record_that_keeps_its_charge_can_be_saved(self, journal: Journal) -> None:
        record = begun("k")
        held = await put(journal, record, done(record, "c-1"))
        refunded = done(held, "c-1", refunds=(charge_of(record, "c-2"),))
        assert await journal.save(refunded)
        assert await journal.owner_of(SCOPE, "c-1") == record.id
        assert await journal.owner_of(SCOPE, "c-2") is None
