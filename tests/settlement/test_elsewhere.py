"""Open outcomes as values: stored, sent, and settled in another process."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import attrs
import pytest

from tests.recorder import Recorder
from tests.settlement.conftest import Shop
from voucher_async import Charge, InvalidInput, OutcomeUnknown, PendingOutcome, SettlementState
from voucher_async.testing import VoucherRecord, faults

CHARGE = "chargeReservation"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"version": 3}, "version"),
        ({"id": None}, "id"),
        ({"operation": 5}, "operation"),
        ({"amount": "NaN"}, "amount"),
        ({"amount": 5.0}, "amount"),
        ({"sends": 0}, "sends"),
        ({"sends": True}, "sends"),
        ({"since": "2026-01-01T00:00:00"}, "since"),
        ({"until": "never"}, "until"),
        ({"known": "abc"}, "known"),
        ({"known": [1]}, "known"),
    ],
)
def test_what_is_no_pending_outcome_is_refused_by_field(changes: dict[str, Any], field: str) -> None:
    content = json.loads(PendingOutcome(operation=CHARGE).to_json())
    with pytest.raises(InvalidInput) as caught:
        PendingOutcome.from_json(json.dumps(content | changes))
    assert caught.value.field == f"pending.{field}"


@pytest.mark.parametrize("text", ["", "[]", "5", "{}", "not json"])
def test_what_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        PendingOutcome.from_json(text)


def test_fields_of_a_later_version_are_ignored() -> None:
    pending = PendingOutcome(operation=CHARGE)
    content = json.loads(pending.to_json()) | {"more": 1}
    assert PendingOutcome.from_json(json.dumps(content)) == pending


async def lost(shop: Shop, voucher: VoucherRecord, *kinds: faults.Fault) -> PendingOutcome:
    """A charge of a process that was killed after it sent its request: what its hook had stored."""
    killed = Recorder()
    client = shop.another(hooks=[killed])
    shop.script(CHARGE, *kinds)
    shop.emulator.faults.chance(1.0, seed=1, operations=["listCharges"], kinds=[faults.ServerError()])
    with pytest.raises(OutcomeUnknown):
        await shop.during(
            client.redeem(code=voucher.code, amount="4", currency="EUR", order_number="A-1", timeout=2.0)
        )
    await client.aclose(wait=0)
    shop.emulator.faults.clear()
    return PendingOutcome.from_json(killed.intents[-1].to_json())


@pytest.mark.parametrize(
    "fault", [faults.BreakAfter(), faults.BreakBefore(), faults.CommitLate(5.0), faults.ServerError()]
)
async def test_what_a_killed_process_had_stored_settles_to_the_truth(shop: Shop, fault: faults.Fault) -> None:
    pending = await lost(shop, shop.voucher(), fault)
    settlement = await shop.during(shop.client.settle(pending))
    is_done = isinstance(fault, (faults.BreakAfter, faults.CommitLate))
    assert settlement.state is (SettlementState.DONE if is_done else SettlementState.NOT_DONE)
    assert len(shop.charged()) == is_done
    async with shop.another() as third:
        again = await shop.during(third.settle(pending))
    assert attrs.evolve(again, pending=pending) == attrs.evolve(settlement, pending=pending)
    assert shop.count(CHARGE) == 1


async def test_not_done_takes_the_whole_window_and_calls_may_share_it(shop: Shop) -> None:
    pending = await lost(shop, shop.voucher(), faults.BreakBefore())
    begun = shop.clock.monotonic()
    for _ in range(3):
        with pytest.raises(OutcomeUnknown, match="still open"):
            await shop.client.settle(pending, timeout=0.01)
        assert shop.client.pending == (pending,)
        await shop.passes(1.0)
    settlement = await shop.during(shop.client.settle(pending))
    assert settlement.state is SettlementState.NOT_DONE
    assert shop.clock.monotonic() - begun >= 10.0


async def test_a_date_that_was_wrong_when_it_was_sent_does_not_shorten_the_window(shop: Shop) -> None:
    shop.emulator.faults.date_offset = -7200.0
    pending = await lost(shop, shop.voucher(), faults.CommitLate(8.0))
    shop.emulator.faults.date_offset = 0.0
    await shop.client.vouchers.list().first_page()  # an answer with the right date
    settlement = await shop.during(shop.client.settle(pending))
    assert settlement.state is SettlementState.DONE


async def test_beside_a_payment_made_anew_the_lost_one_stays_open(shop: Shop) -> None:
    voucher = shop.voucher()
    pending = await lost(shop, voucher, faults.BreakBefore())
    shop.clock.advance(60.0)
    async with shop.another() as another:
        await another.redeem(code=voucher.code, amount="4", currency="EUR", order_number="A-1")
    with pytest.raises(OutcomeUnknown, match="another call"):  # the server's clock may have been set
        await shop.during(shop.client.settle(pending))


async def lost_refund(
    shop: Shop, charge: Charge, fault: faults.Fault, *, age: float | None
) -> PendingOutcome:
    """The refund of a process that was killed after it sent its request: what its hook had stored."""
    killed = Recorder()
    client = shop.another(hooks=[killed])
    if age is not None:  # the date of a reservation shows the server's time
        await client.reservations.create(code=shop.voucher().code, amount="1", currency="EUR")
        await shop.passes(age)
    shop.script("refundCharge", fault)
    with pytest.raises(OutcomeUnknown):
        await shop.during(client.charges.refund(charge, "2", currency="EUR", timeout=1.0))
    await client.aclose(wait=0)
    return PendingOutcome.from_json(killed.intents[-1].to_json())


@pytest.mark.parametrize("fault", [faults.BreakBefore(), faults.CommitLate(5.0)])
async def test_an_equal_refund_made_later_is_never_taken_for_the_lost_one(
    shop: Shop, fault: faults.Fault
) -> None:
    voucher = shop.voucher()
    payment: dict[str, Any] = {"code": voucher.code, "amount": "4", "currency": "EUR"}
    first, second = [await shop.client.redeem(order_number=order, **payment) for order in ("A-1", "A-2")]
    pending = await lost_refund(shop, first, fault, age=30.0)
    await shop.passes(60.0)
    async with shop.another() as another:
        for charge in (first, second):
            await another.charges.refund(charge, "2", currency="EUR")
    if isinstance(fault, faults.CommitLate):
        settlement = await shop.during(shop.client.settle(pending))
        assert [settlement.charge.id if settlement.charge else ""] == shop.refunded()[:1]
        return
    with pytest.raises(OutcomeUnknown, match="another call"):  # the server's clock may have been set
        await shop.during(shop.client.settle(pending))


@pytest.mark.parametrize("age", [None, 61.0])
async def test_without_a_fresh_stamp_of_the_server_an_equal_refund_made_later_leaves_it_open(
    shop: Shop, age: float | None
) -> None:
    voucher = shop.voucher()
    charge = await shop.client.redeem(code=voucher.code, amount="4", currency="EUR", order_number="A-1")
    pending = await lost_refund(shop, charge, faults.CommitLate(5.0), age=age)
    assert pending.until is None
    await shop.passes(60.0)
    async with shop.another() as another:
        await another.charges.refund(charge, "2", currency="EUR")
    with pytest.raises(OutcomeUnknown, match="another call"):
        await shop.during(shop.client.settle(pending, timeout=15.0))


@pytest.mark.parametrize("allow_double_charge", [True])
async def test_a_surplus_of_another_process_is_reported_and_left(shop: Shop) -> None:
    voucher = shop.voucher()
    pending = await lost(shop, voucher, faults.BreakAfter())
    reservation = shop.emulator.reservations(voucher.id)[-1]
    async with shop.another() as another:
        await another.reservations.charge(reservation.id, order_number="A-1")
    pending = attrs.evolve(pending, sends=2)
    first = await shop.during(shop.client.settle(pending))
    assert len(first.surplus) == 1
    async with shop.another() as third:
        second = await shop.during(third.settle(pending))
    assert (second.charge, second.surplus, second.refunds) == (first.charge, first.surplus, ())
    assert shop.count("refundCharge") == 0
    assert shop.told.words == ["surplus left", "recovered"]


@pytest.mark.parametrize("made", [True, False])
async def test_a_creation_is_settled_by_its_id(shop: Shop, made: bool) -> None:  # noqa: FBT001
    fault = faults.BreakAfter() if made else faults.BreakBefore()
    client = shop.another(max_attempts=1)
    shop.script("createVoucher", fault)
    with pytest.raises(OutcomeUnknown) as caught:
        await client.vouchers.create(amount="5", currency="EUR")
    begun = shop.clock.monotonic()
    settlement = await shop.during(client.settle(caught.value.pending))
    assert settlement.state is (SettlementState.DONE if made else SettlementState.NOT_DONE)
    assert settlement.charge is None
    assert made or shop.clock.monotonic() - begun >= 10.0  # the creation may be carried out late
    await client.aclose(wait=0)


async def test_a_voucher_of_another_amount_is_not_the_one_that_was_to_be_created(shop: Shop) -> None:
    voucher = shop.voucher()
    for amount, state in (("25.00", SettlementState.DONE), ("26.00", SettlementState.NOT_DONE)):
        pending = PendingOutcome(
            operation="createVoucher", voucher_id=voucher.id, amount=Decimal(amount), currency="EUR"
        )
        assert (await shop.during(shop.client.settle(pending))).state is state


async def test_a_connection_is_never_settled(shop: Shop) -> None:
    with pytest.raises(OutcomeUnknown, match="nothing that could be looked at"):
        await shop.client.settle(PendingOutcome(operation="connectClient"))
    assert len(shop.emulator.requests) == 0
