"""The id of a money call goes out as a header, so that the vendor's support can find the delivery."""

from __future__ import annotations

import pytest

from tests.settlement.conftest import Shop, redeem
from voucher_async import Conflict
from voucher_async.testing import faults

CHARGE = "chargeReservation"
REFUND = "refundCharge"


async def test_each_request_of_a_money_call_carries_its_id_and_no_other_does(shop: Shop) -> None:
    shop.script(CHARGE, faults.BreakBefore())
    voucher = shop.voucher()
    charge = await redeem(shop, voucher)
    await shop.during(shop.client.charges.refund(charge, currency="EUR"))
    await shop.during(
        shop.client.vouchers.recharge(amount="1", currency="EUR", order_number="R-1", id=voucher.id)
    )
    intents = [intent.id for intent in shop.told.intents]
    assert len(intents) == 4
    assert intents[0] == intents[1]
    assert len(set(intents)) == 3
    money = {CHARGE, REFUND, "rechargeVoucher"}
    requests = list(shop.emulator.requests)
    assert [each.request_id for each in requests if each.operation_id in money] == intents
    assert {each.request_id for each in requests if each.operation_id not in money} == {None}


async def test_the_creation_of_a_voucher_carries_an_id_that_is_the_same_when_repeated(shop: Shop) -> None:
    shop.script("createVoucher", faults.ServerError())
    await shop.during(shop.client.vouchers.create(amount="5", currency="EUR"))
    first, second = (each.request_id for each in shop.emulator.requests.of("createVoucher"))
    assert first == second
    assert first


async def test_an_error_names_the_id_that_its_requests_carried(shop: Shop) -> None:
    voucher = shop.voucher()
    reservation = await shop.client.reservations.create(code=voucher.code, amount="4", currency="EUR")
    shop.emulator.set_status(voucher.id, "inactive")
    with pytest.raises(Conflict) as caught:
        await shop.during(shop.client.reservations.charge(reservation, order_number="A-1"))
    (request,) = shop.emulator.requests.of(CHARGE)
    assert caught.value.facts is not None
    assert caught.value.facts.request_id == request.request_id
