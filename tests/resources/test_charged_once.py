"""One request for one reservation: with several callers at once, and when it is another process's."""

from __future__ import annotations

import asyncio

import pytest

from tests.proxy import Proxy
from voucher_async import Charge, ConnectionBroken, Fate, Proof, ReservationAlreadyCharged, VoucherClient
from voucher_async.testing import VoucherEmulator


async def test_callers_that_charge_one_reservation_at_once_are_given_one_charge(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    voucher = emulator.add_voucher(amount="5.00")
    reservation = await client.reservations.create(code=voucher.code, amount="2", currency="EUR")
    ends = await asyncio.gather(
        *(client.reservations.charge(reservation, order_number="A-1") for _ in range(3)),
        return_exceptions=True,
    )
    assert [type(end) for end in ends] == [Charge, Charge, Charge]
    assert len({end.id for end in ends if isinstance(end, Charge)}) == 1
    with pytest.raises(ReservationAlreadyCharged):
        await client.reservations.charge(reservation, order_number="A-1")
    assert emulator.requests.count("chargeReservation") == 1


async def test_a_reservation_whose_life_this_client_does_not_know_is_not_charged_again(
    client: VoucherClient, proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator
) -> None:
    voucher = emulator.add_voucher(amount="5.00")
    reservation = await client.reservations.create(code=voucher.code, amount="2", currency="EUR")
    proxy.drop("POST", "/charge")
    with pytest.raises(ConnectionBroken) as caught:
        await proxied.reservations.charge(reservation, order_number="A-1", timeout=90.0)
    assert (caught.value.fate, caught.value.proof) == (Fate.NOT_DONE, Proof.ABSENT)
    assert len(proxy.of("POST", "/charge")) == 1
