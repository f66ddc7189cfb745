"""Two processes and one journal: one of them dies, or is paused, at any moment of its call."""

from __future__ import annotations

import asyncio

import attrs
import pytest

from tests.settlement.adversary import Lot
from tests.settlement.town import (
    CHARGE,
    CREATE,
    LIST,
    WINDOW,
    Client,
    JournalAt,
    Town,
    all_of,
    operations,
    said,
)
from tests.virtual import virtually
from voucher_async.models import Charge
from voucher_async.outcomes import OutcomeUnknown, StillRunning
from voucher_async.payments.call import CallState

LEASE = 15.0
WELL = Lot()
MONEY = {"redeem": CHARGE, "charge": CHARGE, "refund": "refundCharge", "recharge": "rechargeVoucher"}


@operations
@pytest.mark.parametrize("clients", [2, 5])
@virtually
async def test_many_processes_make_one_charge(operation: str, clients: int, journal_at: JournalAt) -> None:
    town = await Town.build(journal_at)
    all_clients = [town.client() for _ in range(clients)]
    for each in all_clients:
        each.journal.slow = True
    told = await all_of(*(each.ask(operation) for each in all_clients for _ in range(2)))
    assert {charge.id for charge in told if isinstance(charge, Charge)} == {*town.made(operation)}
    assert len(told) == 2 * clients
    assert all(isinstance(charge, Charge) for charge in told)
    assert len(town.made(operation)) == 1


@attrs.frozen
class Death:
    """When a process dies: as a request is about to be sent, or as it waits for an answer."""

    before: str = ""
    money: Lot = WELL
    rest: tuple[Lot, ...] = ()


DEATHS = {
    "before its first request": Death(before=CREATE),
    "between its requests": Death(before=CHARGE),
    "its charge was lost": Death(money=Lot("hung")),
    "its charge was made": Death(money=Lot("hung answer")),
    "its charge comes late": Death(money=Lot("late", late=8.0)),
    "its charge comes after the fence": Death(money=Lot("late", late=LEASE + 6.0)),
    "its reservation was lost": Death(rest=(Lot("hung"),)),
}


async def dead(town: Town, operation: str, death: Death) -> Client:
    """A process that has died in the middle of its call."""
    first = town.client()
    town.script(death.money, rest=death.rest)
    ends = asyncio.Event()

    async def stop(sent: str) -> None:
        if sent == death.before:
            await ends.wait()

    first.wire.on_send = stop
    task = first.begin(operation)
    await asyncio.sleep(0.2)
    await first.die()
    assert not isinstance((await asyncio.gather(task, return_exceptions=True))[0], Charge)
    town.script()
    return first


async def heir(town: Town, operation: str, death: Death) -> Client:
    """A client that is there once the lease of a process has ended that died in the middle of its call."""
    await dead(town, operation, death)
    second = town.client()
    await asyncio.sleep(LEASE)
    return second


@pytest.mark.parametrize("death", DEATHS.values(), ids=DEATHS)
@virtually
async def test_a_redeem_is_taken_over_behind_a_new_reservation(death: Death, journal_at: JournalAt) -> None:
    town = await Town.build(journal_at)
    await dead(town, "redeem", death)
    second = town.client()
    early = await said(second.redeem(timeout=3.0))
    assert isinstance(early, StillRunning)  # the dead owner's lease still runs
    assert second.wire.sent == []
    await asyncio.sleep(LEASE)
    charge = await second.redeem(timeout=28.0)
    await asyncio.sleep(60.0)
    assert town.made("redeem") == [charge.id]
    (record,) = await second.records()
    assert record.state is CallState.DONE
    assert second.wire.sent[0] == CREATE
    was_sent = CallState.SENT in [step.state for step in record.transitions][:2]
    assert not was_sent or second.wire.sent[1] == LIST
    assert (await second.redeem()).id == (await town.client().redeem()).id == charge.id


LATE = {
    "before": Death(before="any"),
    "lost": Death(money=Lot("hung")),
    "made": Death(money=Lot("hung answer")),
    "late": Death(money=Lot("late", late=LEASE + WINDOW - 1.0)),
}


@pytest.mark.parametrize("operation", ["refund", "recharge", "charge"])
@pytest.mark.parametrize("death", LATE.values(), ids=LATE)
@virtually
async def test_what_nothing_fences_waits_for_the_window(
    operation: str, death: Death, journal_at: JournalAt
) -> None:
    town = await Town.build(journal_at)
    if death.before:
        death = attrs.evolve(death, before=MONEY[operation])
    second = await heir(town, operation, death)
    taken = town.clock.now()
    charge = await second.ask(operation, timeout=28.0)
    await asyncio.sleep(60.0)
    assert town.made(operation) == [charge.id]
    (*_, record) = await second.records()
    assert record.state is CallState.DONE
    if MONEY[operation] in second.wire.sent and death.money.how != "answered":
        assert record.sent_at is not None
        assert (record.sent_at - taken).total_seconds() >= WINDOW


@pytest.mark.parametrize("operation", ["refund", "recharge"])
@virtually
async def test_who_has_no_time_for_the_window_is_told_that_it_is_open(operation: str) -> None:
    town = await Town.build()
    second = await heir(town, operation, Death(money=Lot("hung")))
    told = await said(second.ask(operation, timeout=3.0))
    assert isinstance(told, OutcomeUnknown)
    assert MONEY[operation] not in second.wire.sent
    await asyncio.sleep(2 * WINDOW)
    charge = await second.ask(operation, timeout=3.0)
    assert town.made(operation) == [charge.id]


