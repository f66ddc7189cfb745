"""What a return gave back stays known: its key is not freed, and no answer tells less than was given back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.settlement.adversary import Lot
from tests.settlement.returns import left, pay, refund_order, refunds
from tests.settlement.town import Town, said
from tests.virtual import virtually
from voucher_async.errors import InvalidInput, JournalFailed, Proof
from voucher_async.models import Charge
from voucher_async.order_refunds import OrderRefund, OrderRefundFailed, OrderRefundUnknown
from voucher_async.outcomes import OutcomeUnknown
from voucher_async.payments.call import CallRecord
from voucher_async.payments.resolving import Verdict, resolve
from voucher_async.testing import habits

LEASE = 15.0
REFUSED, LOST = Lot("refused 409"), Lot("lost", late=1e6)


async def carried_out_late(town: Town, charge: Charge, amount: str) -> None:
    """A proxy's copy of a refused refund arrives."""
    await town.client(scope="a proxy's copy").core.charges.refund(charge, amount, currency="EUR")


@virtually
async def test_a_charge_in_doubt_keeps_the_key_of_a_return_that_has_begun() -> None:
    """Its key was freed, and the next caller gave all of it back once more."""
    town, client = await Town.with_client()
    await pay(client, "5.00", "7.00", "9.00")
    town.script(Lot(), REFUSED)
    assert isinstance(await said(refund_order(client, "12.00", "return-1")), OrderRefundFailed)
    town.script(*[LOST] * 9)
    payment = client.redeem("K-2", code=town.vouchers[1].code, amount="1.00", timeout=3.0)
    assert isinstance(await said(payment), OutcomeUnknown)
    error = await said(refund_order(client, "12.00", "return-1", timeout=0.1))
    assert type(error) is OrderRefundFailed
    assert error.amount == 9
    assert (error.proof, len(error.open_calls)) == (None, 1)
    town.script()
    assert (await refund_order(client, "12.00", "return-1", timeout=90.0)).amount == 12
    assert sum(refunds(town)) == 12


@virtually
async def test_a_late_refund_that_cannot_be_stored_lets_nothing_be_sent() -> None:
    town, client = await Town.with_client()
    (charge,) = await pay(client, "9.00")
    town.script(REFUSED)
    await said(refund_order(client, "4.00", "return-1"))
    await carried_out_late(town, charge, "4.00")
    claims: list[int] = []

    def fail(number: int, name: str) -> str | None:
        claims.extend([number] * (name == "claim"))
        return "before" if name == "claim" and len(claims) > 1 else None  # the first claim is that of the key

    client.journal.fails = fail
    error = await said(refund_order(client, "4.00", "return-1"))
    assert isinstance(error, OrderRefundFailed)
    assert isinstance(error.__cause__, JournalFailed)
    assert error.proof is None
    client.journal.fails = lambda _number, _name: None
    assert (await refund_order(client, "4.00", "return-1")).amount == sum(refunds(town)) == 4


@virtually
async def test_a_worker_that_dies_once_it_has_stored_a_late_refund_leaves_the_key_used() -> None:
    """Its record was only begun, so recovery freed the key."""
    town, client = await Town.with_client()
    (charge,) = await pay(client, "9.00")
    town.script(REFUSED)
    await said(refund_order(client, "4.00", "return-1"))
    await carried_out_late(town, charge, "4.00")
    second, stored = town.client(), asyncio.Event()

    async def stand_still(_refund: Charge, **_of: Any) -> None:
        stored.set()
        await asyncio.Event().wait()

    vars(second.core.joining.ownership)["note_refund"] = stand_still
    call = asyncio.create_task(refund_order(second, "4.00", "return-1"))
    await stored.wait()
    await second.die()
    await asyncio.gather(call, return_exceptions=True)
    await asyncio.sleep(LEASE)
    third = town.client()
    await third.recover()
    assert (await refund_order(third, "4.00", "return-1")).amount == sum(refunds(town)) == 4


