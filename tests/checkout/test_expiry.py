"""What a reservation's end means, whatever the local clock shows."""

from __future__ import annotations

from decimal import Decimal

import pytest

from voucher_async import (
    ApiError,
    ManualClock,
    Reservation,
    ReservationAlreadyCharged,
    ReservationExpired,
    ReservationSuperseded,
    VoucherClient,
)
from voucher_async.testing import VoucherEmulator

HOURS = 3600.0


def client_with_offset(emulator: VoucherEmulator, clock: ManualClock, offset: float) -> VoucherClient:
    return VoucherClient(**emulator.settings(), clock=clock.shifted(offset))


async def reserve(client: VoucherClient, code: str) -> Reservation:
    return await client.reservations.create(code=code, amount="2.00", currency="EUR")


@pytest.mark.parametrize("offset", [-2 * HOURS, 0.0, 2 * HOURS])
async def test_a_reservation_is_charged_as_long_as_it_lives_whatever_the_local_clock_shows(
    emulator: VoucherEmulator, clock: ManualClock, offset: float
) -> None:
    voucher, other = emulator.add_voucher(amount="5.00"), emulator.add_voucher(amount="5.00")
    async with client_with_offset(emulator, clock, offset) as client:
        living, expired = await reserve(client, voucher.code), await reserve(client, other.code)
        clock.advance(1789)
        await client.reservations.charge(living, order_number="A-1")
        clock.advance(2)
        with pytest.raises(ReservationExpired, match="ends in 9"):
            await client.reservations.charge(expired, order_number="A-1")
        clock.advance(10)
        with pytest.raises(ReservationExpired, match="ended 1"):
            await client.reservations.charge(expired.id, order_number="A-1")
    assert emulator.requests.count("chargeReservation") == 1
    assert emulator.balance(voucher.id) == Decimal("3.00")


@pytest.mark.parametrize("offset", [-2 * HOURS, 2 * HOURS])
async def test_a_reservation_of_another_process_is_judged_by_the_servers_clock(
    emulator: VoucherEmulator, clock: ManualClock, offset: float
) -> None:
    voucher, other = emulator.add_voucher(amount="5.00"), emulator.add_voucher(amount="5.00")
    async with client_with_offset(emulator, clock, 0) as maker:
        living, expired = await reserve(maker, voucher.code), await reserve(maker, other.code)
    async with client_with_offset(emulator, clock, offset) as client:
        await client.vouchers.get(voucher.id)  # any answer brings the server's date
        clock.advance(1780)
        await client.reservations.charge(living, order_number="A-1")
        clock.advance(15)
        with pytest.raises(ReservationExpired):
            await client.reservations.charge(expired, order_number="A-1")
    assert emulator.requests.count("chargeReservation") == 1
    assert emulator.balance(voucher.id) == Decimal("3.00")


async def test_a_reservation_that_was_replaced_or_charged_is_refused_locally(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    voucher = emulator.add_voucher(amount="5.00")
    first, second = await reserve(client, voucher.code), await reserve(client, voucher.code)
    with pytest.raises(ReservationSuperseded):
        await client.reservations.charge(first, order_number="A-1")
    assert emulator.requests.count("chargeReservation") == 0
    await client.reservations.charge(second, order_number="A-1")
    with pytest.raises(ReservationAlreadyCharged):
        await client.reservations.charge(second.id, order_number="A-1")
    assert emulator.requests.count("chargeReservation") == 1


async def test_a_reservation_replaced_by_somebody_else_is_refused_by_the_server(
    client: VoucherClient, emulator: VoucherEmulator, clock: ManualClock
) -> None:
    voucher = emulator.add_voucher(amount="5.00")
    mine = await reserve(client, voucher.code)
    async with client_with_offset(emulator, clock, 0) as other:
        await reserve(other, voucher.code)
    with pytest.raises(ApiError):
        await client.reservations.charge(mine, order_number="A-1")
    assert emulator.balance(voucher.id) == Decimal("5.00")


async def test_a_refused_charge_may_be_tried_again(client: VoucherClient, emulator: VoucherEmulator) -> None:
    voucher = emulator.add_voucher(amount="5.00")
    reservation = await reserve(client, voucher.code)
    emulator.set_status(voucher.id, "inactive")
    with pytest.raises(ApiError):
        await client.reservations.charge(reservation, order_number="A-1")
    emulator.set_status(voucher.id, "active")
    await client.reservations.charge(reservation, order_number="A-1")
    assert emulator.balance(voucher.id) == Decimal("3.00")
