"""Vouchers to be issued, from a file: line by line, or all of them once each line was checked."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any, Final

import attrs

from voucher_async.errors import InvalidInput
from voucher_async.issuing import VoucherSpec
from voucher_async.issuing.specs import read_spec
from voucher_async.voucher_files.csv_records import csv_records
from voucher_async.voucher_files.json_records import json_records
from voucher_async.voucher_files.lines import Lines, chopped, opened
from voucher_async.voucher_files.problems import InvalidVoucherFile, LineError, broken

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from voucher_async.voucher_files.lines import Source
    from voucher_async.voucher_files.records import Record

__all__ = ["VoucherLine", "load_vouchers", "read_vouchers"]

_REQUIRED: Final = ("amount", "currency")
_SMALLEST: Final[dict[str, Any]] = {"amount": "0.00", "currency": "EUR"}
_UNIQUE: Final = ("id", "code")


@attrs.frozen
class VoucherLine:
    """A line of a file: a voucher to be issued, or what is wrong with it.

    Attributes:
        number: the number of the line, from 1; of a record of several lines, the first.
        spec: the voucher; None when there are errors.
        errors: all rules that the line breaks.
    """

    number: int
    spec: VoucherSpec | None
    errors: tuple[LineError, ...] = ()


def load_vouchers(source: Source, *, ignore: Collection[str] = ()) -> list[VoucherSpec]:
    """The vouchers of a file, all of them checked; see `read_vouchers`.

    Args:
        source: the path of the file, or its lines.
        ignore: names of columns or fields that are left out.

    Raises:
        InvalidVoucherFile: a line breaks a rule; all errors of the file are in it.
        OSError: the file cannot be read.
    """
    lines = read_vouchers(source, ignore=ignore)
    del source  # it may be the lines themselves, with their codes
    specs: list[VoucherSpec] = []
    errors: list[LineError] = []
    try:
        for line in lines:
            errors += line.errors
            if line.spec is not None:
                specs.append(line.spec)
    except InvalidVoucherFile as error:
        errors += error.errors
    if errors:
        raise InvalidVoucherFile(errors)
    return specs


def read_vouchers(source: Source, *, ignore: Collection[str] = ()) -> Iterator[VoucherLine]:
    """The lines of a file of vouchers, read as they are asked for.

    The file is CSV in the layout of the Admin UI's import, or JSON lines; its first character tells. It is in
    UTF-8. Columns of the CSV may stand in any order and case; `amount` and `currency` are needed, and
    `order_number` and `data` may be added. JSON lines have the names of the API.

    A line is refused for whatever the API cannot set, such as `valid_until`, a balance or an unknown column
    with a value; for an amount that can be read in two ways, such as `25,00` or `25.000`; for a number or a
    code that an earlier line has. `status` says whether the voucher is activated.

    Args:
        source: the path of the file, or its lines.
        ignore: names of columns or fields that are left out.

    Raises:
        InvalidVoucherFile: from there on, the file cannot be read: no header, other separators, not UTF-8.
        OSError: the file cannot be read.
    """
    ignored = frozenset(name.strip().lower() for name in ignore)
    if isinstance(source, (str, os.PathLike)):
        with opened(source) as file:
            yield from _lines_of(Lines(chopped(file)), ignored)
    else:
        lines = Lines(source)
        del source  # it may be the lines themselves, with their codes
        yield from _lines_of(lines, ignored)


def _lines_of(lines: Lines, ignored: Collection[str]) -> Iterator[VoucherLine]:
    first = lines.first()
    is_json = first is not None and first.lstrip().startswith(("{", "["))
    del first
    seen = _Seen()
    for record in (json_records if is_json else csv_records)(lines, ignored):
        yield _checked(record, seen.twice(record))
    if lines.problem is not None:
        raise InvalidVoucherFile([lines.problem])


class _Seen:
    """The numbers and codes of the lines so far; of codes only digests, which are small and tell nothing."""

    def __init__(self) -> None:
        self._lines: dict[bytes, int] = {}

    def twice(self, record: Record) -> list[LineError]:
        """The errors of a record that has the number or the code of an earlier one."""
        errors: list[LineError] = []
        for name in _UNIQUE:
            value = record.fields.get(name)
            if isinstance(value, str):
                text = f"{name}:{value}".encode(errors="surrogatepass")
                line = self._lines.setdefault(hashlib.blake2b(text, digest_size=16).digest(), record.line)
                if line != record.line:
                    column = record.columns.get(name, name)
                    errors.append(broken(record.line, column, f"is that of line {line}", value))
        return errors


def _checked(record: Record, twice: list[LineError]) -> VoucherLine:
    errors = [*record.problems, *_missing(record), *twice]
    spec = None
    if not errors:
        found = _made(record.fields)
        if isinstance(found, VoucherSpec):
            spec = found
        else:
            errors = _each(record) or [_of_line(record, found)]
    elif record.fields:
        errors += _each(record)
    return VoucherLine(record.line, spec, tuple(errors))


def _made(fields: Any) -> VoucherSpec | InvalidInput:
    try:
        return read_spec(VoucherSpec(**fields))
    except InvalidInput as error:
        return error.with_traceback(None)


def _each(record: Record) -> list[LineError]:
    """The errors of the fields, each looked at by itself."""
    made = (_made({**_SMALLEST, "taxable": True, name: value}) for name, value in record.fields.items())
    return [_of_line(record, found) for found in made if isinstance(found, InvalidInput)]


def _missing(record: Record) -> list[LineError]:
    given = {*record.fields, *(problem.column for problem in record.problems)}
    if "" in given:
        return []  # the line as a whole is wrong
    return [LineError(record.line, name, "is missing") for name in _REQUIRED if name not in given]


def _of_line(record: Record, error: InvalidInput) -> LineError:
    column = record.columns.get(error.field, error.field)
    return LineError(record.line, column, error.rule, error.value)
