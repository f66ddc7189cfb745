"""Every doubt that hooks were told of has an end, also one that was cleared before the end of its call."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import pytest

from tests.calls import Calls
from tests.settlement.conftest import Shop, pay
from tests.settlement.hearing import calls, client
from voucher_async import (
    CallEnded,
    CallStarted,
    Charge,
    DoubtEnd,
    DoubtEnded,
    OutcomeUnknown,
    VoucherClient,
)
from voucher_async.testing import faults

__all__ = ["calls", "client"]

CHARGE, RECHARGE = "chargeReservation", "rechargeVoucher"


def recharge(shop: Shop, client: VoucherClient) -> Coroutine[Any, Any, Charge]:
    voucher = shop.voucher()
    return client.vouchers.recharge(
        id=voucher.id, amount="1.00", currency="EUR", order_number="A-1", timeout=100.0
    )


async def test_a_refusal_that_proved_true_and_a_repeat_that_worked_end_the_doubt(
    shop: Shop, client: VoucherClient, calls: Calls
) -> None:
    shop.script(RECHARGE, faults.TooMany(0))
    charge = await shop.during(recharge(shop, client))
    assert shop.count(RECHARGE) == 2  # the refused one was looked for, and sent again
    (doubt,) = calls.of(DoubtEnded)
    assert (doubt.outcome, doubt.proof, doubt.told) == (DoubtEnd.DONE, None, True)
    (ended,) = calls.of(CallEnded)
    assert 1 < (doubt.elapsed or 0) <= ended.elapsed  # by the client's clock, which does not wait for anybody
    assert charge.type == "recharge"


async def test_a_code_that_is_an_order_number_is_in_no_event_of_a_doubt_or_its_settlement(
    shop: Shop, client: VoucherClient, calls: Calls
) -> None:
    voucher = shop.voucher()
    shop.emulator.faults.chance(1.0, seed=1, operations=[CHARGE, "listCharges"], kinds=[faults.BadGateway()])
    with pytest.raises(OutcomeUnknown) as caught:
        await shop.during(pay(client, voucher, order_number=voucher.code, timeout=5.0))
    shop.emulator.faults.clear()
    pending = caught.value.pending
    assert pending.order_number == voucher.code
    await shop.during(client.settle(pending))
    assert {each.name for each in calls.started} == {"redeem", "settle"}
    assert calls.of(DoubtEnded)
    told = [each for each in calls.heard if isinstance(each, (CallStarted, CallEnded, DoubtEnded))]
    assert [each for each in told if voucher.code in repr(each)] == []
