"""Vouchers and files for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.unit.samples import example
from voucher_async.models import CompleteVoucher
from voucher_async.voucher_files import CSV_HEADER, LineError, VoucherLine, read_vouchers

__all__ = ["columns", "errors_of", "text_of", "voucher"]


def voucher(number: int, **changes: Any) -> CompleteVoucher:
    """A voucher of the API, with a code."""
    content = {**example("VoucherActive"), "id": f"v-{number}", "code": f"CODE-{number:05}", "pin": "4711"}
    return CompleteVoucher.from_dict({**content, **changes})


def columns(**values: str) -> list[str]:
    """A file with these columns, beside the amount and the currency, and one line."""
    row = {"amount": "25.00", "currency": "EUR", **values}
    return [f"{';'.join(row)}\n", ";".join('"' + value.replace('"', '""') + '"' for value in row.values())]


def text_of(*rows: str) -> list[str]:
    """A file of the Admin UI with these lines."""
    return [f"{CSV_HEADER}\n", *(f"{row}\n" for row in rows)]


def errors_of(source: Iterable[str]) -> list[LineError]:
    """The errors of all lines."""
    lines: list[VoucherLine] = list(read_vouchers(list(source)))
    return [error for line in lines for error in line.errors]
