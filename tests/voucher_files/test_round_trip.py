"""Vouchers written and read back are the same."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from voucher_async import VoucherSpec
from voucher_async.money import format_amount
from voucher_async.voucher_files import CSV_HEADER, csv_line, json_line, load_vouchers

# a NUL and a text of white space alone are what no file brings back
TEXT = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=30
).filter(str.strip)
ID = TEXT.filter(lambda text: text.isprintable() and text not in {".", ".."})  # as paths can hold them
AMOUNT = st.integers(0, 99_999_999).map(lambda cents: format_amount(Decimal(cents).scaleb(-2)))
RATE = st.decimals(0, 100, places=2).map(lambda rate: f"{rate.normalize():f}")
TAX: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries({"taxable": st.sampled_from([None, False])}),
    st.fixed_dictionaries({"taxable": st.sampled_from([True]), "tax_rate": st.none() | RATE}),
)
VALIDITY: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}),
    st.fixed_dictionaries(
        {
            "validity_value": st.integers(1, 2147483647),
            "validity_interval": st.sampled_from(["days", "weeks", "months", "years"]),
        }
    ),
)
COLUMNS: dict[str, st.SearchStrategy[Any]] = {
    "pin": st.none() | TEXT,
    "batch": st.none() | TEXT,
    "sku": st.none() | TEXT,
    "amount": AMOUNT,
    "currency": st.sampled_from(["EUR", "CHF"]),
    "type": st.sampled_from([None, "digital", "print"]),
    "activate": st.sampled_from([None, True, False]),
}


def specs(**more: st.SearchStrategy[Any]) -> st.SearchStrategy[list[VoucherSpec]]:
    """Vouchers with numbers and codes of their own."""
    fields = st.tuples(ID, TEXT, st.fixed_dictionaries({**COLUMNS, **more}), TAX, VALIDITY)
    return st.lists(fields.map(made), unique_by=(lambda spec: spec.id, lambda spec: spec.code), max_size=4)


def made(parts: tuple[str, str, dict[str, Any], dict[str, Any], dict[str, Any]]) -> VoucherSpec:
    id, code, fields, tax, validity = parts
    return VoucherSpec(id=id, code=code, **fields, **tax, **validity)


@given(specs())
def test_csv(vouchers: list[VoucherSpec]) -> None:
    text = "".join(f"{line}\n" for line in [CSV_HEADER, *map(csv_line, vouchers)])
    assert load_vouchers(io.BytesIO(text.encode())) == vouchers


@given(specs(order_number=st.none() | TEXT, data=st.sampled_from([None, "{}", '"ü\\n"'])))
def test_json_lines(vouchers: list[VoucherSpec]) -> None:
    text = "".join(f"{json_line(each)}\n" for each in vouchers)
    if vouchers:
        assert load_vouchers(io.BytesIO(text.encode())) == vouchers