@operations
@virtually
async def test_a_paused_owner_that_wakes_up_sends_nothing(operation: str) -> None:
    """It was paused before it wrote that it is about to send."""
    town = await Town.build()
    first, second = town.client(), town.client()
    first.journal.pauses_at("save")
    one = first.begin(operation)
    await asyncio.sleep(1.0)
    first.core.joining.ownership.heartbeat.stop()  # a paused process renews nothing
    await asyncio.sleep(LEASE)
    charge = await second.ask(operation)
    first.wire.sent.clear()
    first.journal.goes_on()
    told = await said(one)
    assert isinstance(told, StillRunning)
    assert MONEY[operation] not in first.wire.sent
    assert town.made(operation) == [charge.id]
    assert (await first.ask(operation)).id == charge.id  # it goes on under another owner


@pytest.mark.parametrize("operation", ["redeem", "charge"])
@virtually
async def test_a_charge_sent_by_an_owner_that_wakes_up_is_the_only_one_or_refused(operation: str) -> None:
    """It was paused right before the first byte, when its record had been found young: only one is let in."""
    town = await Town.build()
    first, second = town.client(), town.client()
    wakes = asyncio.Event()

    async def pause(sent: str) -> None:
        if sent == CHARGE:
            await wakes.wait()

    first.wire.on_begin = pause
    one = first.begin(operation, timeout=100.0)
    await asyncio.sleep(1.0)
    first.core.joining.ownership.heartbeat.stop()
    await asyncio.sleep(LEASE)
    charge = await second.ask(operation, timeout=28.0)
    wakes.set()
    told = await said(one)
    if isinstance(told, Charge):
        assert told.id == charge.id
    await asyncio.sleep(60.0)
    assert town.made(operation) == [charge.id]


@pytest.mark.parametrize("late", [0.0, 200.0])
@virtually
async def test_a_dead_owners_charge_that_emptied_the_voucher_is_no_not_charged(late: float) -> None:
    """The new reservation is refused then, so nothing is fenced: the charge is looked for all the same."""
    town = await Town.build()
    first, second = town.client(), town.client()
    town.script(Lot("hung answer"))
    one = first.begin("redeem", amount="50.00")
    await asyncio.sleep(1.0)
    await first.die()
    await asyncio.gather(one, return_exceptions=True)
    await asyncio.sleep(LEASE + late)
    town.script()
    charge = await second.redeem(amount="50.00", timeout=28.0)
    assert town.made("redeem") == [charge.id]
    (record,) = [each for each in await second.records() if each.state is CallState.DONE]
    assert record.charge is not None


@pytest.mark.parametrize("how", ["cancelled", "failed"])
@virtually
async def test_who_leaves_before_a_dead_owners_call_is_confirmed_leaves_it_open(how: str) -> None:
    town = await Town.build()
    first, second, third = (town.client() for _ in range(3))
    town.script(Lot("hung answer"))
    one = first.begin("redeem")
    await asyncio.sleep(1.0)
    await first.die()
    await asyncio.gather(one, return_exceptions=True)
    await asyncio.sleep(LEASE + 100.0)
    town.script(rest=(Lot("failed"),) * 200 if how == "failed" else (Lot("hung"),) * 20)
    two = second.begin("redeem", timeout=5.0)
    await asyncio.sleep(2.0)
    if how == "cancelled":
        two.cancel()
    (told,) = await asyncio.gather(two, return_exceptions=True)
    assert isinstance(told, (OutcomeUnknown, asyncio.CancelledError)), told
    (record,) = [each for each in await second.records() if each.key == "K-1"]
    assert record.state is CallState.OPEN
    town.script()
    charge = await third.redeem(timeout=100.0)
    assert town.made("redeem") == [charge.id]


@pytest.mark.parametrize("operation", ["redeem", "charge"])
@virtually
async def test_a_refusal_that_an_owner_gets_too_late_is_no_word_that_nothing_was_done(operation: str) -> None:
    """It was taken over while its request was under way; the other one has paid since."""
    town = await Town.build()
    first, second = town.client(), town.client()
    town.script(Lot("refused 409", wait=60.0))
    one = first.begin(operation, timeout=200.0)
    await asyncio.sleep(1.0)
    first.core.joining.ownership.heartbeat.stop()
    await asyncio.sleep(LEASE)
    charge = await second.ask(operation, timeout=38.0)
    told = await said(one)
    assert town.made(operation) == [charge.id]
    if isinstance(told, Charge):
        assert told.id == charge.id
    else:
        assert isinstance(told, OutcomeUnknown)
        assert told.proof is None


@operations
@virtually
async def test_an_owner_that_lives_keeps_its_call_however_long_that_takes(operation: str) -> None:
    town = await Town.build()
    first, second = town.client(), town.client()
    town.script(Lot(wait=40.0))
    one = first.begin(operation, timeout=200.0)
    await asyncio.sleep(LEASE + 1.0)
    two = second.begin(operation, timeout=200.0)
    charges = await asyncio.gather(one, two)
    assert {charge.id for charge in charges} == {*town.made(operation)}
    assert len(town.made(operation)) == 1
    assert second.wire.sent == []


@virtually
async def test_a_client_that_is_closed_keeps_nothing() -> None:
    town = await Town.build()
    first, second = town.client(), town.client()
    first.journal.pauses_at("save")
    one = first.begin("redeem")
    await asyncio.sleep(1.0)
    closing = asyncio.create_task(first.close())
    await asyncio.sleep(LEASE + 5.0)
    charge = await second.redeem()
    assert town.made("redeem") == [charge.id]
    first.journal.goes_on()
    await closing
    assert not isinstance(await said(one), Charge)
    assert town.made("redeem") == [charge.id]
