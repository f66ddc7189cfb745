"""Operations 9, 10 and 13: one charge, refunds and recharges."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.emulator.conftest import broken

if TYPE_CHECKING:
    from voucher_async.testing import ManualClock


def refused(answer: Any) -> tuple[int, str]:
    return answer.status, answer.body["code"]


def test_a_charge_is_refunded_in_several_parts_up_to_its_amount(api: Any) -> None:
    voucher = api.emulator.add_voucher(amount="25.00")
    charge = api.charged(voucher, "10.00", "A-1")
    refund = api.refund(charge, "4.00").body
    assert (refund["type"], refund["amount"], refund["order_number"]) == ("refund", "4.00", "A-1")
    assert api.refund(charge, "6.01").codes == {"CHARGE.REFUND.AMOUNT.MAX:6.00"}
    assert api.refund(charge, "6.00").status == 200
    assert refused(api.refund(charge, "0.01")) == (409, "CHARGE.REFUND.ALREADY_REFUNDED")
    assert api.emulator.balance(voucher.id) == Decimal("25.00")


@broken(
    {
        "AMOUNT.MIN:0.01": {"amount": ["0.00"]},
        "AMOUNT.REGEX": {"amount": ["1"]},
        "CURRENCY.MATCHES_VOUCHER": {"currency": ["USD"]},
        "CURRENCY.VALID_CURRENCY": {"currency": ["nix"]},
    }
)
def test_a_refunds_broken_rule_is_named(api: Any, changed: dict[str, str], code: str) -> None:
    answer = api.refund(api.charged(api.emulator.add_voucher(amount="25.00")), **changed)
    assert (answer.status, answer.codes) == (422, {f"CHARGE.REFUND.{code}"})


def test_only_a_charge_is_refunded(api: Any) -> None:
    voucher = api.emulator.add_voucher(amount="25.00")
    recharge = api.recharge("5.00", id=voucher.id).body["id"]
    refund = api.refund(api.charged(voucher), "1.00").body["id"]
    assert refused(api.refund(recharge, "1.00")) == (409, "CHARGE.REFUND.NOT_REFUNDABLE")
    assert refused(api.refund(refund, "1.00")) == (409, "CHARGE.REFUND.NOT_REFUNDABLE")
    assert refused(api.refund("none", "1.00")) == (404, "CHARGE.NOT_FOUND")


def test_a_refund_reaches_an_inactive_voucher(api: Any) -> None:
    voucher = api.emulator.add_voucher(amount="25.00")
    charge = api.charged(voucher)
    api.emulator.set_status(voucher.id, "inactive")
    assert api.refund(charge, "10.00").status == 200


def test_a_recharge_adds_credit_by_id_or_by_code(api: Any) -> None:
    voucher = api.emulator.add_voucher(amount="0.00")
    by_id = api.recharge("5.00", id=voucher.id).body
    assert (by_id["type"], by_id["order_number"]) == ("recharge", "R-1")
    assert api.recharge("2.50", code=voucher.code).status == 200
    assert api.emulator.balance(voucher.id) == Decimal("7.50")


@broken(
    {
        "CODE.REQUIRED_WITHOUT:id": {},
        "CODE.PROHIBITS:id": {"id": ["V"], "code": ["C"]},
        "CURRENCY.MATCHES_VOUCHER": {"id": ["V"], "currency": ["USD"]},
        "ORDER_NUMBER.REQUIRED": {"id": ["V"], "order_number": [None]},
        "ID.STRING": {"id": [1]},
    }
)
def test_a_recharges_broken_rule_is_named(api: Any, changed: dict[str, object], code: str) -> None:
    api.emulator.add_voucher(amount=1, id="V", code="C")
    answer = api.recharge("1.00", **changed)
    assert answer.status == 422
    assert f"VOUCHER.RECHARGE.{code}" in answer.codes


def test_credit_ends_where_nine_characters_end(api: Any) -> None:
    voucher = api.emulator.add_voucher(amount="999999.00")
    api.charged(voucher, "500.00")
    assert api.recharge("1.00", id=voucher.id).codes == {"VOUCHER.RECHARGE.AMOUNT.MAX:0.99"}
    assert api.recharge("0.99", id=voucher.id).status == 200


def test_an_expired_voucher_is_not_recharged(api: Any, clock: ManualClock) -> None:
    voucher = api.emulator.add_voucher(amount=5, validity_value=1, validity_interval="days")
    clock.advance(24 * 3600)
    api.token = api.new_token()
    assert refused(api.recharge("1.00", id=voucher.id)) == (409, "VOUCHER.RECHARGE.VOUCHER_EXPIRED")


def test_a_charge_is_read_under_its_own_voucher_only(api: Any) -> None:
    voucher, other = api.emulator.add_voucher(amount=25), api.emulator.add_voucher(amount=25)
    charge = api.charged(voucher)
    body = api("GET", f"/vouchers/{voucher.id}/charges/{charge}").body
    assert body["id"] == charge
    assert "currency" not in body
    assert refused(api("GET", f"/vouchers/{other.id}/charges/{charge}")) == (404, "CHARGE.NOT_FOUND")
