"""A mesh delivers one POST several times: the refusal that comes back is that of a later delivery."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import pytest

from tests.proxy import Proxy, Reply, delivered, said
from tests.settlement.conftest import Shop, pay
from tests.settlement.truth import is_true, outcome_of
from voucher_async import Charge, CheckoutFailed, HeldState
from voucher_async.testing import VoucherRecord

CHARGE, REFUND, RECHARGE = "chargeReservation", "refundCharge", "rechargeVoucher"
CREATE, LIST = "createVoucher", "listCharges"
HTML = b"<html><body>blocked</body></html>"
ANSWERS = [
    pytest.param(None, id="its own"),
    *(pytest.param(said(status), id=f"{status}") for status in (400, 403, 404, 409, 410, 422, 429)),
    *(pytest.param(said(status, HTML), id=f"{status} HTML") for status in (403, 404, 405, 413, 429)),
]
all_times = pytest.mark.parametrize("times", [1, 4])
all_answers = pytest.mark.parametrize("answer", ANSWERS)
both_lags = pytest.mark.parametrize("lag", [0.0, 4.0])


def recharge(shop: Shop, voucher: VoucherRecord, **changes: Any) -> Coroutine[Any, Any, Charge]:
    given = {"id": voucher.id, "amount": "5.00", "currency": "EUR", "order_number": "R-1"}
    return shop.client.vouchers.recharge(**{**given, **changes})


@all_times
@all_answers
async def test_a_charge_is_told_done(meshed: Shop, mesh: Proxy, answer: Reply | None, times: int) -> None:
    mesh.rules[CHARGE] = delivered(times, answer)
    told = await meshed.during(outcome_of(pay(meshed.client, meshed.voucher())))
    assert told.word == "done", told
    assert [told.value.id] == meshed.charged()


@all_times
@all_answers
@pytest.mark.parametrize("lag", [4.0, 8.0])
async def test_a_charge_that_shows_late_is_never_told_not_done(
    meshed: Shop, mesh: Proxy, answer: Reply | None, times: int, lag: float
) -> None:
    meshed.emulator.faults.list_lag = lag
    mesh.rules[CHARGE] = delivered(times, answer)
    told = await meshed.during(outcome_of(pay(meshed.client, meshed.voucher())))
    assert told.word == "done", told
    assert is_true(meshed, told, len(meshed.charged()))


@both_lags
@all_times
@all_answers
async def test_a_recharge_is_carried_out_by_the_mesh_alone(
    meshed: Shop, mesh: Proxy, answer: Reply | None, times: int, lag: float
) -> None:
    meshed.emulator.faults.list_lag = lag
    mesh.rules[RECHARGE] = delivered(times, answer)
    voucher = meshed.voucher()
    told = await meshed.during(outcome_of(recharge(meshed, voucher)))
    carried_out = len(meshed.emulator.charges("R-1", type="recharge"))
    assert (mesh.count(RECHARGE), carried_out) == (1, times)
    assert told.word == ("done" if times == 1 or answer is None else "open"), told


@both_lags
@all_times
@all_answers
async def test_a_refund_is_carried_out_by_the_mesh_alone(
    meshed: Shop, mesh: Proxy, answer: Reply | None, times: int, lag: float
) -> None:
    charge = await meshed.during(pay(meshed.client, meshed.voucher()))
    meshed.emulator.faults.list_lag = lag
    mesh.rules[REFUND] = delivered(times, answer)
    told = await meshed.during(outcome_of(meshed.client.charges.refund(charge, currency="EUR")))
    assert (mesh.count(REFUND), len(meshed.refunded())) == (1, 1)
    assert told.word == "done", told


@all_answers
async def test_every_voucher_of_a_checkout_is_charged(
    meshed: Shop, mesh: Proxy, answer: Reply | None
) -> None:
    mesh.rules[CHARGE] = delivered(2, answer)
    first, second = meshed.voucher(), meshed.voucher()
    async with meshed.client.checkout(order_number="A-1", currency="EUR") as checkout:
        for voucher in (first, second):
            await meshed.during(checkout.reserve(code=voucher.code, amount="4.00"))
        charges = await meshed.during(checkout.charge())
    assert [charge.id for charge in charges] == meshed.charged()


@both_lags
@all_answers
async def test_a_checkout_takes_back_what_a_second_delivery_seemed_to_refuse(
    meshed: Shop, mesh: Proxy, answer: Reply | None, lag: float
) -> None:
    first, second = meshed.voucher(), meshed.voucher()
    mesh.rules[CHARGE] = mesh.rules[REFUND] = delivered(2, answer)
    async with meshed.client.checkout(order_number="A-1", currency="EUR") as checkout:
        for voucher in (first, second):
            await meshed.during(checkout.reserve(code=voucher.code, amount="4.00"))
        meshed.emulator.set_status(second.id, "inactive")
        meshed.emulator.faults.list_lag = lag
        with pytest.raises(CheckoutFailed) as caught:
            await meshed.during(checkout.charge())
    states = [outcome.state for outcome in caught.value.outcomes]
    assert states[0] is HeldState.REFUNDED
    assert states[1] is HeldState.NOT_CHARGED
    assert meshed.emulator.balance(first.id) == meshed.emulator.balance(second.id) == 25
