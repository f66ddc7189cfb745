"""Validation in Laravel's manner: every broken rule of every property, collected in one answer."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

from voucher_async.testing._currencies import CURRENCIES
from voucher_async.testing._json import read_json
from voucher_async.testing._refusals import FieldError, field_refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CENT", "LARGEST", "Form"]

CENT = Decimal("0.01")
LARGEST = Decimal("999999.99")  # the longest amount that nine characters can write
_MONEY = re.compile(r"[0-9]{1,6}\.[0-9]{2}")
_NUMBER = re.compile(r"([+-]?)([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


class Form:
    """Reads the properties of a request body and notes what is wrong with them.

    Each reader returns a value that is only good when `check` did not raise. A blank string is never a value,
    and null is one only where a property is nullable.

    Args:
        prefix: `<ENTITY>.<OPERATION>`, what the codes start with.
        body: the decoded JSON object.
    """

    def __init__(self, prefix: str, body: Mapping[str, object]) -> None:
        self._prefix = prefix
        self._body = body
        self._errors: list[FieldError] = []

    def given(self, name: str) -> bool:
        """True when the property is there, be it null or blank."""
        return name in self._body

    def refuse(self, name: str, rule: str, parameter: object = None) -> None:
        """Note a broken rule."""
        text = None if parameter is None else str(parameter)
        self._errors.append(FieldError.of(self._prefix, name, rule, text))

    def check(self) -> None:
        """Raise a 422 `Refusal` when a rule was broken."""
        if self._errors:
            raise field_refusal(self._prefix, *self._errors)

    def text(
        self, name: str, *, longest: int | None = None, label: str | None = None, nullable: bool = False
    ) -> str | None:
        """An optional string; `label` is what the codes call the property."""
        value = self._value(name)
        if not self.given(name) or (nullable and self._body[name] is None):
            return None
        if not isinstance(value, str):
            self.refuse(label or name, "string")
            return None
        if longest is not None and len(value) > longest:
            self.refuse(label or name, "max", longest)
        return value

    def required_text(self, name: str, *, longest: int | None = None) -> str:
        """A string that must be there and not be blank."""
        return self.text(name, longest=longest) or "" if self._required(name) else ""

    def choice(self, name: str, *allowed: str) -> str | None:
        """An optional word out of a few."""
        value = self.text(name)
        if value is not None and value not in allowed:
            self.refuse(name, "in", ",".join(allowed))
        return value

    def required_choice(self, name: str, *allowed: str) -> str:
        """A word out of a few that must be there."""
        return self.choice(name, *allowed) or "" if self._required(name) else ""

    def boolean(self, name: str) -> bool:
        """An optional boolean, false by default."""
        value = self._value(name)
        if self.given(name) and not isinstance(value, bool):
            self.refuse(name, "boolean")
        return value is True

    def integer(self, name: str, *, smallest: int, largest: int) -> int | None:
        """An optional integer; a float without a fraction is one, as JSON Schema says."""
        value = self._value(name)
        if not self.given(name):
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            self.refuse(name, "integer")
            return None
        if value < smallest:
            self.refuse(name, "min", smallest)
        elif value > largest:
            self.refuse(name, "max", largest)
        return value

    def json_text(self, name: str) -> str | None:
        """An optional string that holds JSON text."""
        value = self.text(name)
        if value is not None and not _is_json(value):
            self.refuse(name, "json")
        return value

    def money(self, name: str, *, smallest: Decimal) -> Decimal:
        """A required amount, written as a string with two decimals."""
        value = self._value(name)
        if not self._required(name):
            return smallest
        if not isinstance(value, str):
            self.refuse(name, "string")
            return smallest
        return self._amount(name, value, smallest)

    def currency(self, name: str = "currency") -> str:
        """A required currency code of ISO 4217."""
        value = self.required_text(name)
        if value and value not in CURRENCIES:
            self.refuse(name, "valid_currency")
        return value

    def _amount(self, name: str, value: str, smallest: Decimal) -> Decimal:
        number = _NUMBER.fullmatch(value)
        if number is None:
            self.refuse(name, "numeric")
        elif number[1] == "-":
            self.refuse(name, "min", _short(smallest))
        elif _MONEY.fullmatch(value) is None:
            self.refuse(name, "regex")
        elif Decimal(value) < smallest:
            self.refuse(name, "min", _short(smallest))
        else:
            return Decimal(value)
        return smallest

    def _value(self, name: str) -> object:
        value = self._body.get(name)
        return None if isinstance(value, str) and not value.strip() else value

    def _required(self, name: str) -> bool:
        if self._value(name) is not None:
            return True
        self.refuse(name, "required")
        return False


def _short(amount: Decimal) -> str:
    return f"{amount:f}" if amount else "0"


def _is_json(text: str) -> bool:
    try:
        read_json(text)
    except ValueError:
        return False
    return True
