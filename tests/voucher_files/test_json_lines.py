"""JSON lines, read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.voucher_files.made import errors_of, voucher
from voucher_async import VoucherSpec
from voucher_async.voucher_files import InvalidVoucherFile, json_line, load_vouchers, read_vouchers

SPEC = VoucherSpec(
    id="v-1",
    code="SECRET",
    amount="25.00",
    currency="EUR",
    data='{"a": "ü"}',
    order_number="A-1",
    activate=True,
)


def line(**values: Any) -> str:
    return json.dumps({"amount": "25.00", "currency": "EUR", **values})


def test_each_line_is_a_voucher(tmp_path: Path) -> None:
    path = tmp_path / "cards.jsonl"
    path.write_text(f"\ufeff{json_line(SPEC)}\r\n\n{line(status='inactive', pin=None)}", encoding="utf-8")
    assert load_vouchers(path) == [SPEC, VoucherSpec(amount="25.00", currency="EUR", activate=False)]
    assert [read.number for read in read_vouchers(path)] == [1, 3]


def test_a_voucher_of_the_api_is_a_voucher_to_be_issued_unless_it_was_activated() -> None:
    fresh = voucher(1, status="inactive", valid_until=None)
    (spec,) = load_vouchers([json_line(fresh)])
    assert (spec.id, spec.code, spec.activate, spec.amount) == ("v-1", "CODE-00001", False, fresh.amount)
    assert [error.column for error in errors_of([json_line(voucher(1))])] == ["valid_until"]


@pytest.mark.parametrize(
    ("text", "column", "rule"),
    [
        ("{", "", "must be a JSON object"),
        ('{"amount": "SECRET"', "", "must be a JSON object"),
        ("{}[]", "", "must be a JSON object"),
        ('{"amount": NaN}', "", "must be a JSON object"),
        ('{"a":' * 100_000, "", "must be a JSON object"),
        ('{"amount": "1.00", "amount": "2.00"}', "", "names amount twice"),
        (line(amount=25.0), "amount", "a point"),
        (line(amount=25), "amount", "a point"),
        (line(amount="25,00"), "amount", "a point"),
        (line(amount=None), "amount", "is missing"),
        (line(validity_value=1.0, validity_interval="days"), "validity_value", "int"),
        (line(taxable=1), "taxable", "bool"),
        (line(tax_rate=19, taxable=True), "tax_rate", "str"),
        (line(activate="yes"), "activate", "true or false"),
        (line(activate=True, status="inactive"), "status", "contradicts"),
        (line(status="blocked"), "status", "active or inactive"),
        (line(remaining_amount="5.00"), "remaining_amount", "whole amount"),
        (line(valid_until="2027-01-01T00:00:00Z"), "valid_until", "follows from the validity"),
        (line(sku="\ud800"), "sku", "surrogates"),
        (line(code=4711), "code", "str"),
        (line(note="SECRET"), "note", "no field"),
    ],
)
def test_a_line_is_refused_with_its_place(text: str, column: str, rule: str) -> None:
    (error,) = errors_of([f"{line(id='v-0')}\n", text])
    assert (error.line, error.column) == (2, column)
    assert rule in error.rule
    assert not {"SECRET", "4711"} & set(str(error).replace("'", " ").split())


def test_names_may_be_ignored() -> None:
    text = line(note="x", remaining_amount="25.00", client_id="c", created_at="2027-01-01T00:00:00Z")
    assert load_vouchers([text], ignore=["note"]) == [VoucherSpec(amount="25.00", currency="EUR")]


def test_an_array_is_refused_and_said_so() -> None:
    with pytest.raises(InvalidVoucherFile, match="one on each line"):
        load_vouchers(["\n", f"[{line()}]"])


def test_many_errors_are_counted() -> None:
    with pytest.raises(InvalidVoucherFile, match="and 2 more") as caught:
        load_vouchers([line(amount="x")] * 7)
    assert len(caught.value.errors) == 7
