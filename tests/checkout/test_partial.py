"""Holding as much as a voucher has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
import pytest_asyncio

from voucher_async import ApiError, HeldReservation, InvalidInput, ManualClock, MissingScope, VoucherClient
from voucher_async.testing import VoucherEmulator


@pytest_asyncio.fixture(params=[False, True], ids=["balance as it is", "balance lowered by reservations"])
async def emulator(clock: ManualClock, request: pytest.FixtureRequest) -> AsyncIterator[VoucherEmulator]:
    async with VoucherEmulator(clock=clock, reservations_lower_balance=request.param) as emulator:
        yield emulator


async def hold(client: VoucherClient, code: str, amount: str, **more: str) -> HeldReservation:
    async with client.checkout(order_number="A-1", currency="EUR") as checkout:
        held = await checkout.reserve(code=code, amount=amount, allow_partial=True, **more)  # type: ignore[arg-type]
        await checkout.charge()
        return held


async def test_a_voucher_that_covers_the_amount_costs_one_request(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    voucher = emulator.add_voucher(amount="20.00")
    held = await hold(client, voucher.code, "20.00")
    assert (held.amount, held.missing) == (Decimal("20.00"), Decimal("0.00"))
    assert emulator.requests.count("createReservation") == 1
    assert emulator.requests.count("getVoucher") == 0


@pytest.mark.parametrize("balance", ["19.99", "5.00", "0.03", "0.02", "0.01"])
async def test_a_voucher_that_holds_less_is_held_to_the_last_cent(
    client: VoucherClient, emulator: VoucherEmulator, balance: str
) -> None:
    voucher = emulator.add_voucher(amount=balance)
    held = await hold(client, voucher.code, "20.00")
    assert held.amount == Decimal(balance)
    assert held.missing == Decimal("20.00") - Decimal(balance)
    assert emulator.balance(voucher.id) == 0
    assert emulator.requests.count("createReservation") <= 4


async def test_an_empty_voucher_is_refused_with_the_servers_words(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    voucher = emulator.add_voucher(amount="5.00")
    await hold(client, voucher.code, "5.00")
    with pytest.raises(ApiError) as caught:
        await hold(client, voucher.code, "5.00")
    assert caught.value.code


async def test_a_wrong_pin_is_refused(client: VoucherClient, emulator: VoucherEmulator) -> None:
    voucher = emulator.add_voucher(amount="5.00", pin="1234", type="print")
    with pytest.raises(ApiError):
        await hold(client, voucher.code, "9.00", pin="4321")
    held = await hold(client, voucher.code, "9.00", pin="1234")
    assert held.amount == Decimal("5.00")


async def test_the_read_needs_a_scope_and_the_error_names_it(
    emulator: VoucherEmulator, clock: ManualClock
) -> None:
    voucher = emulator.add_voucher(amount="5.00")
    reader = emulator.add_client(scopes=["use"])
    async with VoucherClient(**emulator.settings(reader), clock=clock) as client:
        with pytest.raises(MissingScope) as caught:
            await hold(client, voucher.code, "9.00")
    assert caught.value.scope == "read"


async def test_a_cent_that_is_refused_is_not_asked_for_again(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    with pytest.raises(ApiError):
        await hold(client, "NO-SUCH-CODE", "0.01")
    assert emulator.requests.count("createReservation") == 1


async def test_bad_amounts_are_refused_before_anything_is_sent(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    with pytest.raises(InvalidInput):
        await hold(client, "CODE", "0.00")
    assert len(emulator.requests) == 0
