"""The code asks the machine: with another machine, it does something else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.settlement.adversary import Lot
from tests.settlement.town import Client, Town, said
from tests.virtual import virtually
from voucher_async.errors import ChargeRefunded, IdempotencyMismatch, StillRunning
from voucher_async.payments.facts import Asked, Call, Limits, Step
from voucher_async.payments.machine import GUARDS, Machine

if TYPE_CHECKING:
    from collections.abc import Mapping

    from voucher_async.payments.machine import Guard


def guards_without(name: str) -> Mapping[str, Guard]:
    return {each: guard for each, guard in GUARDS.items() if each != name}


def drive_by(client: Client, limits: Limits | None = None, without: str = "") -> None:
    """Give a client another machine."""
    settler = client.core.settler
    settler.machine = Machine(limits or settler.machine.limits, guards_without(without))


@pytest.mark.parametrize("operation", ["redeem", "charge"])
@virtually
async def test_the_machine_says_how_old_a_charge_may_be_to_be_handed_out_unread(operation: str) -> None:
    town = await Town.build()
    client = town.client()
    charge = await client.ask(operation)
    await town.client(scope="an Admin UI").refund(None, of=charge, amount=None)
    drive_by(client, Limits(fresh=5.0))
    assert (await client.ask(operation)).id == charge.id
    await asyncio.sleep(6.0)
    assert isinstance(await said(client.ask(operation)), ChargeRefunded)


@virtually
async def test_the_machine_says_that_a_charge_taken_back_is_not_handed_out() -> None:
    town = await Town.build()
    client = town.client()
    charge = await client.redeem()
    await client.refund(None, of=charge, amount=None)
    assert isinstance(await said(client.redeem()), ChargeRefunded)
    drive_by(client, without="stands")
    assert (await client.redeem()).id == charge.id


@virtually
async def test_the_machine_says_that_a_key_belongs_to_its_parameters() -> None:
    town = await Town.build()
    client = town.client()
    charge = await client.redeem()
    assert isinstance(await said(client.redeem(order_number="A-2")), IdempotencyMismatch)
    drive_by(client, without="same_parameters")
    assert (await client.redeem(order_number="A-2")).id == charge.id


class Hurried(Machine):
    """A machine that has no time."""

    def next_for(self, call: Call | None, asked: Asked) -> Step:
        return super().next_for(call, asked._replace(is_late=True))


@virtually
async def test_the_machine_says_who_is_told_that_a_call_still_runs() -> None:
    town = await Town.build()
    first, second = town.client(), town.client()
    town.script(Lot(wait=2.0))
    running = first.begin("redeem")
    await asyncio.sleep(1.0)
    second.core.settler.machine = Hurried()
    began = town.clock.monotonic()
    assert isinstance(await said(second.redeem()), StillRunning)
    assert town.clock.monotonic() == began
    await running
