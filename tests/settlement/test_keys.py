"""Whoever asks again with an idempotency key, by the state of the call that has it."""

from __future__ import annotations

import asyncio

import pytest

from tests.settlement.adversary import Lot
from tests.settlement.town import LIST, Town, all_of, everywhere, operations, said, under_way
from tests.virtual import virtually
from voucher_async.models import Charge
from voucher_async.outcomes import StillRunning
from voucher_async.payments.call import CallState
from voucher_async.payments.joined import is_joined

SLOW = Lot(wait=2.0)


@operations
@everywhere
@virtually
async def test_who_asks_while_it_runs_waits_for_the_same_charge(operation: str, where: str) -> None:
    first, second, one = await under_way(operation, where)
    more = [second.begin(operation) for _ in range(3)]
    charges = await asyncio.gather(one, *more)
    assert len({charge.id for charge in charges}) == 1
    assert [charges[0].id] == first.town.made(operation)
    assert [is_joined(charge) for charge in charges] == [False, True, True, True]


@operations
@everywhere
@virtually
async def test_who_has_less_time_is_told_so_in_time(operation: str, where: str) -> None:
    first, second, one = await under_way(operation, where)
    town = first.town
    began = town.clock.monotonic()
    error = await said(second.ask(operation, timeout=1.0))
    assert isinstance(error, StillRunning)
    assert town.clock.monotonic() - began == pytest.approx(1.0, abs=0.01)
    assert error.proof is None
    charge = await one
    assert (await second.ask(operation)).id == charge.id
    assert len(town.made(operation)) == 1


@operations
@virtually
async def test_the_latest_deadline_rules(operation: str) -> None:
    """Its first caller has little time, another one much: the call goes on, looked for until it is clear."""
    town, client = await Town.with_client()
    town.script(Lot("lost answer", wait=0.2), rest=(*[Lot()] * (operation != "charge"), *[Lot("failed")] * 3))
    one = client.begin(operation, timeout=1.0)
    await asyncio.sleep(0)
    two = client.begin(operation, timeout=20.0)
    told, charge = await all_of(one, two)
    assert isinstance(told, StillRunning)
    assert isinstance(charge, Charge)
    assert town.made(operation) == [charge.id]


@operations
@virtually
async def test_a_first_caller_who_leaves_leaves_the_others_with_the_charge(operation: str) -> None:
    town, client = await Town.with_client()
    town.script(SLOW)
    one = client.begin(operation)
    await asyncio.sleep(0)
    two = client.begin(operation)
    await asyncio.sleep(0)
    one.cancel()
    charge = await two
    assert one.cancelled()
    assert town.made(operation) == [charge.id]


@operations
@virtually
async def test_when_all_have_left_before_anything_was_sent_nothing_is(operation: str) -> None:
    town, client = await Town.with_client()
    client.journal.slow = True
    both = [client.begin(operation) for _ in range(2)]
    for _ in range(5):
        await asyncio.sleep(0)
    for task in both:
        task.cancel()
    await asyncio.wait(both)
    await asyncio.sleep(100.0)
    assert town.made(operation) == []
    charge = await client.ask(operation, timeout=5.0)  # the key is free
    assert town.made(operation) == [charge.id]
    assert (await town.client().ask(operation)).id == charge.id


@operations
@pytest.mark.parametrize("turns", range(0, 40, 2))
@virtually
async def test_whenever_its_only_caller_leaves_the_key_is_worth_one_charge(
    operation: str, turns: int
) -> None:
    town, client = await Town.with_client()
    client.journal.slow = True
    one = client.begin(operation)
    for _ in range(turns):
        await asyncio.sleep(0)
    one.cancel()
    charge = await client.ask(operation, timeout=5.0)
    assert town.made(operation) == [charge.id]
    assert (await town.client().ask(operation, timeout=5.0)).id == charge.id


@operations
@everywhere
@virtually
async def test_when_all_have_left_later_it_is_finished_and_handed_out(operation: str, where: str) -> None:
    town, client, second = await Town.with_two(where)
    town.script(SLOW)
    both = [client.begin(operation) for _ in range(2)]
    await asyncio.sleep(1.0)
    for task in both:
        task.cancel()
    await asyncio.sleep(10.0)
    (made,) = town.made(operation)
    (record,) = await client.records()
    assert (record.state, record.told) == (CallState.DONE, False)
    assert [(event.what, event.charge and event.charge.id) for event in client.told] == [("done", made)]
    charge = await second.ask(operation)
    assert charge.id == made
    (record,) = await client.records()
    assert record.told


@operations
@everywhere
@virtually
async def test_what_is_done_is_handed_out_and_read_once_when_it_is_old(operation: str, where: str) -> None:
    town, first, second = await Town.with_two(where)
    charge = await first.ask(operation)
    for wait, reads in ((59.0, []), (2.0, [LIST]), (3600.0, [LIST])):
        await asyncio.sleep(wait)
        second.wire.sent.clear()
        again = await second.ask(operation)
        assert (again.id, is_joined(again)) == (charge.id, True)
        assert second.wire.sent == (reads if operation in {"redeem", "charge"} else [])
    assert town.made(operation) == [charge.id]


@operations
@pytest.mark.parametrize("way", ["answered", "refused 409"])
@virtually
async def test_when_the_last_caller_has_no_time_left_it_is_finished_for_later_ones(
    operation: str, way: str
) -> None:
    """Another one, who had more time, has left before: nobody waits, so the hooks are told."""
    town, client = await Town.with_client()
    town.script(*[Lot(way, wait=1.0)] * 2)
    one = client.begin(operation, timeout=1.5)
    two = client.begin(operation, timeout=30.0)
    await asyncio.sleep(0.5)
    two.cancel()
    assert isinstance(await said(one), StillRunning)
    await asyncio.sleep(20.0)
    assert client.told[-1].what == ("done" if way == "answered" else "not done")
    town.script()
    charge = await client.ask(operation)
    assert town.made(operation) == [charge.id]


@operations
@everywhere
@pytest.mark.parametrize("way", ["answered", "refused 409"])
@virtually
async def test_who_was_told_that_it_still_runs_may_settle_it(operation: str, way: str, where: str) -> None:
    """Nothing but its id is known of the call that was joined; its record tells the rest."""
    town, first, second = await Town.with_two(where)
    town.script(*[Lot(way, wait=1.0)] * 2, rest=(Lot(wait=1.0),))
    one = first.begin(operation)
    await asyncio.sleep(0.1)
    error = await said(second.ask(operation, timeout=0.5))
    assert isinstance(error, StillRunning)
    settlement = await second.core.supervisor.settle(error.pending, second.wire.deadline(20.0))
    await said(one)
    made = town.made(operation)
    assert settlement.state == ("done" if made else "not done")
    assert [each.id for each in (settlement.charge,) if each is not None] == made
    assert bool(made) == (way == "answered")
    assert await second.core.supervisor.end() == ()
