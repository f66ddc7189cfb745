"""Recovering beside others: owners that live, clients that recover as well, and much that is left."""

from __future__ import annotations

import asyncio

import pytest

from tests.settlement.adversary import Lot
from tests.settlement.test_keys_taken_over import LEASE
from tests.settlement.test_recovered import LOST, MADE, SECONDS, die, left
from tests.settlement.town import JournalAt, Town, all_of, said
from tests.virtual import virtually
from voucher_async.errors import Proof
from voucher_async.models import Charge
from voucher_async.outcomes import OutcomeUnknown, Settlement, SettlementState
from voucher_async.payments.call import CallState
from voucher_async.payments.recovery import Recovered


@pytest.mark.parametrize("state", [CallState.BEGUN, CallState.SENT, CallState.OPEN])
@pytest.mark.parametrize("how", ["its lease was renewed", "somebody was faster"])
@virtually
async def test_what_is_somebody_elses_by_then_is_left_alone(state: CallState, how: str) -> None:
    town = await Town.build()
    first = await left(town, "refund", state)
    second = town.client()
    second.journal.pauses_after("left")
    recovery = asyncio.create_task(second.recover())
    await asyncio.sleep(1.0)
    if how == "its lease was renewed":
        await town.journal.beat(first.core.joining.ownership.owner, LEASE)
    else:
        assert len((await town.client().recover()).not_done) == 1
    (*_, record) = await first.records()
    second.journal.goes_on()
    assert await recovery == Recovered()
    assert (await first.records())[-1] == record
    assert second.told == []
    assert second.core.supervisor.pending == ()


@virtually
async def test_it_is_a_rival_of_equal_calls_before_its_record_names_this_client() -> None:
    town = await Town.build()
    first = await left(town, "recharge", CallState.SENT)
    second = town.client()
    second.journal.pauses_after("save")
    recovery = asyncio.create_task(second.recover())
    await asyncio.sleep(1.0)
    record = await first.record()
    assert record.owner == second.core.joining.ownership.owner
    assert [each.id for each in second.core.supervisor.pending] == [record.id]
    second.journal.goes_on()
    await recovery


@virtually
async def test_nobody_else_looks_for_it_while_its_new_owner_does() -> None:
    town = await Town.build()
    await left(town, "recharge", CallState.SENT)
    second, third = town.client(), town.client()
    town.script(rest=(Lot("failed"),) * 1000)
    recovery = asyncio.create_task(second.recover())
    for _ in range(55):
        await asyncio.sleep(1.0)
        assert await third.recover() == Recovered()
    assert len((await recovery).open) == 1
    await asyncio.sleep(LEASE)
    town.script()
    assert len((await third.recover()).not_done) == 1


@virtually
async def test_what_this_client_looks_after_already_is_told_as_open() -> None:
    town, client = await Town.with_client()
    town.script(LOST)
    assert isinstance(await said(client.recharge(timeout=3.0)), OutcomeUnknown)
    town.script(rest=(Lot("failed"),) * 1000)
    await asyncio.sleep(LEASE)
    before = await client.record()
    assert (await client.recover(timeout=1.0)).open == (before,)
    assert await client.record() == before


@virtually
async def test_a_client_whose_lease_is_over_leaves_its_own_running_calls_alone() -> None:
    town, client = await Town.with_client()
    town.script(Lot(wait=40.0))
    call = client.begin("recharge", timeout=SECONDS)
    await asyncio.sleep(1.0)
    client.core.joining.ownership.heartbeat.stop()  # its event loop was blocked
    await asyncio.sleep(LEASE)
    assert len(await town.journal.left(client.scope)) == 1
    assert await client.recover() == Recovered()
    assert [(await call).id] == town.made("recharge")


