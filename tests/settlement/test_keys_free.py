"""A key whose call was not carried out, or is open: who waited, who comes later, and the looks between."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.settlement.adversary import Lot
from tests.settlement.town import CHARGE, LIST, WINDOW, Client, Town, all_of, everywhere, operations, said
from tests.virtual import virtually
from voucher_async.api_errors import ApiError, Conflict
from voucher_async.errors import IdempotencyMismatch, Proof
from voucher_async.models import Charge
from voucher_async.outcomes import OutcomeUnknown, PendingOutcome, StillRunning
from voucher_async.payments.call import CHECKOUT, CallState, Parameters


def refusals(operation: str, wait: float = 0.0) -> list[Lot]:
    """What makes a call not done: a `redeem` charges a second reservation after the first refusal."""
    return [Lot("refused 409", wait=wait)] * (2 if operation == "redeem" else 1)


async def refused(operation: str, where: str) -> tuple[Client, Client]:
    """A client whose call was refused, and one that asks after it: the same or another."""
    town, first, second = await Town.with_two(where)
    town.script(*refusals(operation))
    assert isinstance(await said(first.ask(operation)), Conflict)
    return first, second


def facts(error: ApiError) -> tuple[Any, ...]:
    return (*map(str, error.args), error.status, error.code, error.proof, error.looked, error.fate)


@operations
@everywhere
@virtually
async def test_who_waited_for_a_refusal_gets_a_copy_of_it(operation: str, where: str) -> None:
    town, first, second = await Town.with_two(where)
    town.script(*refusals(operation, wait=1.0))
    tasks = [first.begin(operation)]
    await asyncio.sleep(0.5)
    tasks += [second.begin(operation) for _ in range(2)]
    errors = await all_of(*tasks)
    assert {type(error) for error in errors} == {Conflict}
    assert len({id(error) for error in errors}) == 3
    assert len({facts(error) for error in errors if isinstance(error, ApiError)}) == 1
    assert town.made(operation) == []
    charge = await second.ask(operation)  # for later callers the key is free
    assert town.made(operation) == [charge.id]


@operations
@everywhere
@virtually
async def test_after_a_refusal_the_key_may_be_used_for_something_else(operation: str, where: str) -> None:
    first, second = await refused(operation, where)
    town = first.town
    changes = {"of": town.charge, "amount": "0.50"} if operation == "refund" else {"order_number": "A-2"}
    await second.ask(operation, **changes)
    assert len(town.made(operation)) == 1
    assert isinstance(await said(first.ask(operation)), IdempotencyMismatch)


@operations
@virtually
async def test_what_ended_its_owner_alone_is_not_told_to_who_waits(operation: str) -> None:
    """Its client is closed, or its time is up, while it waits for its turn: another one goes on."""
    town = await Town.build()
    first, second = town.client(), town.client()
    town.script(rest=(Lot("never connected"),))
    if operation == "charge":  # a charge sends nothing else
        town.script(Lot("never connected"))
    one = first.begin(operation, timeout=2.0)
    await asyncio.sleep(1.0)
    charge = await second.ask(operation, timeout=20.0)
    assert not isinstance(await said(one), Charge)
    assert town.made(operation) == [charge.id]


@pytest.mark.parametrize("operation", ["redeem", "recharge", "charge"])
@everywhere
@virtually
async def test_within_the_window_it_is_looked_for_once_more(operation: str, where: str) -> None:
    """What is called not done within the window, by refusals, is looked for before money is asked for."""
    first, second = await refused(operation, where)
    town = first.town
    second.wire.sent.clear()
    await second.ask(operation)
    money = {"redeem": CHARGE, "charge": CHARGE, "recharge": "rechargeVoucher"}[operation]
    assert LIST in second.wire.sent[: second.wire.sent.index(money)]
    assert len(town.made(operation)) == 1


@everywhere
@virtually
@pytest.mark.parametrize("seconds", [0.0, 200.0])
@pytest.mark.parametrize("between", [False, True], ids=["at once", "after a call that sent nothing"])
async def test_a_late_charge_is_found_by_the_look_before_money_is_asked_for_anew(
    where: str, *, seconds: float, between: bool
) -> None:
    """A proxy refused, and delivered all the same, whenever: two looks saw nothing, the third one does."""
    first, second = await refused("redeem", where)
    town = first.town
    # the copy arrives now, while the reservation still lives
    (record,) = await first.records()
    assert record.pending is not None
    emulator = town.adversary.emulator
    if between:
        town.script(rest=(Lot(), Lot(), Lot("refused 409")))  # behind those for the list and the balance
        assert isinstance(await said(second.redeem()), Conflict)
        assert second.wire.sent[-1] == "createReservation"
    await asyncio.sleep(seconds)
    made = await _charge_of(town, record.pending.reservation_id or "")
    said_to_it = await said(second.redeem())
    if seconds:  # after the window it may be another caller's: open, and nothing is sent
        assert isinstance(said_to_it, OutcomeUnknown)
    else:
        assert isinstance(said_to_it, Charge)
        assert said_to_it.id == made
    assert [each.id for each in emulator.charges("A-1")] == [made]


async def _charge_of(town: Town, reservation_id: str) -> str:
    stranger = town.client(scope="a proxy")
    return (await stranger.charge(None, of=reservation_id)).id


@operations
@everywhere
@virtually
async def test_what_is_open_is_settled_first_and_keeps_its_id(operation: str, where: str) -> None:
    town, first, second = await Town.with_two(where)
    town.script(Lot("lost answer"), rest=(*[Lot()] * (operation != "charge"), *[Lot("failed")] * 200))
    error = await said(first.ask(operation, timeout=3.0))
    assert isinstance(error, OutcomeUnknown)
    assert not isinstance(error, StillRunning)
    ids = {error.pending.id}
    for _ in range(2):
        again = await said(second.ask(operation, timeout=2.0))
        assert isinstance(again, OutcomeUnknown)
        ids.add(again.pending.id)
    assert len(ids) == 1
    assert len(town.made(operation)) == 1
    town.script()
    charge = await second.ask(operation)
    assert [charge.id] == town.made(operation)
    (record,) = await first.records()
    assert (record.state, record.id) == (CallState.DONE, error.pending.id)


@operations
@everywhere
@virtually
async def test_what_was_open_and_not_carried_out_is_asked_for_anew(operation: str, where: str) -> None:
    town, first, second = await Town.with_two(where)
    rest = (*[Lot()] * (operation != "charge"), *[Lot("failed")] * 200)
    town.script(Lot("lost"), Lot("lost"), Lot("lost"), rest=rest)
    error = await said(first.ask(operation, timeout=3.0))
    assert isinstance(error, OutcomeUnknown)
    town.script()
    await asyncio.sleep(2 * WINDOW + 30.0)
    if operation == "charge":
        return  # a later call does not charge the reservation of a lost charge again
    charge = await second.ask(operation)
    assert town.made(operation) == [charge.id]
    states = [record.state for record in await first.records()]
    assert states == [CallState.NOT_DONE, CallState.DONE]


@virtually
async def test_the_id_of_an_open_call_is_enough_to_settle_it() -> None:
    """Who joined it was told nothing else; and a checkout that is not finished is no call of its own."""
    town, client = await Town.with_client()
    town.script(Lot("lost answer"), rest=(Lot(), *[Lot("failed")] * 200))
    error = await said(client.redeem(timeout=3.0))
    assert isinstance(error, OutcomeUnknown)
    town.script()
    second = town.client()
    bare = PendingOutcome(id=error.pending.id, operation="chargeReservation")
    settlement = await second.core.supervisor.settle(bare, second.wire.deadline(20.0))
    assert settlement.charge is not None
    assert [settlement.charge.id] == town.made("redeem")
    checkout = second.core.lifecycle.checkout(order_number="A-2", currency="EUR", idempotency_key="C")
    async with checkout:
        (*_, record) = await second.records()
        bare = PendingOutcome(id=record.id, operation="chargeReservation")
        with pytest.raises(OutcomeUnknown):
            await second.core.supervisor.settle(bare, second.wire.deadline(1.0))
    with pytest.raises(OutcomeUnknown):
        await second.core.supervisor.settle(await _opened(town, second), second.wire.deadline(1.0))
    assert second.core.supervisor.pending == ()


async def _opened(town: Town, client: Client) -> PendingOutcome:
    """The bare id of a checkout that is open."""
    parameters = Parameters(operation=CHECKOUT, currency="EUR", order_number="A-3")
    record = client.core.joining.ownership.new_record(parameters, "C-3")
    await town.journal.claim(record)
    changed = record.step(CallState.OPEN, at=town.clock.now(), by=record.owner)
    assert await town.journal.save(changed)
    return PendingOutcome(id=record.id, operation="chargeReservation")


@pytest.mark.parametrize("key", ["K-1", None])
@virtually
async def test_a_declined_recharge_that_could_not_be_sent_again_is_over(key: str | None) -> None:
    """It was looked for behind the 429, so nothing is in doubt any more: its repeat had no connection."""
    town, client = await Town.with_client()
    town.script(Lot("refused 429"), *[Lot("never connected")] * 100)
    told = await said(client.recharge(key, timeout=28.0))
    assert not isinstance(told, (Charge, OutcomeUnknown))
    assert told.proof is Proof.NOT_SENT
    assert client.core.supervisor.pending == ()
    town.script()
    charge = await client.recharge(key)
    assert town.made("recharge") == [charge.id]
