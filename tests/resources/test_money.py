"""Reservations, charges and refunds: what each method sends, and what comes back as a model."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from tests.proxy import Proxy
from voucher_async import (
    Charge,
    ChargeType,
    Conflict,
    Fate,
    InvalidInput,
    ManualClock,
    Reservation,
    ReservationAlreadyCharged,
    ValidationFailed,
    VoucherClient,
)
from voucher_async.testing import VoucherEmulator


async def test_a_reservation_is_made_with_code_and_pin(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator, clock: ManualClock
) -> None:
    record = emulator.add_voucher(amount="25.00", type="print", pin="4711", taxable=True, tax_rate="7")
    reservation = await proxied.reservations.create(code=record.code, amount=10, currency="EUR", pin="4711")
    assert proxy.of("POST")[0].json == {
        "code": record.code,
        "amount": "10.00",
        "currency": "EUR",
        "pin": "4711",
    }
    assert isinstance(reservation, Reservation)
    assert (reservation.voucher_id, reservation.amount) == (record.id, Decimal("10.00"))
    assert (reservation.voucher_taxable, reservation.voucher_tax_rate) == (True, "7")
    assert reservation.client_id == emulator.client_id
    assert reservation.valid_until == clock.now() + dt.timedelta(minutes=30)


async def test_a_reservation_without_a_pin_sends_none(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator
) -> None:
    record = emulator.add_voucher(amount="25.00")
    await proxied.reservations.create(code=record.code, amount="0.01", currency="EUR")
    assert proxy.of("POST")[0].json == {"code": record.code, "amount": "0.01", "currency": "EUR"}


@pytest.mark.parametrize("by_id", [False, True])
async def test_a_reservation_is_charged_by_itself_or_by_its_id(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator, *, by_id: bool
) -> None:
    record = emulator.add_voucher(amount="25.00")
    reservation = await proxied.reservations.create(code=record.code, amount="10", currency="EUR")
    charge = await proxied.reservations.charge(reservation.id if by_id else reservation, order_number="A-1")
    (seen,) = proxy.of("POST", "/charge")
    assert seen.path == f"/v1/reservations/{reservation.id}/charge"
    assert seen.json == {"order_number": "A-1"}
    assert isinstance(charge, Charge)
    assert (charge.type, charge.amount, charge.order_number) == (
        ChargeType.CHARGE,
        Decimal("10.00"),
        "A-1",
    )
    assert (charge.voucher_id, charge.client_id) == (record.id, emulator.client_id)
    assert emulator.balance(record.id) == Decimal("15.00")


async def test_a_reservation_that_was_charged_is_refused_without_a_request(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    record = emulator.add_voucher(amount="25.00")
    reservation = await client.reservations.create(code=record.code, amount="10", currency="EUR")
    await client.reservations.charge(reservation, order_number="A-1")
    before = emulator.requests.count()
    for again in (reservation, reservation.id):
        with pytest.raises(ReservationAlreadyCharged):
            await client.reservations.charge(again, order_number="A-1")
    assert emulator.requests.count() == before


async def test_another_clients_refusal_arrives_as_a_conflict_with_its_code(
    emulator: VoucherEmulator, clock: ManualClock
) -> None:
    record = emulator.add_voucher(amount="25.00")
    async with (
        VoucherClient(**emulator.settings(), clock=clock) as ours,
        VoucherClient(**emulator.settings(), clock=clock) as theirs,
    ):
        reservation = await ours.reservations.create(code=record.code, amount="10", currency="EUR")
        await theirs.reservations.create(code=record.code, amount="5", currency="EUR")
        with pytest.raises(Conflict) as caught:
            await ours.reservations.charge(reservation, order_number="A-1")
    assert caught.value.code == "RESERVATION.CHARGE.SUPERSEDED"
    assert caught.value.fate is Fate.ANSWERED
    assert emulator.balance(record.id) == Decimal("25.00")


@pytest.mark.parametrize("status", [409, 422])
async def test_too_small_a_balance_is_refused_with_the_raw_code(clock: ManualClock, status: int) -> None:
    async with (
        VoucherEmulator(clock=clock, conflict_status=status) as emulator,  # type: ignore[arg-type]  # parametrized
        VoucherClient(**emulator.settings(), clock=clock) as client,
    ):
        record = emulator.add_voucher(amount="5.00")
        with pytest.raises(Conflict if status == 409 else ValidationFailed) as caught:
            await client.reservations.create(code=record.code, amount="5.01", currency="EUR")
    assert caught.value.code == "RESERVATION.CREATE.INSUFFICIENT_BALANCE"
    assert caught.value.message == "The voucher does not hold that much."


async def test_a_wrong_pin_and_currency_come_back_as_field_errors(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    record = emulator.add_voucher(amount="5.00", type="print", pin="4711")
    with pytest.raises(ValidationFailed) as caught:
        await client.reservations.create(code=record.code, amount="5", currency="USD", pin="0815")
    assert {field.property for field in caught.value.field_errors} == {"pin", "currency"}


async def test_a_charge_is_refunded_in_full_by_itself(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator
) -> None:
    record = emulator.add_voucher(amount="25.00")
    charge = await proxied.redeem(code=record.code, amount="10", currency="EUR", order_number="A-1")
    refund = await proxied.charges.refund(charge, currency="EUR")
    (seen,) = proxy.of("POST", "/refund")
    assert seen.path == f"/v1/charges/{charge.id}/refund"
    assert seen.json == {"amount": "10.00", "currency": "EUR"}
    assert (refund.type, refund.amount, refund.order_number) == (
        ChargeType.REFUND,
        Decimal("10.00"),
        "A-1",
    )
    assert emulator.balance(record.id) == Decimal("25.00")


async def test_a_charge_is_refunded_in_parts_by_its_id_until_nothing_is_left(
    client: VoucherClient, emulator: VoucherEmulator, charge: Charge
) -> None:
    await client.charges.refund(charge.id, "0.01", currency="EUR")
    await client.charges.refund(charge.id, Decimal("9.99"), currency="EUR")
    with pytest.raises(Conflict) as caught:
        await client.charges.refund(charge.id, "0.01", currency="EUR")
    assert caught.value.code == "CHARGE.REFUND.ALREADY_REFUNDED"
    assert emulator.balance(charge.voucher_id) == Decimal("25.00")


@pytest.mark.parametrize("amount", ["10.01", Decimal("10.01"), 11, Decimal("NaN"), Decimal("Infinity")])
async def test_more_than_the_charge_is_refused_without_a_request(
    client: VoucherClient, emulator: VoucherEmulator, charge: Charge, amount: Decimal | str | int
) -> None:
    before = emulator.requests.count()
    with pytest.raises(InvalidInput) as caught:
        await client.charges.refund(charge, amount, currency="EUR")
    assert caught.value.field == "amount"
    assert emulator.requests.count() == before


async def test_a_refund_or_recharge_cannot_be_refunded(
    client: VoucherClient, emulator: VoucherEmulator, charge: Charge
) -> None:
    refund = await client.charges.refund(charge, "1", currency="EUR")
    recharge = await client.vouchers.recharge(
        amount="1", currency="EUR", order_number="R", id=charge.voucher_id
    )
    before = emulator.requests.count()
    for item in (refund, recharge):
        with pytest.raises(InvalidInput) as caught:
            await client.charges.refund(item, currency="EUR")
        assert caught.value.field == "charge"
    assert emulator.requests.count() == before


async def test_an_id_alone_cannot_be_refunded_without_an_amount(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await client.charges.refund("some-charge", currency="EUR")
    assert caught.value.field == "amount"
    assert emulator.requests.count() == 0
