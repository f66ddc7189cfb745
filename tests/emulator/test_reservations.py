"""Operations 11 and 12: reserve, then charge."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tests.emulator.conftest import broken
from voucher_async.testing import VoucherEmulator

if TYPE_CHECKING:
    from collections.abc import Callable

    from voucher_async.testing import ManualClock

HALF_AN_HOUR = 30 * 60
AMOUNT = {"amount": "10.00", "currency": "EUR"}


def refused(answer: Any) -> tuple[int, str]:
    return answer.status, answer.body["code"]


def test_a_reservation_lasts_half_an_hour_and_moves_no_money(api: Any) -> None:
    voucher = api.emulator.add_voucher(amount="25.00", taxable=True, tax_rate="7")
    body = api.reserve(voucher, "10.00").body
    assert body["voucher_id"] == voucher.id
    assert body["amount"] == "10.00"
    assert (body["voucher_taxable"], body["voucher_tax_rate"]) == (True, "7")
    assert body["valid_until"] == "2026-01-01T12:30:00+00:00"
    assert api.emulator.balance(voucher.id) == Decimal("25.00")
    assert api("GET", f"/vouchers/{voucher.id}").body["remaining_amount"] == "25.00"


def test_a_charge_takes_the_whole_reserved_amount(api: Any) -> None:
    voucher = api.emulator.add_voucher(amount="25.00")
    reservation = api.reserve(voucher, "10.00").body
    charge = api.charge(reservation["id"], "A-1").body
    assert (charge["type"], charge["amount"], charge["order_number"]) == ("charge", "10.00", "A-1")
    assert api.emulator.balance(voucher.id) == Decimal("15.00")


def test_the_whole_balance_can_be_reserved_and_no_cent_more(api: Any) -> None:
    voucher = api.emulator.add_voucher(amount="25.00")
    assert api.reserve(voucher, "25.00").status == 200
    assert refused(api.reserve(voucher, "25.01")) == (409, "RESERVATION.CREATE.INSUFFICIENT_BALANCE")


def test_a_reservation_is_charged_once(api: Any) -> None:
    voucher = api.emulator.add_voucher(amount="25.00")
    reservation = api.reserve(voucher, "10.00").body
    assert api.charge(reservation["id"]).status == 200
    assert refused(api.charge(reservation["id"])) == (409, "RESERVATION.CHARGE.ALREADY_CHARGED")
    assert api.emulator.balance(voucher.id) == Decimal("15.00")


def test_an_emulator_may_charge_a_reservation_twice_within_the_balance(
    api_of: Callable[[VoucherEmulator], Any],
) -> None:
    api = api_of(VoucherEmulator(allow_double_charge=True))
    voucher = api.emulator.add_voucher(amount="25.00")
    reservation = api.reserve(voucher, "10.00").body
    assert api.charge(reservation["id"]).status == 200
    assert api.charge(reservation["id"]).status == 200
    assert refused(api.charge(reservation["id"])) == (409, "RESERVATION.CHARGE.INSUFFICIENT_BALANCE")
    assert api.emulator.balance(voucher.id) == Decimal("5.00")
    api.emulator.ledger.check()


def test_a_newer_reservation_replaces_an_older_one_of_the_same_voucher(api: Any) -> None:
    voucher = api.emulator.add_voucher(amount="25.00")
    other = api.emulator.add_voucher(amount="25.00")
    first, elsewhere = api.reserve(voucher, "20.00").body, api.reserve(other, "20.00").body
    second = api.reserve(voucher, "20.00").body
    assert refused(api.charge(first["id"])) == (409, "RESERVATION.CHARGE.SUPERSEDED")
    assert api.charge(second["id"]).status == 200
    assert api.charge(elsewhere["id"]).status == 200


def test_a_refused_reservation_replaces_nothing(api: Any) -> None:
    voucher = api.emulator.add_voucher(amount="25.00")
    first = api.reserve(voucher, "20.00").body
    assert api.reserve(voucher, "30.00").status == 409
    assert api.charge(first["id"]).status == 200


def test_a_reservation_ends_on_the_second(api: Any, clock: ManualClock) -> None:
    voucher = api.emulator.add_voucher(amount="25.00")
    late = api.reserve(voucher, "10.00").body
    clock.advance(HALF_AN_HOUR)
    assert refused(api.charge(late["id"])) == (409, "RESERVATION.CHARGE.EXPIRED")
    good = api.reserve(voucher, "10.00").body
    clock.advance(HALF_AN_HOUR - 1)
    assert api.charge(good["id"]).status == 200


def test_time_that_the_emulator_advanced_by_itself_ends_a_reservation_too(api: Any) -> None:
    voucher = api.emulator.add_voucher(amount="25.00")
    reservation = api.reserve(voucher, "10.00").body
    api.emulator.advance(HALF_AN_HOUR)
    assert refused(api.charge(reservation["id"])) == (409, "RESERVATION.CHARGE.EXPIRED")


def test_an_inactive_voucher_is_neither_reserved_nor_charged(api: Any) -> None:
    voucher = api.emulator.add_voucher(amount="25.00", active=False)
    assert refused(api.reserve(voucher)) == (409, "RESERVATION.CREATE.VOUCHER_INACTIVE")
    api.emulator.set_status(voucher.id, "active")
    reservation = api.reserve(voucher).body
    api.emulator.set_status(voucher.id, "inactive")
    assert refused(api.charge(reservation["id"])) == (409, "RESERVATION.CHARGE.VOUCHER_INACTIVE")


def test_an_expired_voucher_is_neither_reserved_nor_charged(api: Any, clock: ManualClock) -> None:
    voucher = api.emulator.add_voucher(amount="25.00", validity_value=1, validity_interval="days")
    clock.advance(24 * 3600 - 60)
    api.token = api.new_token()
    reservation = api.reserve(voucher).body
    clock.advance(60)
    assert refused(api.reserve(voucher)) == (409, "RESERVATION.CREATE.VOUCHER_EXPIRED")
    assert refused(api.charge(reservation["id"])) == (409, "RESERVATION.CHARGE.VOUCHER_EXPIRED")


def test_a_deleted_vouchers_reservation_is_gone(api: Any) -> None:
    voucher = api.emulator.add_voucher(amount="25.00")
    reservation = api.reserve(voucher).body
    api.emulator.set_status(voucher.id, "inactive")
    assert api("DELETE", f"/vouchers/{voucher.id}", {"comment": "x"}).status == 204
    assert refused(api.charge(reservation["id"])) == (404, "RESERVATION.NOT_FOUND")


@pytest.mark.parametrize(
    ("voucher_pin", "type", "sent", "code"),
    [
        (None, "digital", None, None),
        (None, "digital", "9999", None),
        ("0042", "digital", None, None),
        ("0042", "digital", "0042", None),
        ("0042", "digital", "9999", "RESERVATION.CREATE.PIN.MATCHES_VOUCHER"),
        ("0042", "print", None, "RESERVATION.CREATE.PIN.REQUIRED"),
        ("0042", "print", "0042", None),
        ("0042", "print", "9999", "RESERVATION.CREATE.PIN.MATCHES_VOUCHER"),
        ("0042", "digital", 42, "RESERVATION.CREATE.PIN.STRING"),
    ],
)
def test_a_pin_is_compared_when_it_is_sent_and_asked_for_on_print(
    api: Any, voucher_pin: str | None, type: str, sent: object, code: str | None
) -> None:
    voucher = api.emulator.add_voucher(amount="25.00", pin=voucher_pin, type=type)
    answer = api.reserve(voucher, **({} if sent is None else {"pin": sent}))
    assert answer.status == (200 if code is None else 422)
    assert code is None or answer.codes == {code}


def test_a_printed_voucher_gets_a_pin_when_its_creator_names_none(api: Any) -> None:
    assert api.emulator.add_voucher(amount=5, type="print").pin


@broken(
    {
        "CURRENCY.MATCHES_VOUCHER": {"currency": ["USD"]},
        "CURRENCY.VALID_CURRENCY": {"currency": ["???"]},
        "AMOUNT.MIN:0.01": {"amount": ["0.00", "-1.00"]},
        "AMOUNT.STRING": {"amount": [1]},
        "CODE.REQUIRED": {"code": [None]},
        "CODE.MAX:255": {"code": ["x" * 256]},
    }
)
def test_a_reservations_broken_rule_is_named(api: Any, changed: dict[str, object], code: str) -> None:
    voucher = api.emulator.add_voucher(amount="25.00")
    answer = api("POST", "/reservations", {"code": voucher.code, **AMOUNT, **changed})
    assert answer.status == 422
    assert answer.codes == {f"RESERVATION.CREATE.{code}"}


@pytest.mark.parametrize(
    ("body", "rule"), [({}, "REQUIRED"), ({"order_number": ""}, "REQUIRED"), ({"order_number": 1}, "STRING")]
)
def test_a_charge_needs_an_order_number(api: Any, body: object, rule: str) -> None:
    voucher = api.emulator.add_voucher(amount="25.00")
    reservation = api.reserve(voucher).body
    answer = api("POST", f"/reservations/{reservation['id']}/charge", body)
    assert answer.codes == {f"RESERVATION.CHARGE.ORDER_NUMBER.{rule}"}
    assert api.charge(reservation["id"]).status == 200


def test_an_open_reservation_may_lower_what_a_read_shows(
    api_of: Callable[[VoucherEmulator], Any], clock: ManualClock
) -> None:
    api = api_of(VoucherEmulator(clock=clock, reservations_lower_balance=True))
    voucher = api.emulator.add_voucher(amount="25.00")

    def remaining() -> str:
        return str(api("GET", f"/vouchers/{voucher.id}").body["remaining_amount"])

    first = api.reserve(voucher, "20.00").body
    assert remaining() == "5.00"
    assert api.charge(first["id"]).status == 200
    assert remaining() == "5.00"
    assert api.reserve(voucher, "5.00").status == 200
    assert remaining() == "0.00"
    clock.advance(HALF_AN_HOUR)
    assert remaining() == "5.00"


def test_the_status_of_a_business_refusal_can_be_chosen(api_of: Callable[[VoucherEmulator], Any]) -> None:
    api = api_of(VoucherEmulator(conflict_status=422))
    voucher = api.emulator.add_voucher(amount="5.00")
    assert refused(api.reserve(voucher, "6.00")) == (422, "RESERVATION.CREATE.INSUFFICIENT_BALANCE")
