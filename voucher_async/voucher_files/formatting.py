"""Vouchers as lines of CSV and of JSON."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

from voucher_async.issuing import VoucherSpec
from voucher_async.models import CompleteVoucher, Voucher
from voucher_async.money import format_amount

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["COLUMNS", "CSV_HEADER", "AnyVoucher", "csv_line", "json_line"]

AnyVoucher: TypeAlias = Voucher | VoucherSpec

COLUMNS: Final = (
    *("custom_id", "code", "pin", "batch", "amount", "taxable", "tax_rate", "currency", "status", "type"),
    *("validity_value", "validity_interval", "sku", "valid_until"),
)
_WHOLE: Final = re.compile(r"[0-9]+\Z")


def _quoted(values: tuple[str, ...]) -> str:
    return ";".join('"' + value.replace('"', '""') + '"' for value in values)


CSV_HEADER: Final = _quoted(COLUMNS)
"""The header that the Admin UI's import asks for, without the end of the line."""


def csv_line(voucher: AnyVoucher) -> str:
    """A voucher as a line for the Admin UI's import, without the end of the line.

    Args:
        voucher: a voucher of the API, or one to be issued. Only a `CompleteVoucher` and a `VoucherSpec` have
            a code and a pin; the columns are empty otherwise.
    """
    code = pin = None
    if isinstance(voucher, (CompleteVoucher, VoucherSpec)):
        code, pin = voucher.code, voucher.pin
    return _quoted(
        (
            voucher.id or "",
            code or "",
            pin or "",
            voucher.batch or "",
            format_amount(voucher.amount),
            "" if voucher.taxable is None else str(int(voucher.taxable)),
            _percent(voucher.tax_rate),
            voucher.currency,
            _status(voucher),
            str(voucher.type or ""),
            "" if voucher.validity_value is None else str(voucher.validity_value),
            str(voucher.validity_interval or ""),
            voucher.sku or "",
            _moment(voucher.valid_until) if isinstance(voucher, Voucher) else "",
        )
    )


def json_line(voucher: AnyVoucher) -> str:
    """A voucher as a line of JSON with the API's names, its code and pin included, without the line's end."""
    return voucher.to_json()


def _percent(rate: str | None) -> str:
    """The rate as the import has it: the API's `7` is `7.0`."""
    text = rate or ""
    return f"{text}.0" if _WHOLE.match(text) else text


def _status(voucher: AnyVoucher) -> str:
    if isinstance(voucher, Voucher):
        return str(voucher.status)
    return "" if voucher.activate is None else ("active" if voucher.activate else "inactive")


def _moment(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat()