@virtually
async def test_a_refused_part_that_cannot_be_looked_for_is_not_told_as_not_sent() -> None:
    town, client = await Town.with_client()
    await pay(client, "9.00")
    town.script(REFUSED)
    await said(refund_order(client, "4.00", "return-1"))
    town.script(rest=(Lot("failed"),) * 60)
    for _ in "12":  # the second one goes on with the first
        error = await said(refund_order(client, "4.00", "return-1", timeout=5.0))
        assert isinstance(error, OrderRefundUnknown)
        assert error.proof is None
    town.script()
    assert (await refund_order(client, "4.00", "return-1", timeout=90.0)).amount == 4


@virtually
async def test_a_return_that_sent_something_before_is_not_told_as_not_sent() -> None:
    town, client = await Town.with_client()
    (charge,) = await pay(client, "9.00")
    town.script(LOST, *[REFUSED] * 3)
    assert isinstance(await said(refund_order(client, "4.00", "return-1", timeout=3.0)), OrderRefundUnknown)
    await asyncio.sleep(60.0)
    town.script()
    await client.core.charges.refund(charge, "8.00")
    error = await said(refund_order(client, "4.00", "return-1"))
    assert isinstance(error, OrderRefundFailed)
    assert error.proof is Proof.ABSENT
    assert (await refund_order(client, "1.00", "return-1")).amount == 1  # the key is free


@pytest.mark.parametrize("by", ["its client", "another one"])
@virtually
async def test_a_refund_whose_end_was_not_written_is_no_less_given_back(by: str) -> None:
    """The sum was told without it."""
    town, client = await Town.with_client()
    await pay(client, "5.00", "7.00")
    ownership = client.core.joining.ownership
    save = ownership.save

    async def fail(record: CallRecord, *, durable: bool = False) -> bool:
        if record.parent is not None and record.charge is not None:
            raise JournalFailed("the disk is full")
        return await save(record, durable=durable)

    vars(ownership)["save"] = fail
    assert (await refund_order(client, None, "return-1")).amount == 12
    del vars(ownership)["save"]
    other = client if by == "its client" else town.client()
    unsettled = await said(refund_order(other, None, "return-1", timeout=0.1))
    assert isinstance(unsettled, OrderRefund if by == "its client" else OrderRefundUnknown)
    assert (await refund_order(other, None, "return-1")).amount == sum(refunds(town)) == 12


@virtually
async def test_a_refund_that_the_journal_knows_to_be_another_orders_is_not_counted() -> None:
    """Nothing was given back, and the answer said that nothing was left."""
    town, client = await Town.with_client()
    await pay(client, "5.00")
    await pay(client, "5.00", order_number="B-9")
    town.adversary.emulator.habits.order_numbers = habits.OrderNumbers(null=True)
    assert (await refund_order(client, order_number="B-9")).amount == 5
    assert (await refund_order(client)).amount == 5
    assert set(left(town)) == {0}


@virtually
async def test_one_return_is_given_back_in_one_currency() -> None:
    town, client = await Town.with_client()
    one, _two = await pay(client, "5.00", "7.00")
    town.script(Lot(), REFUSED)
    assert isinstance(await said(refund_order(client, "9.00", "return-1")), OrderRefundFailed)
    await client.core.charges.refund(one)
    dollars = town.adversary.emulator.add_voucher(amount="9.00", currency="USD")
    await client.redeem("K-2", code=dollars.code, currency="USD")
    error = await said(refund_order(client, "9.00", "return-1"))
    assert isinstance(error, OrderRefundFailed)
    assert error.amount == 7
    assert error.proof is None
    assert "was given back in EUR, and USD is left" in str(error)
    assert (await refund_order(client, "4.00", "return-2")).currency == "USD"


@virtually
async def test_an_operator_cannot_free_the_key_of_a_return_that_gave_something_back() -> None:
    town, client = await Town.with_client()
    await pay(client, "5.00", "7.00")
    town.script(Lot(), REFUSED)
    assert isinstance(await said(refund_order(client, "9.00", "return-1")), OrderRefundFailed)
    pending = (await client.record("return-1")).view
    verdict = Verdict(charge=None, by="Jo", why="no refund is shown")
    core, deadline = client.core, client.wire.deadline(5.0)
    with pytest.raises(InvalidInput, match="a part of which was made: ask again with its key"):
        await resolve(core.supervisor, core.joining.ownership, pending, verdict, deadline)
    assert (await refund_order(client, "9.00", "return-1")).amount == sum(refunds(town)) == 9
