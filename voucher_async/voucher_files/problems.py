"""The errors of a file of vouchers, each with its line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from voucher_async.errors import InvalidInput
from voucher_async.masking import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["InvalidVoucherFile", "LineError", "broken"]

_SECRET = frozenset({"code", "pin"})
_SHOWN = 5


@attrs.frozen
class LineError:
    """A rule that a line of a file breaks.

    Attributes:
        line: the number of the line, from 1; of a record of several lines, the first.
        column: the name of the column or field; empty for the line as a whole.
        rule: the rule in words.
        value: the value as Python writes it, shortened, masked for codes and pins; None when it is not shown.
    """

    line: int
    column: str
    rule: str
    value: str | None = None

    def __str__(self) -> str:
        place = f"line {self.line}, {self.column}" if self.column else f"line {self.line}"
        got = "" if self.value is None else f" (got {self.value})"
        return visible(f"{place}: {self.rule}{got}")


class InvalidVoucherFile(InvalidInput):
    """A file cannot be read as vouchers, or lines of it break rules; nothing was sent.

    Attributes:
        errors: all errors that were found, in the order of the lines.
    """

    def __init__(self, errors: Sequence[LineError]) -> None:
        self.errors: tuple[LineError, ...] = tuple(errors)
        first = self.errors[0]
        super().__init__(first.column, first.rule, None)
        self.value: str = "" if first.value is None else first.value
        self.args: tuple[Any, ...] = ("; ".join(_words(self.errors)),)


def _words(errors: Sequence[LineError]) -> list[str]:
    words = [str(error) for error in errors[:_SHOWN]]
    rest = len(errors) - _SHOWN
    return [*words, f"and {rest} more"] if rest > 0 else words


def broken(line: int, column: str, rule: str, value: object) -> LineError:
    """The error of a value, which is masked where it is a code or pin."""
    return LineError(line, column, rule, InvalidInput(column, rule, value, secret=column in _SECRET).value)
