"""Operations 1 and 3 to 7: vouchers, from their creation to their end."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tests.emulator.conftest import broken

if TYPE_CHECKING:
    from voucher_async.testing import ManualClock, VoucherEmulator

NEW = {"amount": "25.00", "currency": "EUR"}


def test_a_new_voucher_is_inactive_and_answered_with_its_secrets(api: Any) -> None:
    answer = api("POST", "/vouchers", NEW)
    assert answer.status == 201
    assert answer.body["status"] == "inactive"
    assert answer.body["valid_until"] is None
    assert answer.body["code"]
    assert "pin" in answer.body
    assert answer.body["client_id"] == api.emulator.client_id
    assert answer.body["created_at"] == "2026-01-01T12:00:00+00:00"


def test_what_a_creator_says_comes_back_as_it_was_said(api: Any) -> None:
    said = {
        "id": "Gift/42 ü",
        "code": "CODE-1",
        "pin": "0042",
        "sku": "S",
        "batch": "B",
        "amount": "0.00",
        "currency": "CHF",
        "validity_value": 6,
        "validity_interval": "weeks",
        "type": "print",
        "taxable": True,
        "tax_rate": "19",
        "order_number": "A-1",
        "data": '{"a": 1}',
    }
    answer = api("POST", "/vouchers", said)
    assert answer.status == 201
    assert said.items() <= answer.body.items()
    assert api("GET", "/vouchers/Gift%2F42%20%C3%BC").body["amount"] == "0.00"


@broken(
    {
        "AMOUNT.REQUIRED": {"amount": [None, "  "]},
        "AMOUNT.STRING": {"amount": [25]},
        "AMOUNT.NUMERIC": {"amount": ["ten", "25.00\n", "2\N{ARABIC-INDIC DIGIT FIVE}.00"]},
        "AMOUNT.MIN:0": {"amount": ["-1.00"]},
        "AMOUNT.REGEX": {"amount": ["25", "25.000", "1000000.00"]},
        "CURRENCY.REQUIRED": {"currency": [None]},
        "CURRENCY.VALID_CURRENCY": {"currency": ["eur", "ZZZ"]},
        "CURRENCY.STRING": {"currency": [978]},
        "CUSTOM_ID.STRING": {"id": [1, None]},
        "CUSTOM_ID.MAX:255": {"id": ["x" * 256]},
        "CUSTOM_ID.UNIQUE": {"id": ["taken"]},
        "CUSTOM_ID.NOT_IN:recharge": {"id": ["recharge"]},
        "CODE.STRING": {"code": [["x"], " "]},
        "CODE.MAX:255": {"code": ["x" * 256]},
        "CODE.UNIQUE": {"code": ["TAKEN"]},
        "PIN.STRING": {"pin": [1234, None]},
        "PIN.MAX:255": {"pin": ["1" * 256]},
        "SKU.STRING": {"sku": [{}, None]},
        "SKU.MAX:255": {"sku": ["x" * 256]},
        "BATCH.STRING": {"batch": [True, ""]},
        "BATCH.MAX:30": {"batch": ["x" * 31]},
        "VALIDITY_VALUE.INTEGER": {"validity_value": ["3", True, 1.5, None]},
        "VALIDITY_VALUE.MIN:1": {"validity_value": [0]},
        "VALIDITY_VALUE.MAX:9999": {"validity_value": [10**30]},
        "VALIDITY_INTERVAL.IN:days,weeks,months,years": {"validity_interval": ["hours"]},
        "VALIDITY_INTERVAL.STRING": {"validity_interval": [None]},
        "TYPE.IN:digital,print": {"type": ["paper"]},
        "TYPE.STRING": {"type": [""]},
        "TAXABLE.BOOLEAN": {"taxable": [1, None]},
        "TAX_RATE.PROHIBITED_UNLESS:taxable,true": {"tax_rate": ["19"]},
        "TAX_RATE.STRING": {"taxable": [True], "tax_rate": [19, None]},
        "ORDER_NUMBER.STRING": {"order_number": [1]},
        "ORDER_NUMBER.MAX:255": {"order_number": ["x" * 256]},
        "DATA.STRING": {"data": ["", {}]},
        "DATA.JSON": {"data": ["{", "NaN", "[" * 100_000]},
    }
)
def test_a_broken_rule_is_named(api: Any, changed: dict[str, object], code: str) -> None:
    api.emulator.add_voucher(amount=1, id="taken", code="TAKEN")
    answer = api("POST", "/vouchers", {**NEW, **changed})
    assert answer.status == 422
    assert answer.body["code"] == "VOUCHER.CREATE.UNPROCESSABLE_ENTITY"
    assert answer.codes == {f"VOUCHER.CREATE.{code}"}
    assert len(api.emulator.vouchers()) == 1


def test_a_whole_number_may_be_written_with_a_point(api: Any) -> None:
    assert api("POST", "/vouchers", {**NEW, "validity_value": 6.0}).body["validity_value"] == 6


def test_all_broken_rules_come_in_one_answer(api: Any) -> None:
    answer = api("POST", "/vouchers", {"currency": "XX", "sku": 1})
    assert answer.codes == {
        "VOUCHER.CREATE.AMOUNT.REQUIRED",
        "VOUCHER.CREATE.CURRENCY.VALID_CURRENCY",
        "VOUCHER.CREATE.SKU.STRING",
    }
    error = next(error for error in answer.body["errors"] if error["property"] == "currency")
    assert error["rule"] == "valid_currency"
    assert error["message"] == "The currency is not a valid currency."


def test_a_read_shows_the_balance_and_no_secret(api: Any) -> None:
    voucher = api.emulator.add_voucher(amount="25.00", pin="0042")
    body = api("GET", f"/vouchers/{voucher.id}").body
    assert body["remaining_amount"] == "25.00"
    assert body["deletable"] is False
    assert not {"code", "pin"} & body.keys()


def test_a_complete_read_shows_the_secrets(api: Any) -> None:
    voucher = api.emulator.add_voucher(amount="25.00", pin="0042")
    body = api("GET", f"/vouchers/{voucher.id}/complete").body
    assert (body["code"], body["pin"]) == (voucher.code, "0042")
    assert not {"remaining_amount", "deletable"} & body.keys()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/vouchers/none", None),
        ("PATCH", "/vouchers/none", {}),
        ("DELETE", "/vouchers/none", {"comment": "x"}),
        ("GET", "/vouchers/none/complete", None),
        ("PATCH", "/vouchers/none/status", {"status": "active"}),
        ("GET", "/vouchers/none/charges", None),
        ("GET", "/vouchers/none/charges/none", None),
        ("POST", "/vouchers/recharge", {**NEW, "order_number": "A-1", "id": "none"}),
        ("POST", "/reservations", {**NEW, "code": "none"}),
    ],
)
def test_a_voucher_that_is_not_there_is_a_404(api: Any, method: str, path: str, body: object) -> None:
    answer = api(method, path, body)
    assert (answer.status, answer.body["code"]) == (404, "VOUCHER.NOT_FOUND")


def test_only_what_an_update_names_changes(api: Any) -> None:
    voucher = api.emulator.add_voucher(amount=5, active=False, sku="S", batch="B")
    body = api("PATCH", f"/vouchers/{voucher.id}", {"sku": "T"}).body
    assert (body["sku"], body["batch"]) == ("T", "B")
    body = api("PATCH", f"/vouchers/{voucher.id}", {"batch": None}).body
    assert (body["sku"], body["batch"]) == ("T", None)
    assert api("PATCH", f"/vouchers/{voucher.id}", {"sku": " "}).codes == {"VOUCHER.UPDATE.SKU.STRING"}
    assert not {"code", "pin", "remaining_amount", "deletable"} & body.keys()


def test_an_update_of_nothing_is_refused(api: Any) -> None:
    voucher = api.emulator.add_voucher(amount=5, active=False)
    answer = api("PATCH", f"/vouchers/{voucher.id}", {})
    assert answer.codes == {"VOUCHER.UPDATE.SKU.REQUIRED_WITHOUT:batch"}


def test_an_active_voucher_is_not_updated(api: Any) -> None:
    voucher = api.emulator.add_voucher(amount=5, sku="S")
    answer = api("PATCH", f"/vouchers/{voucher.id}", {"sku": "T"})
    assert (answer.status, answer.body["code"]) == (409, "VOUCHER.UPDATE.VOUCHER_ACTIVE")
    assert api.emulator.voucher(voucher.id).sku == "S"


@pytest.mark.parametrize(
    ("value", "interval", "end"),
    [
        (10, "days", "2024-02-10T10:00:00+00:00"),
        (2, "weeks", "2024-02-14T10:00:00+00:00"),
        (1, "months", "2024-02-29T10:00:00+00:00"),
        (11, "months", "2024-12-31T10:00:00+00:00"),
        (1, "years", "2025-01-31T10:00:00+00:00"),
        (9999, "years", "9999-12-31T23:59:59+00:00"),
        (9999, "weeks", "2215-09-20T10:00:00+00:00"),
    ],
)
def test_activation_starts_the_validity(
    emulator: VoucherEmulator, api: Any, value: int, interval: str, end: str
) -> None:
    start = dt.datetime(2024, 1, 31, 10, tzinfo=dt.UTC)
    emulator.shift((start - emulator.now()).total_seconds())
    api.token = api.new_token()
    voucher = emulator.add_voucher(amount=5, active=False, validity_value=value, validity_interval=interval)
    body = api("PATCH", f"/vouchers/{voucher.id}/status", {"status": "active", "comment": "sold"}).body
    assert (body["status"], body["valid_until"]) == ("active", end)


def test_the_same_status_again_changes_nothing(api: Any, clock: ManualClock) -> None:
    voucher = api.emulator.add_voucher(amount=5)
    clock.advance(60)
    answer = api("PATCH", f"/vouchers/{voucher.id}/status", {"status": "active"})
    assert answer.status == 200
    assert api.emulator.voucher(voucher.id) == voucher


def test_a_deactivated_voucher_has_no_end(api: Any) -> None:
    voucher = api.emulator.add_voucher(amount=5)
    body = api("PATCH", f"/vouchers/{voucher.id}/status", {"status": "inactive"}).body
    assert (body["status"], body["valid_until"]) == ("inactive", None)


@pytest.mark.parametrize(("body", "rule"), [({}, "REQUIRED"), ({"status": "gone"}, "IN:active,inactive")])
def test_an_unknown_status_is_refused(api: Any, body: object, rule: str) -> None:
    voucher = api.emulator.add_voucher(amount=5)
    answer = api("PATCH", f"/vouchers/{voucher.id}/status", body)
    assert answer.codes == {f"VOUCHER.STATUS.STATUS.{rule}"}


def test_an_unused_voucher_is_deleted_and_its_code_is_free_again(api: Any) -> None:
    voucher = api.emulator.add_voucher(amount=5, active=False, code="AGAIN")
    assert api("GET", f"/vouchers/{voucher.id}").body["deletable"] is True
    assert api("DELETE", f"/vouchers/{voucher.id}", {"comment": "mistake"}).status == 204
    assert api("DELETE", f"/vouchers/{voucher.id}", {"comment": "mistake"}).status == 404
    assert api.emulator.add_voucher(amount=5, code="AGAIN").balance == Decimal(5)
    api.emulator.ledger.check()


def test_a_deletion_needs_a_comment(api: Any) -> None:
    voucher = api.emulator.add_voucher(amount=5, active=False)
    assert api("DELETE", f"/vouchers/{voucher.id}").codes == {"VOUCHER.DELETE.COMMENT.REQUIRED"}
    long = api("DELETE", f"/vouchers/{voucher.id}", {"comment": "x" * 256})
    assert long.codes == {"VOUCHER.DELETE.COMMENT.MAX:255"}


def test_an_active_voucher_is_not_deleted(api: Any) -> None:
    voucher = api.emulator.add_voucher(amount=5)
    answer = api("DELETE", f"/vouchers/{voucher.id}", {"comment": "x"})
    assert (answer.status, answer.body["code"]) == (409, "VOUCHER.DELETE.VOUCHER_ACTIVE")


def test_a_voucher_with_a_charge_is_not_deleted(api: Any) -> None:
    voucher = api.emulator.add_voucher(amount=25)
    api.charged(voucher)
    api.emulator.set_status(voucher.id, "inactive")
    answer = api("DELETE", f"/vouchers/{voucher.id}", {"comment": "x"})
    assert (answer.status, answer.body["code"]) == (409, "VOUCHER.DELETE.VOUCHER_HAS_CHARGES")
    assert api("GET", f"/vouchers/{voucher.id}").body["deletable"] is False
