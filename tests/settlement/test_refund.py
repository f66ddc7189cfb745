"""Refunds and recharges whose answer is lost: told apart by the ids that were there before."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import attrs
import pytest

from tests.settlement.conftest import Shop
from voucher_async import (
    CallTimeout,
    Charge,
    ConnectionBroken,
    Fate,
    OutcomeUnknown,
    PendingOutcome,
    Proof,
    ServerError,
    SettlementState,
    VoucherClient,
)
from voucher_async.testing import faults

REFUND = "refundCharge"
RECHARGE = "rechargeVoucher"
LIST = "listCharges"
DONE_AND_LOST: list[faults.Fault] = [faults.BreakAfter(), faults.ServerError(acted=True), faults.CutOff()]


async def paid(shop: Shop) -> Charge:
    voucher = shop.voucher()
    return await shop.client.redeem(code=voucher.code, amount="9", currency="EUR", order_number="A-1")


async def refund(shop: Shop, charge: Charge, amount: str | None = "3", **more: Any) -> Charge:
    return await shop.during(shop.client.charges.refund(charge, amount, currency="EUR", **more))


@pytest.mark.parametrize("fault", DONE_AND_LOST)
async def test_a_refund_that_was_made_is_found(shop: Shop, fault: faults.Fault) -> None:
    charge = await paid(shop)
    shop.script(REFUND, fault)
    made = await refund(shop, charge)
    assert [made.id] == shop.refunded()
    assert shop.count(REFUND) == 1


async def test_two_equal_refunds_are_told_apart_by_the_ids_known_before(shop: Shop) -> None:
    charge = await paid(shop)
    first = await refund(shop, charge)
    shop.script(REFUND, faults.BreakAfter())
    second = await refund(shop, charge)
    assert [first.id, second.id] == shop.refunded()
    shop.script(REFUND, faults.BreakBefore())
    third = await refund(shop, charge)
    assert [first.id, second.id, third.id] == shop.refunded()
    assert shop.told.intents[-1].known == (first.id, second.id)


async def test_a_refund_is_sent_again_only_when_the_first_is_certainly_lost(shop: Shop) -> None:
    charge = await paid(shop)
    shop.script(REFUND, faults.BreakBefore())
    begun = shop.clock.monotonic()
    made = await refund(shop, charge)
    assert shop.clock.monotonic() - begun >= 10.0
    assert [made.id] == shop.refunded()
    assert shop.count(REFUND) == 2


async def test_a_refund_that_is_carried_out_late_is_not_made_twice(shop: Shop) -> None:
    charge = await paid(shop)
    shop.script(REFUND, faults.CommitLate(8.0))
    made = await refund(shop, charge)
    await shop.during(shop.emulator.faults.settled())
    assert [made.id] == shop.refunded()
    assert shop.count(REFUND) == 1


async def test_a_refund_that_got_lost_again_and_again_was_not_made(shop: Shop) -> None:
    charge = await paid(shop)
    shop.script(REFUND, *[faults.BreakBefore()] * 9)
    with pytest.raises(ConnectionBroken) as caught:
        await refund(shop, charge, timeout=60.0)
    assert caught.value.fate is Fate.NOT_DONE
    assert shop.refunded() == []
    assert shop.count(REFUND) == 3


async def test_equal_refunds_at_once_wait_for_each_other(shop: Shop) -> None:
    charge = await paid(shop)
    shop.script(REFUND, faults.BreakAfter(), faults.BreakBefore(), faults.BreakAfter())
    made = await shop.during(wait_all([refund_of(shop.client, charge) for _ in range(3)]))
    assert {each.id for each in made} == set(shop.refunded())
    assert len(shop.refunded()) == 3


async def refund_of(client: VoucherClient, charge: Charge) -> Charge:
    return await client.charges.refund(charge, "3", currency="EUR", timeout=60.0)


async def wait_all(calls: list[Any]) -> list[Charge]:
    return list(await asyncio.gather(*calls))


async def test_a_deadline_that_passes_in_the_line_sends_nothing(shop: Shop) -> None:
    charge = await paid(shop)
    shop.script(REFUND, faults.SlowHeaders(5.0))
    first = asyncio.create_task(refund_of(shop.client, charge))
    while not shop.count(REFUND):
        await asyncio.sleep(0)
    with pytest.raises(CallTimeout) as caught:
        await shop.client.charges.refund(charge, "3", currency="EUR", timeout=0.01)
    assert caught.value.fate is Fate.NOT_SENT
    await shop.during(wait_all([first]))
    assert shop.count(REFUND) == 1


async def twice_paid(shop: Shop) -> tuple[Charge, Charge]:
    """Two equal charges of one order."""
    voucher = shop.voucher()
    payment: dict[str, Any] = {"code": voucher.code, "amount": "3", "currency": "EUR", "order_number": "A-1"}
    return await shop.client.redeem(**payment), await shop.client.redeem(**payment)


@pytest.mark.parametrize("lost", [(faults.BreakBefore(), faults.BreakAfter()), (faults.BreakAfter(),) * 2])
async def test_refunds_of_two_equal_charges_are_never_in_doubt_at_once(
    shop: Shop, lost: tuple[faults.Fault, ...]
) -> None:
    shop.script(REFUND, *lost)

    async def give_back(charge: Charge) -> Charge | None:
        try:
            return await shop.client.charges.refund(charge, currency="EUR", timeout=5.0)
        except OutcomeUnknown:
            return None
        except CallTimeout:  # while waiting for its turn
            return await shop.client.charges.refund(charge, currency="EUR", timeout=60.0)

    first, second = await twice_paid(shop)
    made = await shop.during(wait_all([give_back(first), give_back(second)]))
    await shop.until(lambda: not shop.client.pending)
    told = [each.id for each in made if each is not None]
    settled = [event.charge.id for event in shop.told.settled if event.charge is not None]
    assert sorted(told + settled) == sorted(shop.refunded())
    assert made[1] is not None
    assert shop.count(REFUND) == 2


async def test_a_refund_waits_until_an_equal_one_that_is_open_is_clear(shop: Shop) -> None:
    first, second = await twice_paid(shop)
    shop.script(REFUND, faults.CommitLate(8.0))
    with pytest.raises(OutcomeUnknown):
        await refund(shop, first, None, timeout=1.0)
    with pytest.raises(CallTimeout, match="nothing was sent") as caught:
        await shop.during(shop.client.charges.refund(second, currency="EUR", timeout=1.0))
    assert caught.value.fate is Fate.NOT_SENT
    assert shop.count(REFUND) == 1
    shop.script(REFUND, faults.BreakAfter())
    made = await refund(shop, second, None)
    assert shop.told.words == ["done"]
    assert shop.told.settled[0].charge is not None
    assert [shop.told.settled[0].charge.id, made.id] == shop.refunded()
    assert shop.client.pending == ()


async def test_a_refund_does_not_wait_for_an_equal_one_that_stays_open(shop: Shop) -> None:
    first, second = await twice_paid(shop)
    blind = shop.emulator.add_client(scopes=["use"])
    async with shop.another(client_id=blind.id, client_secret=blind.secret) as client:
        shop.script(REFUND, faults.BreakAfter())
        with pytest.raises(OutcomeUnknown):
            await shop.during(client.charges.refund(first, currency="EUR"))
        made = await shop.during(client.charges.refund(second, currency="EUR"))
        assert made.id == shop.refunded()[1]
        assert len(client.pending) == 1


async def test_a_refund_by_an_id_of_which_the_journal_knows_nothing_is_open(shop: Shop) -> None:
    charge, client = await paid(shop), shop.another()
    shop.script(REFUND, faults.BreakAfter())
    with pytest.raises(OutcomeUnknown, match="voucher's id is not known"):
        await shop.during(client.charges.refund(charge.id, "3", currency="EUR"))
    assert shop.count(LIST) == 0
    await client.aclose(wait=0)


async def blindly_refunded(shop: Shop, fault: faults.Fault) -> PendingOutcome:
    """A refund by a client with fewer rights, which does not know the ids there were before."""
    charge = await paid(shop)
    blind = shop.emulator.add_client(scopes=["use"])
    client = shop.another(client_id=blind.id, client_secret=blind.secret)
    shop.script(REFUND, fault)
    with pytest.raises(OutcomeUnknown) as caught:
        await shop.during(client.charges.refund(charge, "3", currency="EUR"))
    await client.aclose(wait=0)
    assert caught.value.pending.known is None
    return attrs.evolve(caught.value.pending, client_id=None)


async def test_without_the_ids_known_before_what_is_found_may_be_anybodys(shop: Shop) -> None:
    pending = await blindly_refunded(shop, faults.BreakAfter())
    with pytest.raises(OutcomeUnknown, match="another call"):
        await shop.during(shop.client.settle(pending, timeout=15.0))


async def test_without_the_ids_known_before_what_is_absent_was_not_done(shop: Shop) -> None:
    pending = await blindly_refunded(shop, faults.BreakBefore())
    settlement = await shop.during(shop.client.settle(pending))
    assert settlement.state is SettlementState.NOT_DONE
    assert settlement.proof is Proof.ABSENT


async def test_a_refund_that_was_refused_was_not_made(shop: Shop) -> None:
    charge = await paid(shop)
    await refund(shop, charge, "9")
    shop.script(LIST, faults.ServerError(), faults.ServerError(), faults.ServerError(), faults.ServerError())
    with pytest.raises(ServerError) as caught:
        await refund(shop, charge, "9")
    assert caught.value.fate is Fate.NOT_SENT  # the read before the request failed
    assert shop.count(REFUND) == 1


@pytest.mark.parametrize("fault", [*DONE_AND_LOST, faults.BreakBefore(), faults.CommitLate(8.0)])
async def test_a_recharge_by_id_is_made_once(shop: Shop, fault: faults.Fault) -> None:
    voucher = shop.voucher()
    body: dict[str, Any] = {"amount": "5", "currency": "EUR", "order_number": "R-1", "id": voucher.id}
    first = await shop.client.vouchers.recharge(**body)
    shop.script(RECHARGE, fault)
    second = await shop.during(shop.client.vouchers.recharge(**body))
    await shop.during(shop.emulator.faults.settled())
    assert [first.id, second.id] == [charge.id for charge in shop.emulator.charges("R-1")]
    assert shop.emulator.balance(voucher.id) == Decimal("35.00")


async def test_a_recharge_by_code_is_open(shop: Shop) -> None:
    voucher = shop.voucher()
    shop.script(RECHARGE, faults.BreakAfter())
    with pytest.raises(OutcomeUnknown, match="voucher's id is not known") as caught:
        await shop.client.vouchers.recharge(amount="5", currency="EUR", order_number="R-1", code=voucher.code)
    assert voucher.code not in caught.value.pending.to_json()
    assert shop.count(RECHARGE) == 1


@pytest.mark.parametrize("max_per_page", [2])
async def test_all_pages_of_the_list_are_read(shop: Shop) -> None:
    voucher = shop.voucher()
    body: dict[str, Any] = {"amount": "5", "currency": "EUR", "order_number": "R-1", "id": voucher.id}
    for _ in range(4):
        await shop.client.vouchers.recharge(**body)
    shop.script(RECHARGE, faults.BreakAfter())
    last = await shop.during(shop.client.vouchers.recharge(**body))
    assert last.id == shop.emulator.charges("R-1")[-1].id
    assert shop.count(RECHARGE) == 5
