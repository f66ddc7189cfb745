"""The history of money calls, and an operator's verdict."""

from __future__ import annotations

import asyncio

import pytest

from voucher_async import (
    CallState,
    Charge,
    InvalidInput,
    NotFound,
    OutcomeUnknown,
    PendingOutcome,
    Proof,
    SettlementState,
    VoucherClient,
)
from voucher_async.testing import VoucherEmulator, faults


@pytest.fixture
def client(voucher_client: VoucherClient) -> VoucherClient:
    return voucher_client


async def left_open(
    emulator: VoucherEmulator, client: VoucherClient, key: str = "r"
) -> tuple[PendingOutcome, list[Charge]]:
    """A recharge by code alone whose answer was lost, which nothing can settle, and what it left."""
    voucher = emulator.add_voucher(amount="10.00")
    emulator.faults.script("rechargeVoucher", faults.BreakAfter())
    with pytest.raises(OutcomeUnknown) as caught:
        await recharge(client, voucher.code, key)
    return caught.value.pending, [each async for each in client.vouchers.list_charges(voucher.id)]


async def recharge(client: VoucherClient, code: str, key: str = "r") -> Charge:
    return await client.vouchers.recharge(
        code=code, amount="5.00", currency="EUR", order_number="R-1", idempotency_key=key
    )


async def test_a_call_that_was_carried_out_by_an_operator_s_word_is_done(
    emulator: VoucherEmulator, client: VoucherClient
) -> None:
    pending, (made,) = await left_open(emulator, client)
    settlement = await client.resolve(pending, done=made, by="ann", why="seen in the Admin UI")
    assert (settlement.state, settlement.charge) == (SettlementState.DONE, made)
    assert client.pending == ()
    code = emulator.vouchers()[0].code
    assert await recharge(client, code) == made
    (record,) = [each async for each in client.history(key="r")]
    assert (record.state, record.transitions[-1].by) == (CallState.DONE, "ann")
    assert record.transitions[-1].why == "seen in the Admin UI"


async def test_an_operator_s_word_that_nothing_was_done_frees_the_key(
    emulator: VoucherEmulator, client: VoucherClient
) -> None:
    voucher = emulator.add_voucher(amount="10.00")
    emulator.faults.script("rechargeVoucher", faults.BreakBefore())
    with pytest.raises(OutcomeUnknown) as caught:
        await recharge(client, voucher.code)
    settlement = await client.resolve(caught.value.pending, not_done=True, by="ann", why="not in the list")
    assert (settlement.state, settlement.proof) == (SettlementState.NOT_DONE, Proof.RESOLVED)
    await recharge(client, voucher.code)
    assert emulator.balance(voucher.id) == 15


async def test_a_verdict_by_the_charge_s_id_needs_the_charge_to_be_there(
    emulator: VoucherEmulator, client: VoucherClient
) -> None:
    pending, (made,) = await left_open(emulator, client)
    with pytest.raises(InvalidInput, match="must be the charge, not its id"):
        await client.resolve(pending, done=made.id, by="ann", why="seen")
    voucher = emulator.add_voucher(amount="50.00")
    charge = await client.redeem(code=voucher.code, amount="5.00", currency="EUR", order_number="A-1")
    known = PendingOutcome(operation="chargeReservation", voucher_id=voucher.id, order_number="A-1")
    with pytest.raises(NotFound):
        await client.resolve(known, done="nowhere", by="ann", why="seen")
    assert (await client.resolve(known, done=charge, by="ann", why="seen")).charge == charge


async def test_the_charge_of_another_call_is_no_verdict(
    emulator: VoucherEmulator, client: VoucherClient
) -> None:
    pending, (made,) = await left_open(emulator, client)
    await client.resolve(pending, done=made, by="ann", why="seen")
    other, _ = await left_open(emulator, client, "another key")
    with pytest.raises(InvalidInput, match=f"that of the call {pending.id}"):
        await client.resolve(other, done=made, by="ann", why="seen")
    assert other in client.pending


@pytest.mark.parametrize(
    ("verdict", "field"),
    [
        ({}, "done"),
        ({"done": "c", "not_done": True}, "done"),
        ({"not_done": True, "by": ""}, "by"),
        ({"not_done": True, "by": "a\nb"}, "by"),
        ({"not_done": True, "why": " "}, "why"),
        ({"not_done": True, "why": "x" * 1001}, "why"),
    ],
)
async def test_a_verdict_says_one_thing_who_said_it_and_why(
    emulator: VoucherEmulator, client: VoucherClient, verdict: dict[str, object], field: str
) -> None:
    given = {"by": "ann", "why": "seen", **verdict}
    with pytest.raises(InvalidInput) as caught:
        await client.resolve(PendingOutcome(operation="rechargeVoucher"), **given)  # type: ignore[arg-type] # bad on purpose
    assert caught.value.field == field


async def test_what_has_ended_is_not_resolved_again(emulator: VoucherEmulator, client: VoucherClient) -> None:
    pending, (made,) = await left_open(emulator, client)
    await client.resolve(pending, done=made, by="ann", why="seen")
    with pytest.raises(InvalidInput, match="is not open"):
        await client.resolve(pending, not_done=True, by="bob", why="no")


async def test_the_history_of_an_order_tells_each_call_and_whether_anybody_was_told(
    emulator: VoucherEmulator, client: VoucherClient
) -> None:
    voucher = emulator.add_voucher(amount="50.00")
    charge = await client.redeem(code=voucher.code, amount="5.00", currency="EUR", order_number="A-1")
    await client.charges.refund(charge, "2.00", currency="EUR", idempotency_key="return-1")
    await client.redeem(code=voucher.code, amount="1.00", currency="EUR", order_number="A-2")
    records = [each async for each in client.history(order_number="A-1")]
    assert [(each.parameters.operation, each.state, each.told) for each in records] == [
        ("redeem", CallState.DONE, True),
        ("refundCharge", CallState.DONE, True),
    ]
    assert [each.key async for each in client.history(key="return-1")] == ["return-1"]
    assert [each async for each in client.history(told=False)] == []
    assert len([each async for each in client.history(told=True)]) == 3


async def test_a_charge_that_nobody_was_told_of_is_listed_until_it_is_acknowledged(
    emulator: VoucherEmulator, client: VoucherClient
) -> None:
    voucher = emulator.add_voucher(amount="50.00")
    emulator.faults.script("chargeReservation", faults.SlowHeaders(0.3))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.15):
            await client.redeem(
                code=voucher.code, amount="5.00", currency="EUR", order_number="A-1", idempotency_key="A-1"
            )
    async with asyncio.timeout(5):
        while not (untold := [each async for each in client.history(told=False)]):
            await asyncio.sleep(0.02)
    assert await client.acknowledge(untold[0])
    assert [each async for each in client.history(told=False)] == []
