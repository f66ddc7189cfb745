"""Amounts of money: `Decimal` inside, `"10.00"` on the wire, never `float`.

The API takes and gives strings with exactly two decimals, 4 to 9 characters long (contract: Schemas).
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import TYPE_CHECKING, TypeAlias

from voucher_async.errors import InvalidInput, InvalidInputType

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "CENT",
    "MAX_AMOUNT",
    "ZERO",
    "Amount",
    "difference",
    "format_amount",
    "parse_amount",
    "to_amount",
    "total",
]

Amount: TypeAlias = Decimal | str | int
"""An amount of currency, as methods accept it: `Decimal("9.5")`, `"9.50"`, `10`. A float is refused."""

CENT = Decimal("0.01")
ZERO = Decimal("0.00")
MAX_AMOUNT = Decimal("999999.99")

# not the caller's context, whose precision and traps serve other sums; every field is given, as the default
# context can be changed, too
_CONTEXT = Context(
    prec=28, rounding=ROUND_HALF_EVEN, Emin=-999_999, Emax=999_999, capitals=1, clamp=0, flags=[], traps=[]
)
_INPUT = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?\Z")
_WIRE = re.compile(r"[0-9]{1,6}\.[0-9]{2}\Z")


def to_amount(value: Amount, field: str = "amount", minimum: Decimal = ZERO) -> Decimal:
    """Turn an argument into an amount with exactly two decimals.

    Args:
        value: the amount in currency units.
        field: the API's name of the field, for the error.
        minimum: the smallest amount allowed.

    Raises:
        InvalidInputType: a float, a bool or any other type.
        InvalidInput: not a finite number, more than two decimals, below `minimum` or above 999999.99.
    """
    if type(value) is str and _WIRE.match(value):
        # the form that the API writes: only the minimum is left to check
        amount = Decimal(value)
        if amount >= minimum:
            return amount
    amount = _to_decimal(value, field)
    if not amount.is_finite():
        raise InvalidInput(field, "must be a finite number", value)
    if amount < minimum:
        raise InvalidInput(field, f"must be at least {minimum}", amount)
    if amount > MAX_AMOUNT:
        raise InvalidInput(field, f"must be at most {MAX_AMOUNT}", amount)
    cents = amount.quantize(CENT, context=_CONTEXT)
    if cents != amount:
        raise InvalidInput(field, "must have at most two decimals", value)
    return cents.copy_abs()


def _to_decimal(value: object, field: str) -> Decimal:
    if isinstance(value, Decimal):
        return value
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        rule = f"must be a Decimal, str or int, not {type(value).__name__}"
        raise InvalidInputType(field, rule, value)
    if isinstance(value, str) and not _INPUT.match(value):
        raise InvalidInput(field, 'must be a number such as "10.00"', value)
    return Decimal(value)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """The sum, to the cent, whatever the caller's decimal context rounds to."""
    result = ZERO
    for amount in amounts:
        result = _CONTEXT.add(result, amount)
    return result


def difference(left: Decimal, right: Decimal) -> Decimal:
    """`left - right`, to the cent, whatever the caller's decimal context rounds to."""
    return _CONTEXT.subtract(left, right)


def rest_of(amount: Decimal, taken: Decimal) -> Decimal:
    """The part of an amount that is left, to the cent; never below zero."""
    return max(difference(amount, taken), ZERO)


def format_amount(amount: Decimal) -> str:
    """An amount as the API writes it: `Decimal("10")` gives `"10.00"`."""
    text = str(amount)
    return text if text[-3:-2] == "." else f"{amount:.2f}"  # already written with two decimals


def parse_amount(text: str) -> Decimal:
    """Read an amount from an answer.

    Raises:
        ValueError: the text is not an amount as the API writes it.
    """
    if not _WIRE.match(text):
        raise ValueError("not an amount such as 10.00")
    return Decimal(text)
