"""Recovering a checkout: it is finished as a whole, and its parts are its own business until it has ended."""

from __future__ import annotations

import asyncio
import logging

import pytest

from tests.settlement.adversary import Lot
from tests.settlement.cut import Cut
from tests.settlement.test_keys_taken_over import LEASE
from tests.settlement.test_recovered import LOST, MADE, die
from tests.settlement.test_recovered_crashes import standing
from tests.settlement.town import Client, JournalAt, Town
from tests.virtual import virtually
from voucher_async.events import Happened
from voucher_async.payments.call import CHECKOUT, CallRecord, CallState
from voucher_async.payments.recovery import Recovered


async def left_checkout(town: Town, *money: Lot) -> CallRecord:
    """The record of a checkout whose worker has died as it waited for the answer to a charge."""
    first = town.client()
    town.script(*money)
    call = asyncio.create_task(first.checkout())
    await asyncio.sleep(1.0)
    record = await first.record()
    assert record.state is CallState.SENT
    await die(first, call)
    town.script()
    await asyncio.sleep(LEASE)
    return record


ENDS = {
    "none": ((LOST,), CallState.NOT_DONE, [Happened.NOT_DONE, Happened.NOT_DONE]),
    "the first": ((MADE,), CallState.NOT_DONE, [Happened.RECOVERED, Happened.REFUNDED, Happened.NOT_DONE]),
    "all": ((Lot(), MADE), CallState.DONE, [Happened.RECOVERED, Happened.RECOVERED]),
}


@pytest.mark.parametrize(("money", "state", "told"), ENDS.values(), ids=ENDS)
@virtually
async def test_it_is_completed_or_taken_back_and_told(
    money: tuple[Lot, ...],
    state: CallState,
    told: list[Happened],
    journal_at: JournalAt,
    caplog: pytest.LogCaptureFixture,
) -> None:
    town = await Town.build(journal_at)
    before = await left_checkout(town, *money)
    caplog.set_level(logging.INFO, logger="voucher_async")
    caplog.clear()
    second = town.client()
    recovered = await second.recover()
    (record,) = recovered.done if state is CallState.DONE else recovered.not_done
    assert (record.id, record.state, recovered.open) == (before.id, state, ())
    assert len(standing(town, "checkout")) == (2 if state is CallState.DONE else 0)
    assert "its owner is dead" in [step.why for step in record.transitions]
    assert [event.what for event in second.told] == told
    assert (second.told[-1].operation, second.told[-1].order_number) == (CHECKOUT, "A-1")
    lines = [each.getMessage() for each in caplog.records]
    assert record.id in lines[-1]
    assert "checkout" in lines[-1]
    assert "was recovered" in lines[-1]
    assert not {each.code for each in town.vouchers} & {*" ".join(lines).split()}
    charges = {charge.id for charge in await second.checkout()}
    assert charges == standing(town, "checkout")


@virtually
async def test_one_that_had_charged_nothing_ends_at_once() -> None:
    town = await Town.build()
    first = town.client()
    cut = Cut(4)  # it has reserved, and not written what it charges
    call = asyncio.create_task(cut.off(first).checkout())
    await cut.met.wait()
    await cut.die(first, call)
    await asyncio.sleep(LEASE)
    second = town.client()
    (record,) = (await second.recover()).not_done
    assert record.state is CallState.NOT_DONE
    assert second.wire.sent == []
    assert [event.operation for event in second.told] == [CHECKOUT]


async def orphan(town: Town, record: CallRecord) -> CallRecord:
    """The record of a charge of a checkout."""
    (child, *_) = await town.journal.children(record.scope, record.id)
    return child


@virtually
async def test_the_charge_of_a_checkout_whose_owner_lives_is_left_to_that_one() -> None:
    town = await Town.build()
    record = await left_checkout(town, MADE)
    living = town.client()
    assert await living.core.joining.ownership.take_from_dead(record, CallState.SENT)
    second = town.client()
    assert await second.recover() == Recovered()
    child = await orphan(town, record)
    assert (child.state, second.wire.sent) == (CallState.SENT, [])


@virtually
async def test_the_charge_of_a_checkout_that_has_ended_is_recovered_by_itself() -> None:
    town = await Town.build()
    record = await left_checkout(town, MADE)
    ended = record.step(CallState.DONE, at=town.clock.now(), by="an operator")
    assert await town.journal.save(ended)
    second: Client = town.client()
    (child,) = (await second.recover()).done
    assert child.id == (await orphan(town, record)).id
    assert {child.charge and child.charge.id} == standing(town, "checkout")


@virtually
async def test_one_of_another_client_id_is_left_to_that_one() -> None:
    town = await Town.build()
    record = await left_checkout(town, MADE)
    elsewhere = town.client(client_id="another", scope=record.scope)
    (left,) = (await elsewhere.recover()).open
    assert left == record
    assert elsewhere.wire.sent == []


@virtually
async def test_one_whose_refund_is_refused_stays_open_until_it_can_be_made() -> None:
    town = await Town.build()
    record = await left_checkout(town, MADE)
    second = town.client()
    town.script(*[Lot("refused 409")] * 4)
    (left,) = (await second.recover()).open
    assert (left.id, left.state) == (record.id, CallState.OPEN)
    assert Happened.REFUND_FAILED in [event.what for event in second.told]
    town.script()
    await asyncio.sleep(LEASE)
    assert [each.id for each in (await town.client().recover()).not_done] == [record.id]
    assert standing(town, "checkout") == set()
