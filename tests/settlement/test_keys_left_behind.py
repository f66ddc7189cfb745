"""What an owner has left behind, dead or paused, and the word that somebody else gives about it."""

from __future__ import annotations

import asyncio
from typing import Any

import attrs
import pytest

from tests.settlement.adversary import Lot
from tests.settlement.test_keys_taken_over import LEASE, Death, heir
from tests.settlement.town import CHARGE, WINDOW, Client, Town, all_of, said
from tests.virtual import virtually
from voucher_async.errors import Proof
from voucher_async.models import Charge
from voucher_async.outcomes import OutcomeUnknown, PendingOutcome, Settlement, SettlementState, StillRunning
from voucher_async.payments.call import CallState

DONE, NOT_DONE = SettlementState.DONE, SettlementState.NOT_DONE


async def settle(client: Client, pending: PendingOutcome, seconds: float = 28.0) -> Settlement:
    return await client.core.supervisor.settle(pending, client.wire.deadline(seconds))


async def paused(town: Town, *money: Lot) -> tuple[Client, asyncio.Task[Charge]]:
    """An owner that stands still as it is about to send once more, its lease over."""
    first = town.client()
    town.script(*money)
    task = first.begin("redeem", timeout=300.0)
    await asyncio.sleep(0.1)
    first.journal.pauses_at("save")
    await asyncio.sleep(1.0)
    first.core.joining.ownership.heartbeat.stop()
    await asyncio.sleep(LEASE)
    town.script()
    return first, task


@pytest.mark.parametrize("how", ["refused 403", "refused 409", "refused 429"])
@virtually
async def test_a_refused_reservation_is_no_proof_that_a_dead_owner_has_charged_nothing(how: str) -> None:
    town = await Town.build()
    second = await heir(town, "redeem", Death(money=Lot("late", late=LEASE + 6.0)))
    town.script(rest=(Lot(how),))
    told = await said(second.redeem(timeout=4.0))
    assert isinstance(told, OutcomeUnknown), told
    assert told.proof is None
    await asyncio.sleep(60.0)
    (made,) = town.made("redeem")
    assert (await second.redeem()).id == made


@virtually
async def test_without_a_fence_the_window_counts_from_the_take_over() -> None:
    town = await Town.build()
    second = await heir(town, "redeem", Death(money=Lot("hung")))
    town.script(rest=(Lot("refused 409"),))
    began = town.clock.monotonic()
    told = await said(second.redeem(timeout=60.0))
    assert getattr(told, "proof", None) is Proof.NOT_SENT, told  # its own reservation was refused
    assert town.clock.monotonic() - began >= WINDOW + 2.0
    assert town.made("redeem") == []


@pytest.mark.parametrize("made", [False, True])
@virtually
async def test_settling_a_dead_owners_call_writes_its_record(*, made: bool) -> None:
    town = await Town.build()
    death = Death(money=Lot("hung answer" if made else "hung"))
    second, third = await heir(town, "redeem", death), town.client()
    before = await second.record()
    told = await settle(second, before.view)
    assert told.state is (DONE if made else NOT_DONE)
    record = await second.record()
    assert record.state is (CallState.DONE if made else CallState.NOT_DONE)
    assert (record.charge, record.proof) == (told.charge, told.proof)
    assert (await settle(third, before.view)).state is told.state
    charge = await third.redeem()
    assert town.made("redeem") == [charge.id]


@virtually
async def test_a_paused_owner_does_not_overtake_the_word_of_who_settles() -> None:
    town = await Town.build()
    first, one = await paused(town, Lot("lost"))
    second, before = town.client(), await first.record()
    told = await settle(second, before.view)
    assert told.state is NOT_DONE
    first.journal.goes_on()
    assert getattr(await said(one), "proof", None) is Proof.ABSENT
    assert first.wire.sent.count(CHARGE) == 1
    assert town.made("redeem") == []


@virtually
async def test_who_settles_while_another_takes_over_says_nothing_false() -> None:
    """The record of a dead owner stays free for who has the key, and can go on behind a fence at once."""
    town = await Town.build()
    second, third = await heir(town, "redeem", Death(money=Lot("hung"))), town.client()
    before = await second.record()
    settling = asyncio.create_task(said(settle(second, before.view)))
    await asyncio.sleep(1.0)
    charge = await third.redeem(timeout=28.0)
    told = await settling
    assert town.made("redeem") == [charge.id]
    if isinstance(told, Settlement):
        assert (told.state, told.charge and told.charge.id) == (DONE, charge.id)
    else:
        assert isinstance(told, OutcomeUnknown)
    assert (await settle(second, before.view)).charge is not None