@virtually
async def test_a_call_of_another_client_id_is_left_to_that_one() -> None:
    town = await Town.build()
    first = town.client(scope="all shops")
    town.script(MADE)
    call = first.begin("refund", timeout=SECONDS)
    await asyncio.sleep(1.0)
    await die(first, call)
    await asyncio.sleep(LEASE)
    second = town.client(scope="all shops", client_id="another")
    (record,) = (await second.recover()).open
    assert (record.state, record.owner) == (CallState.SENT, first.core.joining.ownership.owner)
    assert len((await town.client(scope="all shops").recover()).done) == 1


@virtually
async def test_a_client_that_is_closed_leaves_it_to_the_next_one() -> None:
    town = await Town.build()
    await left(town, "refund", CallState.SENT)
    second, before = town.client(), asyncio.all_tasks()
    recovery = asyncio.create_task(second.recover())
    await asyncio.sleep(5.0)
    await second.close()
    (record,) = (await recovery).open
    assert (record.state, asyncio.all_tasks()) == (CallState.SENT, before)  # as it was read
    assert (await second.record()).state is CallState.OPEN
    await asyncio.sleep(LEASE)
    assert len((await town.client().recover()).not_done) == 1


@virtually
async def test_many_records_are_recovered_page_by_page_and_some_at_once() -> None:
    town = await Town.build()
    first = town.client()
    first.journal.pauses_at("save")
    calls = [first.begin("redeem", f"K-{number}", order_number=f"A-{number}") for number in range(250)]
    await asyncio.sleep(1.0)
    await die(first, *calls)
    await asyncio.sleep(LEASE)
    second = town.client()
    recovered = await second.recover()
    keys = [record.key for record in recovered.not_done]
    assert keys == [record.key for record in await first.records()]  # the oldest first
    assert len(keys) == 250
    assert second.journal.calls.count("left") == 3


@virtually
async def test_some_are_looked_for_at_once() -> None:
    town = await Town.build()
    first = town.client()
    town.script(*[LOST] * 40)
    calls = [
        first.begin("recharge", f"K-{number}", order_number=f"A-{number}", timeout=SECONDS)
        for number in range(40)
    ]
    await asyncio.sleep(1.0)
    await die(first, *calls)
    town.script()
    await asyncio.sleep(LEASE)
    second = town.client()
    recovery = asyncio.create_task(second.recover())
    await asyncio.sleep(1.0)
    assert len(second.core.supervisor.pending) == 16
    assert len((await second.recover(timeout=1.0)).open) == 40
    second.core.recovery.stop()
    await recovery
    states = [record.state for record in await first.records()]
    assert (states.count(CallState.NOT_DONE), states.count(CallState.SENT)) == (16, 24)
    assert len((await town.client().recover()).not_done) == 24


@virtually
async def test_what_another_owner_did_since_counts_more_than_what_this_client_remembers() -> None:
    """It knew that nothing was done, could not write that, and another worker went on, and died."""
    town = await Town.build()
    first = await left(town, "refund", CallState.SENT, MADE)
    second = town.client()
    known = Settlement(
        pending=(await first.record()).view, state=SettlementState.NOT_DONE, proof=Proof.ABSENT
    )
    second.core.settler.registry.settled(known)
    (record,) = (await second.recover()).done
    assert record.charge is not None
    assert [record.charge.id] == town.made("refund")


@virtually
async def test_of_many_that_recover_at_once_one_looks(journal_at: JournalAt) -> None:
    town = await Town.build(journal_at)
    await left(town, "refund", CallState.OPEN, MADE)
    clients = [town.client() for _ in range(4)]
    for each in clients:
        each.journal.slow = True
    told = await all_of(*(each.recover() for each in clients for _ in range(2)))
    assert [type(each) for each in told] == [Recovered] * 8
    assert sorted(len(each.wire.sent) > 0 for each in clients) == [False] * 3 + [True]
    assert sum(len(each.told) for each in clients) == 1
    assert isinstance(await said(clients[0].refund()), Charge)
    assert len(town.made("refund")) == 1
