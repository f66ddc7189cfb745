"""Amounts: what is taken, what is refused, and what goes over the wire."""

from __future__ import annotations

import contextlib
import decimal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from voucher_async.errors import InvalidInput, InvalidInputType
from voucher_async.money import CENT, MAX_AMOUNT, ZERO, format_amount, parse_amount, to_amount

amounts = st.integers(0, 99_999_999).map(lambda cents: Decimal(cents).scaleb(-2))


@given(amounts)
@example(ZERO)
@example(MAX_AMOUNT)
def test_every_amount_survives_the_way_over_the_wire(amount: Decimal) -> None:
    text = format_amount(amount)
    assert parse_amount(text) == amount
    assert 4 <= len(text) <= 9
    assert text[-3] == "."


@given(amounts)
def test_a_decimal_and_its_text_are_the_same_amount(amount: Decimal) -> None:
    assert to_amount(amount) == to_amount(str(amount)) == to_amount(format_amount(amount)) == amount


@given(st.integers(0, 999_999))
def test_an_int_is_the_same_amount_as_its_text_and_its_decimal(units: int) -> None:
    results = [to_amount(units), to_amount(str(units)), to_amount(Decimal(units))]
    assert [str(result) for result in results] == [f"{units}.00"] * 3


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("9.5", "9.50"),
        ("+9.50", "9.50"),
        ("007", "7.00"),
        ("1.5000", "1.50"),
        ("-0", "0.00"),
        (Decimal("-0.00"), "0.00"),
        (Decimal("1E+3"), "1000.00"),
        (Decimal("1E-2"), "0.01"),
        ("0" * 5000 + "1", "1.00"),
    ],
)
def test_what_means_an_amount_is_written_with_two_decimals(value: Any, expected: str) -> None:
    assert str(to_amount(value)) == format_amount(to_amount(value)) == expected


@pytest.mark.parametrize("value", [9.5, 10.0, float("nan"), True, False, None, b"1.00", [], 1j, ["1"]])
def test_other_types_are_refused_as_a_type_error(value: Any) -> None:
    with pytest.raises(InvalidInputType, match=r"^amount: must be a Decimal, str or int") as caught:
        to_amount(value)
    assert isinstance(caught.value, TypeError)
    assert caught.value.value == repr(value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "1.00\n",
        " 1.00",
        "1,00",
        "1e2",
        "1E+3",
        "NaN",
        "sNaN",
        "inf",
        "-Infinity",
        ".50",
        "1.",
        "1_000",
        "\u0663.\u0660\u0660",
        "\uff11.00",
        "0x10",
        "1.00 EUR",
        "--1",
        "+",
        "1.0.0",
        "\x00",
        "\ud800",
    ],
)
def test_a_text_that_is_no_plain_number_is_refused(value: str) -> None:
    with pytest.raises(InvalidInput, match="must be a number such as") as caught:
        to_amount(value, "face_value")
    assert (caught.value.field, caught.value.value) == ("face_value", repr(value))


@pytest.mark.parametrize("text", ["NaN", "sNaN", "-NaN", "Infinity", "-Infinity", "NaN123"])
def test_a_decimal_that_is_no_finite_number_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="must be a finite number"):
        to_amount(Decimal(text))


@pytest.mark.parametrize(
    "value", ["1.234", "0.001", Decimal("999999.985"), Decimal("1E-9999"), "0.010000001", Decimal("1E-3")]
)
def test_a_third_decimal_is_refused_and_never_rounded(value: Any) -> None:
    with pytest.raises(InvalidInput, match="at most two decimals"):
        to_amount(value)


@pytest.mark.parametrize(
    "value", [-1, "-0.01", Decimal("-0.001"), Decimal("-1E+999999"), -(10**5000)], ids=lambda _: "negative"
)
def test_a_negative_amount_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInput, match=r"must be at least 0\.00"):
        to_amount(value)


@pytest.mark.parametrize(
    "value",
    [1_000_000, "1000000.00", Decimal("999999.991"), Decimal("1E+999999"), 10**5000, "9" * 5000],
    ids=lambda _: "oversized",
)
def test_an_oversized_amount_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInput, match=r"must be at most 999999\.99") as caught:
        to_amount(value)
    assert len(str(caught.value)) < 200


def test_the_smallest_amount_allowed_is_part_of_the_rule() -> None:
    assert to_amount("0.01", minimum=CENT) == CENT
    with pytest.raises(InvalidInput) as caught:
        to_amount(0, "amount", CENT)
    assert caught.value.field == "amount"
    assert caught.value.rule == "must be at least 0.01"
    assert caught.value.value == "Decimal('0')"


@given(st.one_of(st.decimals(), st.text(), st.integers(), st.floats(), st.booleans(), st.none(), st.binary()))
def test_any_value_is_an_amount_or_refused(value: Any) -> None:
    with contextlib.suppress(InvalidInput):
        amount = to_amount(value)
        assert ZERO <= amount <= MAX_AMOUNT
        assert amount.as_tuple().exponent == -2
        assert amount == Decimal(value)


def test_the_callers_decimal_context_changes_nothing() -> None:
    with decimal.localcontext() as context:
        context.prec = 3
        context.traps[decimal.Inexact] = True
        context.traps[decimal.Rounded] = True
        context.traps[decimal.FloatOperation] = True
        assert str(to_amount("123456.78")) == "123456.78"
        assert str(to_amount(Decimal("12.3400"))) == "12.34"
        assert format_amount(parse_amount("123456.78")) == "123456.78"
        with pytest.raises(InvalidInput):
            to_amount("1.005")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "1.0",
        "1.000",
        "-1.00",
        "+1.00",
        ".00",
        "1,00",
        "1.00\n",
        " 1.00",
        "1234567.00",
        "1e2",
        "NaN",
        "\u0663.\u0660\u0660",
        "\u0663.00",
        "1_0.00",
    ],
)
def test_an_answer_with_another_spelling_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an amount"):
        parse_amount(text)


def test_the_default_decimal_context_changes_nothing(root: Path) -> None:
    """A context is made from the default one, which an application may have changed before."""
    program = (
        "import decimal\n"
        "default = decimal.DefaultContext\n"
        "default.prec, default.rounding, default.Emax, default.Emin = 2, decimal.ROUND_UP, 1, -1\n"
        "default.traps[decimal.Inexact] = default.traps[decimal.Rounded] = True\n"
        "from decimal import Decimal\n"
        "from voucher_async import money\n"
        "print(money.to_amount('1234.5'), money.total([Decimal('999999.99')] * 2), "
        "money.difference(Decimal('1000.00'), Decimal('0.01')))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=root
    )
    assert run.stdout.split() == ["1234.50", "1999999.98", "999.99"]