@virtually
async def test_a_journal_that_cannot_be_read_leaves_the_outcome_open() -> None:
    town = await Town.build()
    first, one = await paused(town, Lot("lost"))
    second, before = town.client(), await first.record()
    second.journal.fails = lambda _number, _name: "before"
    told = await said(settle(second, before.view))
    assert isinstance(told, OutcomeUnknown)
    assert "the journal cannot be read" in str(told)
    first.journal.goes_on()
    assert isinstance(await said(one), Charge | OutcomeUnknown)


@pytest.mark.parametrize("fails", [False, True])
@virtually
async def test_not_done_is_nobodys_word_before_it_is_written(*, fails: bool) -> None:
    """Its record is taken over while its owner writes that nothing was done; who took over pays."""
    town = await Town.build()
    first, second = town.client(), town.client()
    town.script(*(Lot("lost") for _ in range(9)))
    one = first.begin("redeem", timeout=300.0)
    await asyncio.sleep(9.0)
    before = await second.record()
    first.journal.pauses_at("save")
    await asyncio.sleep(4.0)
    first.core.joining.ownership.heartbeat.stop()
    await asyncio.sleep(LEASE)
    town.script()
    settling = asyncio.create_task(said(settle(first, before.view, seconds=60.0)))
    await asyncio.sleep(1.0)
    charge = await second.redeem(timeout=28.0)
    if fails:
        first.journal.fails = lambda _number, _name: "before"
    first.journal.goes_on()
    told = await all_of(one, settling)
    assert town.made("redeem") == [charge.id]
    assert isinstance(told[0], StillRunning)
    assert not (isinstance(told[1], Settlement) and told[1].state is NOT_DONE), told[1]


@virtually
async def test_what_a_take_over_finds_belongs_to_the_payment() -> None:
    town = await Town.build()
    second = await heir(town, "redeem", Death(money=Lot("hung answer")))
    charge = await second.redeem()
    assert second.core.settler.registry.is_taken(charge.id, "another")
    assert CHARGE not in second.wire.sent


@virtually
async def test_an_inherited_look_leaves_what_another_process_may_have_made() -> None:
    """A refused call is asked for again; an equal one of a dead process, in doubt, has made the charge."""
    town = await Town.build()
    first, second, third = town.client(), town.client(), town.client()
    town.script(Lot("refused 409"), Lot("refused 409"))
    assert getattr(await said(first.redeem("K-1")), "proof", None) is Proof.REFUSED
    town.script(Lot("hung answer"))
    task = second.begin("redeem", "K-2", timeout=20.0)
    await asyncio.sleep(1.0)
    await second.die()
    await asyncio.gather(task, return_exceptions=True)
    town.script()
    told = await said(third.redeem("K-1", timeout=28.0))
    assert isinstance(told, OutcomeUnknown), told
    await asyncio.sleep(20.0)
    (record,) = [each for each in await third.records() if each.key == "K-2"]
    settled = await said(settle(third, record.view))
    (made,) = town.made("redeem")
    if isinstance(settled, Settlement):
        assert (settled.state, settled.charge and settled.charge.id) == (DONE, made)
    else:
        assert isinstance(settled, OutcomeUnknown)


@pytest.mark.parametrize("kept", [0.0, 1.0], ids=["no cache", "a cache of a second"])
@virtually
async def test_a_balance_from_before_the_fence_proves_nothing_behind_it(kept: float) -> None:
    """A proxy carries a copy of the refused charge out between the balance that was kept and the fence."""
    town = await Town.build()
    client, clock = town.client(), town.clock
    await asyncio.sleep(0.05)
    copies: dict[str, tuple[float, Any]] = {}
    send = client.wire.send

    async def cached(request: Any, deadline: Any) -> Any:
        operation, now = request.operation.id, clock.monotonic()
        if operation in copies and now - copies[operation][0] < kept:
            return attrs.evolve(copies[operation][1], sent=now, received=now)
        if operation == CHARGE and town.adversary.waiting == 0 and not copies:
            town.adversary.act_late(1.05, request, request.call_id)
        answer = await send(request, deadline)
        if operation == "getVoucher":
            copies[operation] = now, answer
        return answer

    client.wire.send = cached  # type: ignore[method-assign]
    lags = (Lot(lag=5.0) for _ in range(9))
    town.script(Lot("refused 409"), rest=(Lot(), Lot(), Lot(), Lot(), Lot(wait=0.1), *lags))
    charge = await client.redeem(timeout=28.0)
    await asyncio.sleep(20.0)
    assert town.made("redeem") == [charge.id]
