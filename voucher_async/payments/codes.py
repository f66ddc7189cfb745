"""Spellings of a voucher's code: servers ignore case, spaces and separators."""

from __future__ import annotations

import unicodedata

from voucher_async.masking import SecretBytes

__all__ = ["spelled"]


def spelled(code: str) -> bytes:
    """A code without what servers ignore, so that two spellings of one voucher are one; never shown."""
    # a code of nothing but separators is told from others by them; no part of it is left in this frame
    return SecretBytes((_bare(code) or _folded(code).strip()).encode(errors="surrogatepass"))


def _bare(code: str) -> str:
    return "".join(filter(str.isalnum, _folded(code)))


def _folded(code: str) -> str:
    return unicodedata.normalize("NFKC", code).casefold()
