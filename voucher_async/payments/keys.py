"""Idempotency keys: their rules."""

from __future__ import annotations

import uuid
from typing import Final

from voucher_async.errors import InvalidInput, InvalidInputType

__all__ = ["check_key", "voucher_id_of"]

_LONGEST: Final = 255
_VOUCHERS: Final = uuid.UUID("9f3f2e0a-3c0a-5d3e-9d7e-5a1f1c5b8e2d")


def check_key(key: object) -> str | None:
    """An idempotency key: 1 to 255 printable characters, compared byte for byte; None for none.

    Raises:
        InvalidInputType: not a text.
        InvalidInput: empty, too long, or with characters that cannot be printed.
    """
    if key is None:
        return None
    if not isinstance(key, str):
        raise InvalidInputType("idempotency_key", f"must be a str, not {type(key).__name__}", key)
    if not 0 < len(key) <= _LONGEST:
        raise InvalidInput("idempotency_key", f"must have 1 to {_LONGEST} characters", key)
    if not key.isprintable():
        raise InvalidInput("idempotency_key", "must hold printable characters only", key)
    return key


def voucher_id_of(scope: str, key: str) -> str:
    """The id of the voucher that is created with a key: the same in every process.

    Args:
        scope: the scope of the key.
        key: the idempotency key.
    """
    return str(uuid.uuid5(_VOUCHERS, f"{scope}\n{key}"))
