"""Keeping secrets out of whatever is shown, logged or raised."""

from voucher_async.masking.memory import recall, record
from voucher_async.masking.secret import (
    MASK,
    Members,
    Secret,
    SecretBytes,
    Variables,
    conceal,
    conceals,
    given,
    known,
)
from voucher_async.masking.text import Masker, mask, visible

__all__ = [
    "MASK",
    "Masker",
    "Members",
    "Secret",
    "SecretBytes",
    "Variables",
    "conceal",
    "conceals",
    "given",
    "known",
    "mask",
    "recall",
    "record",
    "visible",
]
