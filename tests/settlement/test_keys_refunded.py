"""A key whose charge was taken back: it was made, and the key stays used."""

from __future__ import annotations

import asyncio

import pytest

from tests.settlement.adversary import Lot
from tests.settlement.town import Town, everywhere, said
from tests.virtual import virtually
from voucher_async.outcomes import ChargeRefunded


@pytest.mark.parametrize("operation", ["redeem", "charge"])
@everywhere
@virtually
async def test_a_charge_taken_back_is_no_payment_any_more(operation: str, where: str) -> None:
    town, first, second = await Town.with_two(where)
    charge = await first.ask(operation)
    refund = await second.refund(None, of=charge, amount=None)
    for client in (first, second, town.client()):
        client.wire.sent.clear()
        error = await said(client.ask(operation))
        assert isinstance(error, ChargeRefunded)
        assert (error.charge.id, [each.id for each in error.refunds]) == (charge.id, [refund.id])
        assert client.wire.sent == []
    assert len(town.made(operation)) == 1


@pytest.mark.parametrize("operation", ["redeem", "charge"])
@virtually
async def test_a_charge_that_was_taken_back_elsewhere_is_seen_in_the_list(operation: str) -> None:
    town, client = await Town.with_client()
    charge = await client.ask(operation)
    stranger = town.client(scope="an Admin UI")
    refund = await stranger.refund(None, of=charge, amount=None)
    assert (await client.ask(operation)).id == charge.id  # the record is young, so nothing is read
    await asyncio.sleep(61.0)
    for _ in range(2):
        error = await said(client.ask(operation))
        assert isinstance(error, ChargeRefunded)
        assert [each.id for each in error.refunds] == [refund.id]
    assert len(town.made(operation)) == 1


@virtually
async def test_a_charge_taken_back_in_parts_is_taken_back_with_the_last() -> None:
    town, client = await Town.with_client()
    charge = await client.redeem()
    await client.refund(None, of=charge, amount="1.00")
    await asyncio.sleep(61.0)
    assert (await client.redeem()).id == charge.id
    await town.client(scope="elsewhere").refund(None, of=charge, amount="1.00")
    assert (await client.redeem()).id == charge.id
    await client.refund(None, of=charge, amount="2.00")
    await asyncio.sleep(61.0)
    error = await said(client.redeem())
    assert isinstance(error, ChargeRefunded)
    assert len(error.refunds) == 3


@virtually
async def test_refunds_that_cannot_be_told_apart_take_nothing_back() -> None:
    """Two charges share an order: a refund in the list may be of the other one."""
    town, client = await Town.with_client()
    one = await client.redeem("K-1")
    two = await client.redeem("K-2")
    assert one.id != two.id
    await town.client(scope="elsewhere").refund(None, of=two, amount=None)
    await asyncio.sleep(61.0)
    assert (await client.redeem("K-1")).id == one.id
    assert (await client.redeem("K-2")).id == two.id
    await town.client(scope="elsewhere").refund(None, of=one, amount=None)
    assert isinstance(await said(client.redeem("K-1")), ChargeRefunded)


@pytest.mark.parametrize("how", ["failed", "lost", "refused 403", "garbage"])
@virtually
async def test_a_read_that_fails_changes_nothing(how: str) -> None:
    town, client = await Town.with_client()
    charge = await client.redeem()
    await town.client(scope="elsewhere").refund(None, of=charge, amount=None)
    await asyncio.sleep(61.0)
    town.script(rest=(Lot(how),) * 9)
    assert (await client.redeem()).id == charge.id
