"""Records of a CSV file in the layout of the Admin UI's import."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, Any, Final

from voucher_async.voucher_files.formatting import COLUMNS
from voucher_async.voucher_files.records import Fields, Record

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from voucher_async.voucher_files.lines import Lines

__all__ = ["csv_records"]

_NAMES: Final[Mapping[str, str]] = {"id": "custom_id", "activate": "status"}
_KNOWN: Final = frozenset({*COLUMNS, "order_number", "data"})
_REQUIRED: Final = ("amount", "currency")
_OTHER_SEPARATORS: Final = ((",", "commas"), ("\t", "tabs"), ("|", "bars"))
_EXPLAINED: Final = {
    "unexpected end": "a quote is opened and never closed, or the file is cut off",
    "new-line character": "ends with a lone CR; lines must end with LF or CRLF",
}
_SWITCHES: Final = {"1": True, "0": False}
_WHOLE: Final = re.compile(r"[0-9]{1,10}\Z")
_DATA: Final = frozenset({"code", "pin", "custom_id", "sku", "batch", "order_number", "data"})


def csv_records(lines: Lines, ignored: Collection[str]) -> Iterator[Record]:
    """The records below the header; `lines.problem` tells when they end early."""
    first = lines.first()
    if first is not None:
        _check_separator(lines, first)
    reader = csv.reader(lines, delimiter=";", strict=True)
    header = _header(lines, reader)
    while header and (found := _row(lines, reader)) is not None:
        line, cells = found
        if any(cell.strip() for cell in cells):
            yield _record(line, header, cells, ignored)


def _check_separator(lines: Lines, first: str) -> None:
    for separator, words in () if ";" in first else _OTHER_SEPARATORS:
        names = {_name(part.strip().strip('"')) for part in first.split(separator)}
        if len(names) > 1 and names & _KNOWN:
            rule = f"the columns are separated by {words}; they must be separated by semicolons"
            lines.stop(lines.number + 1, rule)


def _row(lines: Lines, reader: Iterator[list[str]]) -> tuple[int, list[str]] | None:
    line = lines.number + 1
    try:
        return line, next(reader)
    except StopIteration:
        return None
    except csv.Error as error:
        text = str(error)
        known = (rule for words, rule in _EXPLAINED.items() if words in text)
        lines.stop(line, next(known, f"is no CSV: {text}"))
        return None


def _header(lines: Lines, reader: Iterator[list[str]]) -> list[str] | None:
    """The names of the columns; None for no header, which is not shown: it may be a voucher's code."""
    found = _row(lines, reader) if lines.problem is None else None
    if found is None:
        lines.stop(1, "the file is empty; its first line must be the header")
        return None
    line, cells = found
    names = [_name(cell) for cell in cells]
    missing = [name for name in _REQUIRED if name not in names]
    twice = sorted({name for name in names if name in _KNOWN and names.count(name) > 1})
    if missing:
        lines.stop(line, f"must be the header, and names no column {' and no column '.join(missing)}")
    elif twice:
        lines.stop(line, f"the header names {', '.join(twice)} twice")
    return names if lines.problem is None else None


def _name(cell: str) -> str:
    return cell.strip().lower()


def _record(line: int, header: Sequence[str], cells: Sequence[str], ignored: Collection[str]) -> Record:
    fields = Fields(line, _NAMES)
    surplus = cells[len(header) :]
    if len(cells) < len(header) or any(surplus):
        # the values may stand in wrong columns, so none of them is looked at, or shown
        fields.refuse_unseen("", f"has {len(cells)} values, where the header has {len(header)}")
        return fields.done()
    for name, cell in zip(header, cells, strict=False):
        value = cell if name in _DATA else cell.strip()
        if value.strip() and name not in ignored:
            _take(fields, name, value)
    return fields.done()


def _take(fields: Fields, name: str, value: str) -> None:
    special: Any = _SPECIAL.get(name)
    if special is not None:
        special(fields, value)
    elif name == "custom_id":
        fields.put("id", value)
    elif name in _KNOWN:
        fields.put(name, value)
    else:
        fields.refuse_unseen(name or "a column without a name", "is no field that the API can set")


def _taxable(fields: Fields, value: str) -> None:
    if value in _SWITCHES:
        fields.put("taxable", _SWITCHES[value])
    else:
        fields.refuse("taxable", "must be 1 or 0", value)


def _validity_value(fields: Fields, value: str) -> None:
    if _WHOLE.match(value):
        fields.put("validity_value", int(value))
    else:
        fields.refuse("validity_value", "must be a whole number", value)


def _valid_until(fields: Fields, value: str) -> None:
    fields.read_only("valid_until", value)


_SPECIAL: Final = {
    "amount": Fields.amount,
    "status": Fields.status,
    "tax_rate": Fields.tax_rate,
    "taxable": _taxable,
    "valid_until": _valid_until,
    "validity_value": _validity_value,
}
