"""Lines of both forms as the fields of a voucher, and the rules that both share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import attrs

from voucher_async.voucher_files.problems import LineError, broken

__all__ = ["FIELDS", "Fields", "Record"]

FIELDS: Final = (
    *("id", "code", "pin", "batch", "amount", "taxable", "tax_rate", "currency", "activate", "type"),
    *("validity_value", "validity_interval", "sku", "order_number", "data"),
)
"""The fields of a `VoucherSpec`."""

_AMOUNT: Final = re.compile(r"[0-9]{1,6}(\.[0-9]{1,2})?\Z")
_RATE: Final = re.compile(r"[0-9]{1,3}(\.[0-9]{1,9})?\Z")
_STATUSES: Final = {"active": True, "inactive": False}
_MOST_PERCENT: Final = 100


@attrs.frozen
class Record:
    """A voucher of a file, before its rules are checked.

    Attributes:
        line: the number of its first line.
        fields: its fields by the names of `VoucherSpec`; what is not given is left out.
        problems: what was wrong already.
        columns: the names that the file has for fields, where they differ.
    """

    line: int
    fields: Mapping[str, Any] = attrs.field(repr=False)
    problems: tuple[LineError, ...] = ()
    columns: Mapping[str, str] = attrs.field(factory=dict[str, str])


class Fields:
    """The fields of one line, gathered one by one, and what is wrong with them."""

    def __init__(self, line: int, columns: Mapping[str, str]) -> None:
        self._line = line
        self._columns = columns
        self._fields: dict[str, Any] = {}
        self._problems: list[LineError] = []

    def refuse(self, column: str, rule: str, value: object) -> None:
        """Note an error, with the value."""
        self._problems.append(broken(self._line, column, rule, value))

    def refuse_unseen(self, column: str, rule: str) -> None:
        """Note an error of a value that is not shown."""
        self._problems.append(LineError(self._line, column, rule))

    def put(self, name: str, value: object) -> None:
        """Take a value as it is."""
        self._fields[name] = value

    def amount(self, value: object) -> None:
        """Take an amount; only one that can be read in one way."""
        if isinstance(value, str) and _AMOUNT.match(value):
            self.put("amount", value)
        else:
            rule = "must be an amount such as 25.00: a point, at most two decimals, nothing between thousands"
            self.refuse("amount", rule, value)

    def tax_rate(self, value: str) -> None:
        """Take a tax rate in percent, `7.0` as the API's `7`."""
        if _RATE.match(value) and Decimal(value) <= _MOST_PERCENT:
            self.put("tax_rate", f"{Decimal(value).normalize():f}")
        else:
            self.refuse("tax_rate", "must be a percentage such as 19 or 7.0", value)

    def status(self, value: object) -> None:
        """Take a status as the wish to activate."""
        wish = _STATUSES.get(value) if isinstance(value, str) else None
        if wish is None:
            self.refuse("status", "must be active or inactive", value)
        elif self._fields.get("activate", wish) is not wish:
            self.refuse("status", "contradicts activate", value)
        else:
            self.put("activate", wish)

    def read_only(self, name: str, value: object) -> None:
        """Refuse the end of the validity, and nothing else that only the server sets."""
        if name == "valid_until":
            rule = "cannot be set: it follows from the validity when the voucher is activated; leave it empty"
            self.refuse(name, rule, value)
        elif name == "remaining_amount" and value != self._fields.get("amount"):
            self.refuse(name, "cannot be set: a new voucher has its whole amount", value)

    def done(self) -> Record:
        """The record of what was gathered."""
        pair = ("validity_value", "validity_interval")
        given = [name for name in pair if name in self._fields]
        refused = {problem.column for problem in self._problems}
        if len(given) == 1 and not refused & set(pair):
            self.refuse(given[0], f"needs {' and '.join(pair)}", self._fields[given[0]])
        return Record(self._line, self._fields, tuple(self._problems), self._columns)
