"""What calls give."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from ssl import SSLContext
from typing import assert_type

from voucher_async import (
    CallFacts,
    CallRecord,
    CallState,
    Charge,
    ChargePage,
    ChargeType,
    Checkout,
    ClientOptions,
    CompleteVoucher,
    ConnectedClient,
    HeldReservation,
    History,
    Listing,
    OrderRefund,
    OrderRefundFailed,
    OrderRefundUnknown,
    PendingOutcome,
    Recovered,
    RefundOutcome,
    RefundState,
    Reservation,
    Settings,
    Timeout,
    ValidityInterval,
    Voucher,
    VoucherClient,
    VoucherDetails,
    VoucherStatus,
    connect,
    record_facts,
)


async def vouchers(client: VoucherClient) -> None:
    made = assert_type(await client.vouchers.create(amount="10.00", currency="EUR"), CompleteVoucher)
    assert_type(made.amount, Decimal)
    assert_type(made.code, str)
    assert_type(made.status, VoucherStatus)
    assert_type(made.valid_until, dt.datetime | None)
    read = assert_type(await client.vouchers.get(made.id), VoucherDetails)
    assert_type(read.remaining_amount, Decimal)
    assert_type(await client.vouchers.get_complete(made.id), CompleteVoucher)
    assert_type(await client.vouchers.update(made.id, sku=None), Voucher)
    assert_type(await client.vouchers.set_status(made.id, VoucherStatus.ACTIVE), Voucher)
    assert_type(await client.vouchers.activate(made.id), Voucher)
    assert_type(await client.vouchers.deactivate(made.id, comment="lost"), Voucher)
    assert_type(
        await client.vouchers.recharge(id=made.id, amount=5, currency="EUR", order_number="S"), Charge
    )
    assert_type(await client.vouchers.get_charge(made.id, "C-1"), Charge)


async def recovery(client: VoucherClient) -> None:
    recovered = assert_type(await client.recover(timeout=90.0), Recovered)
    assert_type(recovered.done, tuple[CallRecord, ...])
    assert_type((*recovered.not_done, *recovered.open)[0].state, CallState)


async def lists(client: VoucherClient) -> None:
    listing = assert_type(client.vouchers.list(per_page=100), Listing[VoucherDetails])
    async for voucher in listing:
        assert_type(voucher, VoucherDetails)
    async for page in client.vouchers.list_charges("V-1").pages():
        for charge in page.data:
            assert_type(charge, Charge)
            assert_type(charge.type, ChargeType)
    assert_type((await listing.first_page()).meta.last_page, int)
    assert_type(await listing.to_list(limit=10), list[VoucherDetails])
    assert_type(await client.vouchers.list_charges("V-1").to_list(), list[Charge])
    history = assert_type(client.history(told=False), History)
    assert_type(await anext(history), CallRecord)
    assert_type(await history.to_list(5), list[CallRecord])


async def money(client: VoucherClient) -> None:
    reservation = await client.reservations.create(code="C", amount=Decimal(10), currency="EUR", pin=None)
    assert_type(reservation, Reservation)
    charge = assert_type(await client.reservations.charge(reservation, order_number="A-1"), Charge)
    assert_type(await client.charges.refund(charge, currency="EUR"), Charge)
    assert_type(await client.charges.refund(charge), Charge)
    assert_type(await client.charges.get(charge, timeout=Timeout(read=60.0)), Charge)
    assert_type(await client.charges.get("C-1", voucher_id="V-1"), Charge)
    assert_type(client.charges.list("V-1"), Listing[Charge])
    assert_type(client.vouchers.charges("V-1"), Listing[Charge])
    assert_type(await client.redeem(code="C", amount="1.00", currency="EUR", order_number="A-1"), Charge)


async def returns(client: VoucherClient) -> None:
    refund = assert_type(await client.refund_order("A-1"), OrderRefund)
    await client.refund_order("A-1", "5.00", voucher_ids=["V-1"], idempotency_key="return-77", timeout=60)
    assert_type(refund.amount, Decimal)
    assert_type(refund.currency, str | None)
    assert_type(refund.refunds[0].refund, Charge)
    assert_type(refund.refunds[0].charge_id, str)


def failed_returns(error: OrderRefundFailed, unknown: OrderRefundUnknown) -> None:
    assert_type(error.outcomes, tuple[RefundOutcome, ...])
    assert_type(error.amount, Decimal)
    assert_type(error.open_calls, tuple[PendingOutcome, ...])
    assert_type(unknown.outcomes[0].state, RefundState)
    assert_type(unknown.pending, PendingOutcome)


async def checkout(client: VoucherClient) -> None:
    async with client.checkout(order_number="A-1", currency="EUR") as order:
        assert_type(order, Checkout)
        held = assert_type(await order.reserve(code="C", amount="1.00", allow_partial=True), HeldReservation)
        assert_type(held.missing, Decimal)
        assert_type(held.remaining, float)
        assert_type(order.reserved, Decimal)
        assert_type(await order.charge(), tuple[Charge, ...])


async def clients() -> None:
    credentials = assert_type(await connect("48151623", environment="sandbox"), ConnectedClient)
    async with VoucherClient(credentials.id, credentials.secret, environment="production") as client:
        assert_type(client, VoucherClient)
        assert_type(client.settings, Settings)
        assert_type(await client.clients.connect("48151623"), ConnectedClient)


class ShopClient(VoucherClient):
    """A subclass stays one."""


async def subclasses() -> None:
    async with ShopClient.from_env() as client:
        assert_type(client, ShopClient)


def options(given: ClientOptions) -> None:
    assert_type(VoucherClient.from_env({}, **given), VoucherClient)
    assert_type(VoucherClient.from_env(timeout=5, order_number_format="{order}~{ref}").settings, Settings)
    assert_type(Settings.from_env(settle_window=30.0, close_wait=1), Settings)


async def facts(client: VoucherClient) -> None:
    with record_facts() as recorded:
        await client.vouchers.get("V-1")
    assert_type(recorded, list[CallFacts])
    assert_type(recorded[-1].date, dt.datetime | None)
    assert_type(recorded[-1].status, int | None)


def ways(context: SSLContext) -> None:
    behind = VoucherClient("id", "s", environment="sandbox", proxy="http://proxy.example", ssl=context)
    assert_type(behind.settings.proxy, str | None)
    assert_type(VoucherClient.from_env({}, proxy="http://proxy.example", ssl=context), VoucherClient)


def closed_and_open(page: ChargePage) -> None:
    assert_type([charge.order_number for charge in page.data], list[str | None])
    assert_type(ValidityInterval("fortnights"), ValidityInterval)
