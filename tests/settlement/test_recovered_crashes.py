"""A worker that dies, or stands still, at any step of its call, and another that recovers what it left."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from tests.settlement.cut import Cut, Mode
from tests.settlement.town import CHARGE, Client, Town, said
from tests.virtual import virtually
from voucher_async.errors import VoucherError
from voucher_async.events import Happened
from voucher_async.outcomes import CheckoutFailed, StillRunning
from voucher_async.payments.call import CHECKOUT, CallRecord, CallState
from voucher_async.payments.recovery import Recovered

LEASE = 15.0
PATIENCE = 100.0  # seconds of a caller that waits for whatever there is to wait for
OPERATIONS = ["redeem", "refund", "recharge", "checkout", "undone"]
CHECKOUTS = OPERATIONS[-2:]
everything = pytest.mark.parametrize("operation", OPERATIONS)
modes = pytest.mark.parametrize("mode", ["before", "after", "late"])


async def ask(client: Client, operation: str) -> set[str]:
    """The ids of what a caller is told to be done."""
    if operation == "checkout":
        return {charge.id for charge in await client.checkout()}
    if operation == "undone":
        return await take_back(client)
    return {(await client.ask(operation, timeout=PATIENCE)).id}


async def take_back(client: Client) -> set[str]:
    """Pay with two vouchers, of which the second one is refused, so that the first is refunded."""
    emulator, (_, second, _) = client.town.adversary.emulator, client.town.vouchers
    emulator.set_status(second.id, "active")
    order = {"order_number": "A-1", "currency": "EUR", "idempotency_key": "K-1"}
    with contextlib.suppress(CheckoutFailed):
        async with client.core.lifecycle.checkout(**order) as checkout:
            for voucher in client.town.vouchers[:2]:
                await checkout.reserve(code=voucher.code, amount="4.00")
            emulator.set_status(second.id, "inactive")
            await checkout.charge()
    return set()


def standing(town: Town, operation: str) -> set[str]:
    """The ids of what was made, and not taken back by a checkout."""
    if operation not in CHECKOUTS:
        return {*town.made(operation)}
    charges = town.adversary.emulator.charges(type="charge")
    return {each.id for each in charges if each.refunded < each.amount} - {town.charge.id}


async def steps_of(operation: str) -> int:
    """The number of steps of a call that nothing happens to."""
    town = await Town.build()
    cut = Cut()
    await ask(cut.off(town.client()), operation)
    assert cut.steps > 2
    return cut.steps


async def cut_off(town: Town, operation: str, cut: Cut) -> tuple[Client, asyncio.Task[set[str]]]:
    """A client that stands still at a step, and its call."""
    first = cut.off(town.client())
    call = asyncio.create_task(ask(first, operation))
    await cut.met.wait()
    return first, call


async def died(town: Town, operation: str, at: int, mode: Mode) -> str:
    """Let a worker die at a step of its call, and its lease end; returns where that was."""
    cut = Cut(at, mode)
    await cut.die(*await cut_off(town, operation, cut))
    await asyncio.sleep(LEASE)
    return f"the worker died {mode} step {at}"


def told_by(record: CallRecord, records: list[CallRecord]) -> set[str]:
    """The ids of what stands, by the record of a call, and those of its charges if it is a checkout."""
    if record.state is CallState.NOT_DONE:
        return set()
    is_checkout = record.parameters.operation == CHECKOUT
    made = [each for each in records if each.parent == record.id] if is_checkout else [record]
    return {each.charge.id for each in made if each.charge is not None}


async def check_records(town: Town, client: Client, operation: str, where: str) -> None:
    """Every record has ended, and says what the server's ledger says."""
    records = await client.records()
    assert [each for each in records if not each.ended] == [], where
    said = [told_by(each, records) for each in records if each.key == "K-1"]
    told = set[str]().union(*said)
    assert told == standing(town, operation), where
    assert sum(map(bool, said)) <= 1, where
    assert len(told) in {0, {"checkout": 2, "undone": 0}.get(operation, 1)}, where


@everything
@modes
@virtually
async def test_whatever_a_dead_worker_left_is_ended_as_the_ledger_says(operation: str, mode: Mode) -> None:
    ends = set[int]()
    for at in range(1, await steps_of(operation) + 1):
        town = await Town.build()
        where = await died(town, operation, at, mode)
        second = town.client()
        recovered = await second.recover()
        assert recovered.open == (), where
        await check_records(town, second, operation, where)
        ends.add(len(standing(town, operation)))
        made = standing(town, operation)
        told = await ask(second, operation)
        assert told == standing(town, operation), where
        assert made in ({*told}, set()), where
        assert (await second.recover()) == Recovered()
    assert len(ends) == 2 - (operation == "undone")  # some calls were carried out, some were not


@everything
@modes
@virtually
async def test_a_worker_that_wakes_up_after_the_recovery_does_no_harm(operation: str, mode: Mode) -> None:
    for at in range(1, await steps_of(operation) + 1):
        town = await Town.build()
        where = f"the worker stood still {mode} step {at}"
        cut = Cut(at, mode)
        first, call = await cut_off(town, operation, cut)
        first.core.joining.ownership.heartbeat.stop()  # a paused process renews nothing
        second = town.client()
        await asyncio.sleep(LEASE)
        await second.recover()
        before = await said_ids(second, operation)
        cut.over.set()
        told = await said(call)
        await asyncio.sleep(60.0)
        await second.recover()
        assert standing(town, operation) == before, where
        assert told == before or isinstance(told, VoucherError), where
        assert getattr(told, "proof", None) is None or isinstance(told, StillRunning), where
        await check_records(town, second, operation, where)


async def said_ids(client: Client, operation: str) -> Any:
    told = await ask(client, operation)
    assert told or operation == "undone"
    return told


@everything
@modes
@virtually
async def test_of_two_that_recover_at_once_each_record_is_ended_by_one(operation: str, mode: Mode) -> None:
    for at in range(1, await steps_of(operation) + 1):
        town = await Town.build()
        where = await died(town, operation, at, mode)
        two = [town.client(), town.client()]
        for each in two:
            each.journal.slow = True
        recovered = await asyncio.gather(*(each.recover() for each in two for _ in range(2)))
        await check_records(town, two[0], operation, where)
        by = {id(each): told for each, told in zip(two, recovered[::2], strict=True)}
        ids = [record.id for each in by.values() for record in (*each.done, *each.not_done)]
        assert len(ids) == len({*ids}), where
        told = [event.what for each in two for event in each.told if event.what is Happened.RECOVERED]
        assert len(told) <= (3 if operation in CHECKOUTS else 1), where
        assert [each.wire.sent.count(CHARGE) for each in two] == [0, 0], where
