"""A dead worker whose repeat was carried out as well: the surplus is refunded once, whoever recovers it."""

from __future__ import annotations

import asyncio

import pytest

from tests.settlement.adversary import Lot
from tests.settlement.cut import Cut, Mode
from tests.settlement.test_keys_taken_over import LEASE
from tests.settlement.test_recovered import die
from tests.settlement.town import WINDOW, Client, Town
from tests.virtual import virtually
from voucher_async.models import Charge
from voucher_async.payments.call import CallState
from voucher_async.payments.recovery import Recovered

UNSEEN = Lot(lag=19.0, wait=1.0)  # a second apart, so that the one charge is older than the other


async def charged_twice() -> Town:
    """A town in which a worker has died that charged a reservation twice, on a server that does so."""
    town = await Town.build(double_charges=True)
    first = town.client()
    town.script(Lot("lost answer"), Lot("hung answer"), rest=(Lot(), UNSEEN, UNSEEN))
    call = first.begin("redeem", timeout=300.0)
    await asyncio.sleep(5.0)
    record = await first.record()
    assert (record.state, record.view.sends, len(town.made("redeem"))) == (CallState.SENT, 2, 2)
    await die(first, call)
    town.script()
    await asyncio.sleep(LEASE)
    return town


def standing(town: Town) -> list[str]:
    charges = town.adversary.emulator.charges(type="charge")
    return [each.id for each in charges if each.refunded < each.amount and each.id != town.charge.id]


async def check_refunded_once(town: Town, client: Client, where: str = "") -> None:
    (refund,) = town.made("refund")
    (charge,) = standing(town)
    record = await client.record()
    assert (record.state, record.charge and record.charge.id) == (CallState.DONE, charge), where
    refunding = [each for each in await client.records() if each.parameters.operation == "refundCharge"]
    assert [each.charge and each.charge.id for each in refunding if each.charge] == [refund], where
    assert (await client.redeem()).id == charge


@virtually
async def test_it_is_refunded_and_told() -> None:
    town = await charged_twice()
    second = town.client()
    recovered = await second.recover()
    assert len(recovered.done) == 1
    await check_refunded_once(town, second)
    assert [event.what for event in second.told] == ["surplus refunded", "recovered"]


@virtually
async def test_of_many_that_recover_at_once_one_refunds_it() -> None:
    town = await charged_twice()
    clients = [town.client() for _ in range(3)]
    await asyncio.gather(*(each.recover() for each in clients))
    await check_refunded_once(town, clients[0])


@pytest.mark.parametrize("mode", ["before", "after", "late"])
@virtually
async def test_it_is_refunded_once_though_who_recovers_it_dies_as_well(mode: Mode) -> None:
    cut = Cut()
    await cut.off((await charged_twice()).client()).recover()
    assert cut.steps > 6
    for at in range(1, cut.steps + 1):
        town = await charged_twice()
        mortal = Cut(at, mode)
        second = mortal.off(town.client())
        recovery = asyncio.create_task(second.recover())
        await mortal.met.wait()
        await mortal.die(second, recovery)
        await asyncio.sleep(LEASE)
        third = town.client()
        for _ in range(2):
            await third.recover()
        assert await third.recover() == Recovered()
        await check_refunded_once(town, third, f"it died {mode} step {at}")


@virtually
async def test_a_worker_that_settles_its_own_open_call_beside_a_recovery_refunds_it_once() -> None:
    """Its lease is over, as it drives nothing: it is taken for dead, and goes on looking all the same."""
    town = await Town.build(double_charges=True)
    first, second = town.client(), town.client()
    town.script(Lot("lost answer"), Lot("hung answer"), rest=(Lot(), UNSEEN, UNSEEN, *[Lot("failed")] * 6))
    call = first.begin("redeem", timeout=5.0)
    await asyncio.gather(call, return_exceptions=True)
    assert ((await first.record()).state, len(town.made("redeem"))) == (CallState.OPEN, 2)
    await asyncio.sleep(LEASE)
    await second.recover()
    await asyncio.sleep(120.0)
    assert len(town.made("refund")) == len(standing(town)) == 1
    assert (await second.record()).state is CallState.DONE


async def answered_with_the_second(town: Town) -> tuple[Client, Charge]:
    """A worker that was answered with the younger of two charges, and could not write that."""
    client = town.client()
    town.script(Lot("lost answer"), rest=(Lot(), UNSEEN, UNSEEN))
    client.journal.fails = lambda _, name: "before" if name == "save" and town.made("redeem")[1:] else None
    told = await client.redeem()
    client.journal.fails = lambda *_: None
    assert (await client.record()).state is CallState.SENT
    charges = town.adversary.emulator.charges("A-1")
    assert told.id != min(charges, key=lambda each: each.created_at).id
    return client, told


@virtually
async def test_what_a_worker_kept_that_died_is_kept() -> None:
    town = await Town.build(double_charges=True)
    first, told = await answered_with_the_second(town)
    await asyncio.sleep(2 * WINDOW)
    assert standing(town) == [told.id]
    await first.die()
    await asyncio.sleep(LEASE)
    (record,) = (await town.client().recover()).done
    assert record.charge is not None
    assert [record.charge.id] == standing(town) == [told.id]


@pytest.mark.parametrize("looks", [0, 5])
@virtually
async def test_two_that_keep_different_charges_refund_one_of_them(looks: int) -> None:
    town = await Town.build(double_charges=True)
    first, _ = await answered_with_the_second(town)
    second = town.client()
    first.core.joining.ownership.heartbeat.stop()
    town.script(rest=(Lot("failed"),) * looks)  # so the one or the other is faster
    await asyncio.sleep(LEASE)
    town.script()
    await asyncio.gather(second.recover(), first.recover())
    await asyncio.sleep(120.0)
    assert len(standing(town)) == len(town.made("refund")) == 1
    record = await second.record()
    assert (record.state, [record.charge and record.charge.id]) == (CallState.DONE, standing(town))
