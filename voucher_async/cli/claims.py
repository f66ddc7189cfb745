"""The claims of a token."""

from __future__ import annotations

import base64
import binascii
from typing import Final

from voucher_async import wire
from voucher_async.masking import Members

__all__ = ["claims_of"]

_PARTS: Final = 3  # header, claims, signature


def claims_of(token: str) -> Members:
    """The claims of a JWT, unverified; no members for another token.

    Args:
        token: its value.
    """
    parts = token.split(".")
    if len(parts) != _PARTS:
        return Members(None)
    try:
        padded = parts[1] + "=" * (-len(parts[1]) % 4)
        return Members(wire.parse(base64.urlsafe_b64decode(padded)))
    except (binascii.Error, wire.WireError, ValueError):
        return Members(None)
