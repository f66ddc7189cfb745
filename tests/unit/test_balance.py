"""The sum of a voucher's movements, held against its balance."""

from __future__ import annotations

import decimal
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.samples import charge, example, raw
from voucher_async import Charge, ChargeType, wire
from voucher_async.models import VoucherDetails
from voucher_async.payments.balance import adds_up

SIGNS = {ChargeType.CHARGE: -1, ChargeType.REFUND: 1, ChargeType.RECHARGE: 1}
VOUCHER = wire.decode(VoucherDetails, raw(example("VoucherDetails")))


def voucher(amount: Decimal | str, remaining: Decimal | str) -> VoucherDetails:
    return attrs.evolve(VOUCHER, amount=Decimal(amount), remaining_amount=Decimal(remaining))


def move(kind: Any, amount: Decimal | str) -> Charge:
    return charge(type=ChargeType(kind), amount=Decimal(amount))


@pytest.mark.parametrize(
    ("moves", "remaining"),
    [
        ([], "25.00"),
        ([("charge", "5.00")], "20.00"),
        ([("charge", "5.00"), ("refund", "2.00")], "22.00"),
        ([("recharge", "10.00"), ("charge", "0.01")], "34.99"),
    ],
)
def test_what_was_charged_is_missing_and_what_was_added_is_there(
    moves: list[tuple[str, str]], remaining: str
) -> None:
    charges = [move(kind, amount) for kind, amount in moves]
    assert adds_up(voucher("25.00", remaining), charges)
    assert not adds_up(voucher("25.00", str(Decimal(remaining) - Decimal("0.01"))), charges)
    assert not adds_up(voucher("25.00", str(Decimal(remaining) + Decimal("0.01"))), charges)


def test_a_charge_that_the_list_does_not_show_does_not_add_up() -> None:
    assert not adds_up(voucher("25.00", "15.00"), [move("charge", "5.00")])


def test_a_movement_of_an_unknown_type_never_adds_up() -> None:
    assert not adds_up(voucher("25.00", "25.00"), [move("transfer", "5.00")])
    assert not adds_up(voucher("25.00", "20.00"), [move("transfer", "5.00")])


def test_no_decimal_context_of_the_application_rounds_the_sum() -> None:
    with decimal.localcontext(prec=2):
        assert adds_up(voucher("999999.99", "999998.98"), [move("charge", "1.01")])
        assert not adds_up(voucher("999999.99", "999998.99"), [move("charge", "1.01")])


@given(st.lists(st.tuples(st.sampled_from(list(SIGNS)), st.decimals("0.01", "999.99", places=2)), max_size=9))
def test_the_sum_is_exact(moves: list[tuple[ChargeType, Decimal]]) -> None:
    remaining = Decimal("100000.00") + sum((SIGNS[kind] * amount for kind, amount in moves), Decimal())
    charges = [move(kind, amount) for kind, amount in moves]
    assert adds_up(voucher("100000.00", remaining), charges)
    assert not adds_up(voucher("100000.00", remaining + Decimal("0.01")), charges)
