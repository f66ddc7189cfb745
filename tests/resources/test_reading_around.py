"""What is read before and after a request that moves money, when reading goes wrong."""

from __future__ import annotations

import pytest

from tests.proxy import BARE, Proxy
from voucher_async import (
    AuthenticationError,
    ConnectionBroken,
    Fate,
    MissingScope,
    OutcomeUnknown,
    RateLimited,
    SettlementState,
    VoucherClient,
    VoucherError,
)
from voucher_async.testing import VoucherEmulator


@pytest.mark.parametrize(("status", "error"), [(401, AuthenticationError), (429, RateLimited)])
async def test_a_refund_is_not_sent_when_reading_before_it_fails_for_a_reason_that_may_pass(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator, status: int, error: type[VoucherError]
) -> None:
    record = emulator.add_voucher(amount="25.00")
    charge = await proxied.redeem(code=record.code, amount="5", currency="EUR", order_number="A-1")
    proxy.refuse("GET", "/charges", status, BARE, times=9)
    with pytest.raises(error) as caught:
        await proxied.charges.refund(charge, currency="EUR")
    assert caught.value.fate is Fate.NOT_SENT
    assert emulator.requests.count("refundCharge") == 0


async def test_a_refund_is_sent_when_reading_before_it_is_refused_for_good(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator
) -> None:
    record = emulator.add_voucher(amount="25.00")
    charge = await proxied.redeem(code=record.code, amount="5", currency="EUR", order_number="A-1")
    proxy.refuse("GET", "/charges", 403, BARE)
    await proxied.charges.refund(charge, currency="EUR")
    assert emulator.requests.count("refundCharge") == 1


async def test_an_outcome_that_could_not_be_read_is_looked_for_as_long_as_ever_when_it_is_settled_again(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator
) -> None:
    record = emulator.add_voucher(amount="25.00")
    proxy.drop("POST", "/charge")
    proxy.refuse("GET", "/charges", 403, BARE, times=2)  # once for the caller, once for the background task
    with pytest.raises(OutcomeUnknown) as caught:
        await proxied.redeem(code=record.code, amount="5", currency="EUR", order_number="A-1")
    with pytest.raises(OutcomeUnknown) as refused:
        await proxied.settle(caught.value.pending)
    assert isinstance(caught.value.__cause__, ConnectionBroken)
    assert MissingScope.__name__ not in str(refused.value)
    settlement = await proxied.settle(caught.value.pending)
    assert settlement.state is SettlementState.NOT_DONE


async def test_the_stamp_of_a_charge_tells_nothing_about_the_time_of_the_server(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator
) -> None:
    # a server that takes the request for a repetition answers with its earlier charge
    record = emulator.add_voucher(amount="25.00")
    proxy.edit("POST", "/charge", created_at="2026-01-01T00:00:00+00:00")
    charge = await proxied.redeem(code=record.code, amount="5", currency="EUR", order_number="A-1")
    proxy.lose("POST", "/refund")
    refund = await proxied.charges.refund(charge, currency="EUR")
    assert [refund.id] == [entry.id for entry in emulator.charges(type="refund")]
    assert emulator.requests.count("refundCharge") == 1
