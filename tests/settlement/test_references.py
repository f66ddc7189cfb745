"""Settling calls whose order numbers carry references, beside others that look alike but for these."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

import attrs
import pytest

from tests.proxy import Asked, Proxy, Reply, delivered, said
from tests.settlement.conftest import Shop, pay
from voucher_async import (
    Charge,
    Fate,
    OutcomeUnknown,
    PendingOutcome,
    Settlement,
    SettlementState,
    VoucherClient,
    VoucherError,
)
from voucher_async.checkout import LocalVoucherLock
from voucher_async.testing import VoucherEmulator, VoucherRecord, faults
from voucher_async.testing.habits import KINDS

FORMAT = "{order}~{ref}"
LOST = [faults.BreakBefore(), faults.BreakAfter()]
IN_ANY_PROCESS = pytest.mark.parametrize(
    ("lost", "changes"),
    [(lost, changes) for lost in LOST for changes in ({}, {"order_number_format": FORMAT})],
)
CHARGE, RECHARGE, REFUND, LIST = "chargeReservation", "rechargeVoucher", "refundCharge", "listCharges"


def marked(shop: Shop, **changes: Any) -> VoucherClient:
    """A client of another process whose order numbers carry references."""
    return shop.another([shop.told], order_number_format=FORMAT, **changes)


def recharge(client: VoucherClient, voucher: VoucherRecord, **changes: Any) -> Any:
    given = {"id": voucher.id, "amount": "4.00", "currency": "EUR", "order_number": "A-1", **changes}
    return client.vouchers.recharge(**given)


def made(emulator: VoucherEmulator, kind: Literal["charge", "recharge", "refund"]) -> dict[str, str]:
    """The order numbers of what was made, as they were sent, by id."""
    return {charge.id: charge.order_number or "" for charge in emulator.charges(type=kind)}


async def open_outcome(shop: Shop, call: Any, operation: str, fault: faults.Fault) -> PendingOutcome:
    """Lose the answer to a call that cannot be looked for."""
    shop.script(operation, fault)
    shop.emulator.faults.script(LIST, *[None] * (operation != CHARGE), *[faults.ServerError()] * 60)
    with pytest.raises(OutcomeUnknown) as caught:
        await shop.during(call)
    shop.emulator.faults.clear()
    return caught.value.pending


async def settled(shop: Shop, pending: PendingOutcome, **changes: Any) -> Settlement:
    """What another process finds out, from what was stored."""
    stored = PendingOutcome.from_json(pending.to_json())
    async with shop.another(**changes) as other:
        return await shop.during(other.settle(stored, timeout=40.0))


@IN_ANY_PROCESS
async def test_of_two_equal_recharges_the_reference_tells_which_is_whose(
    shop: Shop, lost: faults.Fault, changes: dict[str, Any]
) -> None:
    voucher = shop.voucher()
    async with marked(shop, close_wait=0.01) as client, marked(shop) as other:
        call = recharge(client, voucher, timeout=5.0)
        pending = await open_outcome(shop, call, RECHARGE, lost)
        theirs = await shop.during(recharge(other, voucher))
    settlement = await settled(shop, pending, **changes)
    ours = [each for each in made(shop.emulator, "recharge") if each != theirs.id]
    assert settlement.state == (SettlementState.DONE if ours else SettlementState.NOT_DONE)
    assert [settlement.charge.id] == ours if settlement.charge else not ours
    assert settlement.surplus == ()
    assert made(shop.emulator, "recharge").get((settlement.charge or theirs).id) != "A-1"


async def test_an_equal_charge_of_another_process_is_not_taken_for_ours(shop: Shop, mesh: Proxy) -> None:
    """Two tills, one order number for all customers, one voucher: without references ours would be theirs."""
    voucher = shop.voucher()
    other = VoucherClient(
        settings=attrs.evolve(shop.client.settings, order_number_format=FORMAT),
        clock=shop.clock,
        voucher_lock=LocalVoucherLock(),
    )
    theirs: list[Charge] = []

    async def lose(_: Asked) -> Reply:
        theirs.append(await pay(other, voucher))
        return said(500)

    mesh.once(CHARGE, lose)
    async with marked(shop, base_url=mesh.base_url) as client:
        with pytest.raises(VoucherError) as caught:
            await shop.during(pay(client, voucher))
    assert not isinstance(caught.value, OutcomeUnknown)
    assert caught.value.fate in {Fate.ANSWERED, Fate.NOT_DONE}
    assert [*made(shop.emulator, "charge")] == [theirs[0].id]
    await other.aclose()


async def test_a_charge_is_found_by_its_reference_among_equal_ones_and_shows_the_shops_number(
    shop: Shop,
) -> None:
    voucher = shop.voucher()
    async with marked(shop, close_wait=0.01) as client, marked(shop) as other:
        call = pay(client, voucher, timeout=5.0)
        pending = await open_outcome(shop, call, CHARGE, faults.BreakAfter())
        (ours,) = made(shop.emulator, "charge")
        theirs = await shop.during(pay(other, voucher))
        assert theirs.id != ours
    assert pending.order_number == "A-1"
    assert pending.sent_order_number == made(shop.emulator, "charge")[ours]
    settlement = await settled(shop, pending, order_number_format=FORMAT)
    assert settlement.charge is not None
    assert (settlement.charge.id, settlement.charge.order_number) == (ours, "A-1")
    assert settlement.surplus == ()


@pytest.mark.parametrize("allow_double_charge", [True])
async def test_a_charge_that_was_delivered_twice_is_refunded_once(shop: Shop, mesh: Proxy) -> None:
    """One request was sent, and both entries carry its reference: the second is ours, too."""
    mesh.once(CHARGE, delivered(2, said(500)))
    async with marked(shop, base_url=mesh.base_url) as client:
        charge = await shop.during(pay(client, shop.voucher()))
        await shop.until(lambda: not client.pending)
    assert charge.order_number == "A-1"
    assert len(made(shop.emulator, "charge")) == 2
    assert len(shop.emulator.charges(type="refund")) == 1
    (event,) = shop.told.settled
    assert event.charge is not None
    assert (event.what, event.charge.order_number) == ("surplus refunded", "A-1")


async def test_a_recharge_that_was_delivered_twice_is_reported_with_its_surplus(
    shop: Shop, mesh: Proxy
) -> None:
    mesh.once(RECHARGE, delivered(2, said(500)))
    async with marked(shop, base_url=mesh.base_url) as client:
        first = await shop.during(recharge(client, shop.voucher()))
        await shop.until(lambda: shop.told.words)
    assert shop.told.words == ["surplus left"]
    surplus = shop.told.settled[0].charge
    assert surplus is not None
    assert {first.id, surplus.id} == set(made(shop.emulator, "recharge"))


@IN_ANY_PROCESS
async def test_a_lost_refund_of_a_marked_charge_is_settled_in_any_process(
    shop: Shop, lost: faults.Fault, changes: dict[str, Any]
) -> None:
    voucher = shop.voucher()
    async with marked(shop, close_wait=0.01) as client:
        charge = await shop.during(pay(client, voucher))
        await shop.during(client.charges.refund(charge, "1.00", currency="EUR"))  # refunds are echoed
        call = client.charges.refund(charge, "1.00", currency="EUR", timeout=5.0)
        pending = await open_outcome(shop, call, REFUND, lost)
    settlement = await settled(shop, pending, **changes)
    refunds = [*made(shop.emulator, "refund")]
    assert settlement.state == (SettlementState.DONE if len(refunds) == 2 else SettlementState.NOT_DONE)
    assert (settlement.charge is None) == (len(refunds) == 1)
    assert settlement.charge is None or settlement.charge.id == refunds[1]


KINDS_OF: Final[dict[str, Literal["charge", "recharge", "refund"]]] = {
    CHARGE: "charge",
    RECHARGE: "recharge",
    REFUND: "refund",
}
HABITS = [name for name in KINDS if "order number" in name or name in {"another order", "pages of 2"}]
ORDERS = ["A-1", "Order-2026~\u00e4-0001"]


@pytest.mark.parametrize("habit", HABITS)
@pytest.mark.parametrize("order_number", ORDERS)
@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("operation", [CHARGE, RECHARGE, REFUND])
async def test_no_habit_makes_a_false_word(
    shop: Shop, habit: str, order_number: str, lost: faults.Fault, operation: str
) -> None:
    voucher = shop.voucher()
    async with marked(shop, close_wait=0.01) as client:
        charge = await shop.during(pay(client, voucher, order_number="W-1"))  # a normal answer comes first
        shop.emulator.habits.set(**KINDS[habit])
        before = set(made(shop.emulator, "refund")) | set(made(shop.emulator, "recharge"))
        calls: dict[str, Callable[[], Any]] = {
            CHARGE: lambda: pay(client, voucher, order_number=order_number),
            RECHARGE: lambda: recharge(client, voucher, order_number=order_number),
            REFUND: lambda: client.charges.refund(charge, "1.00", currency="EUR"),
        }
        shop.script(operation, lost)
        result = await _outcome(shop, calls[operation]())
        ours = [
            each
            for each in made(shop.emulator, KINDS_OF[operation])
            if each != charge.id and each not in before
        ]
    assert len(ours) <= 1
    if isinstance(result, Charge):
        assert [result.id] == ours
    elif not isinstance(result, OutcomeUnknown):
        assert result.fate is not Fate.UNKNOWN
        assert not ours


async def _outcome(shop: Shop, call: Any) -> Charge | VoucherError:
    try:
        charge: Charge = await shop.during(call)
    except VoucherError as error:
        return error
    return charge
