"""Money does not depend on the application's decimal context, whatever that rounds or raises."""

from __future__ import annotations

import decimal
from collections.abc import Iterator
from decimal import Decimal

import pytest

from voucher_async import VoucherClient
from voucher_async.testing import VoucherEmulator, faults

TRAPS = [
    *(decimal.Inexact, decimal.Rounded, decimal.Clamped, decimal.Subnormal, decimal.FloatOperation),
    *(decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow, decimal.Underflow),
]
CONTEXTS = {
    "three digits": decimal.Context(prec=3),
    "rounding up": decimal.Context(prec=2, rounding=decimal.ROUND_UP),
    "no exponents": decimal.Context(prec=1, Emin=0, Emax=0, clamp=1, capitals=0),
    "everything raises": decimal.Context(prec=1, Emin=0, Emax=0, traps=TRAPS),
    "nothing raises": decimal.Context(prec=1, traps=[]),
}


@pytest.fixture(params=CONTEXTS)
def _hostile(request: pytest.FixtureRequest) -> Iterator[None]:
    before = decimal.getcontext()
    decimal.setcontext(CONTEXTS[request.param].copy())
    yield
    decimal.setcontext(before)


@pytest.mark.usefixtures("_hostile")
@pytest.mark.parametrize("reservations_lower_balance", [False, True])
async def test_every_cent_is_kept(*, reservations_lower_balance: bool) -> None:
    assert decimal.getcontext().prec <= 3
    async with (
        VoucherEmulator(reservations_lower_balance=reservations_lower_balance) as emulator,
        VoucherClient(**emulator.settings()) as client,
    ):
        rich, poor = emulator.add_voucher(amount="5000.00"), emulator.add_voucher(amount="1004.55")
        async with client.checkout(order_number="A-1", currency="EUR") as checkout:
            await checkout.reserve(code=rich.code, amount="1234.56")
            two = await checkout.reserve(code=poor.code, amount="2000.99", allow_partial=True)
            assert (str(two.amount), str(two.missing)) == ("1004.55", "996.44")
            assert str(checkout.reserved) == "2239.11"
            first, second = await checkout.charge()
        refund = await client.charges.refund(first, "234.57", currency="EUR")
        await client.vouchers.recharge(id=poor.id, amount="777.77", currency="EUR", order_number="A-2")
        assert (str(second.amount), str(refund.amount)) == ("1004.55", "234.57")
        read = await client.vouchers.get(rich.id)
        assert str(read.remaining_amount) == str(emulator.balance(rich.id)) == "4000.01"
        assert str(emulator.balance(poor.id)) == "777.77"
        emulator.ledger.check()


@pytest.mark.usefixtures("_hostile")
async def test_a_lost_answer_is_settled_to_the_cent() -> None:
    async with VoucherEmulator() as emulator, VoucherClient(**emulator.settings()) as client:
        voucher = emulator.add_voucher(amount="5000.01")
        emulator.faults.script("chargeReservation", faults.BreakAfter())
        charge = await client.redeem(
            code=voucher.code, amount=Decimal("1234.56"), currency="EUR", order_number="A-1"
        )
        assert str(charge.amount) == "1234.56"
        assert str(emulator.balance(voucher.id)) == "3765.45"
