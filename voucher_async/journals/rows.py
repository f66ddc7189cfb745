"""A record as a row of the table: the columns that are searched, and the whole record as JSON."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final, TypeAlias

from voucher_async.payments.stored import to_json

if TYPE_CHECKING:
    from decimal import Decimal

    from voucher_async.payments.call import CallRecord, Signature

__all__ = ["UNKNOWN", "Row", "like_of", "microseconds", "row_of"]

Row: TypeAlias = "dict[str, str | int | bool | None]"
"""The values of all columns but `number`, by their names."""

UNKNOWN: Final = ""
"""Stands for a part of a signature that may be anything."""

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND: Final = dt.timedelta(microseconds=1)


def row_of(record: CallRecord, key_digest: str | None = None) -> Row:
    """The row of a record that holds its key, if it has one.

    Args:
        record: the record.
        key_digest: its key as a digest; needed when it is claimed.

    Raises:
        JournalFailed: it holds a text that cannot be stored.
    """
    signature = record.signature
    operation, amount, voucher = (None, None, None) if signature is None else like_of(signature)
    return {
        "id": record.id,
        "scope": record.scope,
        "key": record.key,
        "key_digest": key_digest,
        "holds_key": record.key is not None,
        "version": record.version,
        "state": str(record.state),
        "ended": record.ended,
        "told": record.told,
        "shrunk": record.is_shrunk,
        "changed_at": microseconds(record.changed_at),
        "owner": record.owner,
        "parent": record.parent,
        "order_number": record.order_number,
        "like_operation": operation,
        "like_amount": amount,
        "like_voucher": voucher,
        "charge_id": None if record.charge is None else record.charge.id,
        "record": to_json(record),
    }


def like_of(signature: Signature) -> tuple[str, str, str]:
    """Operation, amount and voucher of a signature, where equal amounts are equal texts."""
    amount = UNKNOWN if signature.amount is None else _plain(signature.amount)
    return signature.operation, amount, signature.voucher_id or UNKNOWN


def _plain(amount: Decimal) -> str:
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def microseconds(moment: dt.datetime) -> int:
    """Microseconds since 1970.

    Args:
        moment: aware.
    """
    return (moment - _EPOCH) // _MICROSECOND
