"""What other clients, or other machines of the server, do beside a call whose answer was lost."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import attrs
import pytest

from tests.settlement.conftest import Shop, settings
from voucher_async import Charge, ChargeType, OutcomeUnknown, PendingOutcome, SettlementState, VoucherClient
from voucher_async.checkout import LocalVoucherLock
from voucher_async.payments.evidence import Finding, find
from voucher_async.payments.lessons import Lessons
from voucher_async.payments.money_call import MoneyCall
from voucher_async.payments.registry import Registry
from voucher_async.testing import faults

CHARGE = "chargeReservation"
LIST = "listCharges"
NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)


async def test_what_another_client_charged_is_no_surplus_of_a_request_that_was_refused(shop: Shop) -> None:
    voucher = shop.voucher()
    payment: dict[str, Any] = {"code": voucher.code, "amount": "4", "currency": "EUR", "order_number": "A-1"}
    shop.script(CHARGE, faults.BreakAfter())
    shop.emulator.faults.list_lag = 30.0
    with pytest.raises(OutcomeUnknown) as caught:
        await shop.during(shop.client.redeem(**payment, timeout=1.0))
    assert shop.count(CHARGE) == 2  # the second charge was refused
    assert caught.value.pending.sends == 1
    other = VoucherClient(settings=settings(shop.emulator), clock=shop.clock, voucher_lock=LocalVoucherLock())
    charge = await shop.during(other.redeem(**payment))
    shop.emulator.faults.list_lag = 0.0
    await shop.passes(20.0)
    assert shop.refunded() == []
    assert charge.id in shop.charged()
    assert shop.client.pending == (caught.value.pending,)  # no fact tells which of the two is its own
    await other.aclose()


@pytest.mark.parametrize("allow_double_charge", [True])
async def test_of_two_calls_that_find_the_same_surplus_one_refunds_it(shop: Shop) -> None:
    voucher = shop.voucher()

    async def charge() -> None:
        reservation = await shop.client.reservations.create(code=voucher.code, amount="4", currency="EUR")
        await shop.during(shop.client.reservations.charge(reservation, order_number="A-1"))

    shop.script(CHARGE, faults.BreakBefore(), None, faults.CommitLate(2.0))
    shop.script("getVoucher", *[faults.SlowHeaders(9.0)] * 2)  # both are about to refund it meanwhile
    await charge()
    await charge()
    await shop.until(lambda: not shop.client.pending)
    assert len(shop.charged()) == 3
    assert len(shop.refunded()) == shop.count("refundCharge") == 1
    assert shop.told.words == ["surplus refunded"]


def pending(operation: str = CHARGE, **changes: Any) -> PendingOutcome:
    outcome = PendingOutcome(
        operation=operation, voucher_id="V", amount=Decimal("5.00"), order_number="A-1", since=NOON
    )
    return attrs.evolve(outcome, **changes)


def made(seconds: float, kind: ChargeType = ChargeType.CHARGE) -> Charge:
    return Charge(
        id=f"c{seconds}",
        client_id="x",
        voucher_id="V",
        type=kind,
        amount=Decimal("5.00"),
        order_number="A-1",
        created_at=NOON + dt.timedelta(seconds=seconds),
        updated_at=NOON,
    )


@pytest.mark.parametrize("early", [-1.0, -3.0])
def test_a_charge_that_seems_a_little_older_than_its_reservation_may_be_the_one(early: float) -> None:
    assert find(pending(), [made(early)], Lessons()) == Finding(recognised=(made(early),))
    both = find(pending(), [made(early), made(1.0)], Lessons())
    assert both == Finding(certain=(made(1.0),), recognised=(made(early),))
    assert both.ours == (made(1.0),)


def test_a_charge_that_is_much_older_than_its_reservation_is_unclear_up_to_a_day() -> None:
    assert find(pending(), [made(-3.5)], Lessons()) == Finding(unclear=(made(-3.5),))
    assert find(pending(), [made(-86_401.0)], Lessons()) == Finding()


@pytest.mark.parametrize(
    ("operation", "kind"),
    [("refundCharge", ChargeType.REFUND), ("rechargeVoucher", ChargeType.RECHARGE)],
)
def test_where_the_ids_before_are_known_no_stamp_is_needed(operation: str, kind: ChargeType) -> None:
    known = pending(operation, known=("other",), known_whole=True)
    assert find(known, [made(-60.0, kind)], Lessons()) == Finding(certain=(made(-60.0, kind),))


async def test_an_older_voucher_with_the_same_id_is_not_taken_for_the_one_that_was_to_be_created(
    shop: Shop,
) -> None:
    await shop.client.vouchers.create(id="GIFT-1", amount="10.00", currency="EUR", sku="OLD")
    shop.clock.advance(3_600.0)
    shop.script("createVoucher", *[faults.BreakBefore()] * 4)
    with pytest.raises(OutcomeUnknown) as caught:
        await shop.during(shop.client.vouchers.create(id="GIFT-1", amount="10.00", currency="EUR", sku="NEW"))
    with pytest.raises(OutcomeUnknown, match="there before"):
        await shop.during(shop.client.settle(caught.value.pending, timeout=3.0))


async def test_a_voucher_that_was_created_when_its_answer_got_lost_is_found_by_its_id(shop: Shop) -> None:
    shop.script("createVoucher", faults.ServerError(acted=True), *[faults.BreakBefore()] * 3)
    with pytest.raises(OutcomeUnknown) as caught:
        await shop.during(shop.client.vouchers.create(id="GIFT-1", amount="10.00", currency="EUR"))
    settlement = await shop.during(shop.client.settle(caught.value.pending))
    assert settlement.state is SettlementState.DONE


async def test_a_voucher_whose_id_was_just_made_up_is_the_one_whatever_the_date(shop: Shop) -> None:
    shop.emulator.faults.date_offset = 7200.0
    shop.script("createVoucher", faults.ServerError(acted=True), *[faults.BreakBefore()] * 3)
    with pytest.raises(OutcomeUnknown) as caught:
        await shop.during(shop.client.vouchers.create(amount="10.00", currency="EUR"))
    settlement = await shop.during(shop.client.settle(caught.value.pending))
    assert settlement.state is SettlementState.DONE


async def test_a_voucher_of_another_order_is_not_the_one_that_was_to_be_created(shop: Shop) -> None:
    await shop.client.vouchers.create(id="GIFT-1", amount="10.00", currency="EUR", order_number="A-1")
    pending = PendingOutcome(
        operation="createVoucher",
        voucher_id="GIFT-1",
        amount=Decimal("10.00"),
        currency="EUR",
        order_number="A-2",
    )
    assert (await shop.during(shop.client.settle(pending))).state is SettlementState.NOT_DONE


def test_an_open_charge_of_which_only_the_reservations_id_is_known_may_be_of_any_amount() -> None:
    registry = Registry()
    registry.open(MoneyCall(pending=pending(voucher_id=None, amount=None, since=None)))
    assert registry.rivals(MoneyCall(pending=pending())) == 1
    assert registry.rivals(MoneyCall(pending=pending(order_number="A-2"))) == 0
