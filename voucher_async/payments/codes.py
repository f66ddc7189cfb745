"""Spellings of a voucher's code: servers ignore case, spaces and separators."""

from __future__ import annotations

import unicodedata

__all__ = ["spelled"]


def spelled(code: str) -> bytes:
    """A code without what servers ignore, so that two spellings of one voucher are one; never shown."""
    folded = unicodedata.normalize("NFKC", code).casefold()
    bare = "".join(filter(str.isalnum, folded))
    # a code of nothing but separators is told from others by them
    return (bare or folded.strip()).encode(errors="surrogatepass")
