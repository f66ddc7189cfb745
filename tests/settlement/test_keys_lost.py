"""Charges whose record another worker has taken over: whoever has it tells the end, which is heard."""

from __future__ import annotations

import asyncio

import pytest

from tests.settlement.adversary import Lot
from tests.settlement.test_keys_paused import MONEY, Pause
from tests.settlement.town import WINDOW, Client, Town, said
from tests.virtual import virtually
from voucher_async.errors import ReservationAlreadyCharged, ReservationExpired
from voucher_async.models import Charge
from voucher_async.outcomes import OutcomeUnknown, PendingOutcome, SettlementState, StillRunning
from voucher_async.payments.call import CallState

LEASE = 15.0


async def lost(town: Town, operation: str, *, begun: bool = False) -> tuple[Client, Client, PendingOutcome]:
    """Two clients, the first of which has lost its record to the second before its first byte was sent."""
    first, second = town.client(), town.client()
    first.wire.on_send = pause = Pause(operation)
    if begun:
        first.journal.pauses_at("save")
    one = first.begin(operation, timeout=200.0)
    await asyncio.sleep(1.0)
    (*_, record) = await first.records()
    assert record.state is (CallState.BEGUN if begun else CallState.SENT)
    first.core.joining.ownership.heartbeat.stop()
    await asyncio.sleep(LEASE)
    second.begin(operation, timeout=300.0)
    await asyncio.sleep(1.0)
    first.wire.on_send = None
    pause.over.set()
    first.journal.goes_on()
    told = await said(one)
    assert isinstance(told, StillRunning)
    return first, second, told.pending


async def asked_until_told(client: Client) -> Charge:
    """The charge of the key; two clients may settle its record at the same moment."""
    for _ in range(3):
        told = await said(client.charge(timeout=200.0))
        if isinstance(told, Charge):
            return told
    raise AssertionError("never told")


def doubts(client: Client) -> int:
    return len(client.core.reservations.tracker._in_doubt)


@pytest.mark.parametrize("begun", [True, False])
@virtually
async def test_a_reservation_is_not_open_for_ever_once_its_key_has_told_the_end(*, begun: bool) -> None:
    town = await Town.build()
    first, _, pending = await lost(town, "charge", begun=begun)
    if not begun:
        told = await said(first.charge(None, timeout=1.0))
        assert isinstance(told, OutcomeUnknown)  # the other client is about to charge
        assert told.pending.id == pending.id
    charge = await asked_until_told(first)
    assert town.made("charge") == [charge.id]
    told = await said(first.charge(None))
    assert isinstance(told, (ReservationAlreadyCharged, ReservationExpired))
    assert not isinstance(told, OutcomeUnknown)
    assert doubts(first) == 0
    assert first.core.supervisor.pending == ()
    assert town.made("charge") == [charge.id]


@virtually
async def test_a_reservation_is_not_open_for_ever_once_it_was_settled() -> None:
    town = await Town.build()
    first, second, pending = await lost(town, "charge", begun=True)
    charge = await second.charge(timeout=200.0)
    settlement = await first.core.supervisor.settle(pending, first.wire.deadline(100.0))
    assert (settlement.state, settlement.charge and settlement.charge.id) == (SettlementState.DONE, charge.id)
    told = await said(first.charge(None))
    assert isinstance(told, ReservationAlreadyCharged)
    assert first.core.supervisor.pending == ()


@virtually
async def test_a_reservation_of_which_nothing_was_sent_can_be_charged() -> None:
    """The other one was refused before anything was sent."""
    town, first = await Town.with_client()
    first.journal.pauses_at("save")
    one = first.begin("charge", timeout=200.0)
    await asyncio.sleep(1.0)
    first.core.joining.ownership.heartbeat.stop()
    await asyncio.sleep(LEASE)
    second = town.client()
    town.script(*[Lot("not sent")] * 50)
    await said(second.charge(timeout=5.0))
    (record,) = await second.records()
    assert record.state is CallState.NOT_DONE
    town.script()
    first.journal.goes_on()
    assert isinstance(await said(one), StillRunning)
    charge = await first.charge(None)
    assert town.made("charge") == [charge.id]


@virtually
async def test_a_redeem_that_lost_its_record_leaves_nothing_open() -> None:
    town = await Town.build()
    first, _, _ = await lost(town, "redeem")
    charge = await first.redeem(timeout=200.0)
    await asyncio.sleep(2 * WINDOW)
    assert town.made("redeem") == [charge.id]
    assert first.core.supervisor.pending == ()
    another = await first.redeem("K-2")
    assert isinstance(another, Charge)
    assert town.made("redeem") == [charge.id, another.id]
    assert MONEY["redeem"] in first.wire.sent
