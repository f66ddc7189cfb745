"""Keeping secrets out of whatever is shown, logged or raised."""

from voucher_async.masking.secret import (
    MASK,
    Secret,
    SecretBytes,
    Variables,
    conceal,
    conceals,
    given,
    known,
    remember,
)
from voucher_async.masking.text import mask

__all__ = [
    "MASK",
    "Secret",
    "SecretBytes",
    "Variables",
    "conceal",
    "conceals",
    "given",
    "known",
    "mask",
    "remember",
]
