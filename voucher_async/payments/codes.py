"""Spellings of a voucher's code: servers ignore case, spaces and separators."""

from __future__ import annotations

import hashlib
import unicodedata

from voucher_async.masking import SecretBytes

__all__ = ["digest_of_code", "spelled"]


def digest_of_code(code: str, key: bytes) -> str:
    """A keyed digest of a voucher's code without case, spaces and separators, which servers ignore."""
    # no part of the code may stay in this frame
    return hashlib.blake2b(spelled(code), key=key, digest_size=16).hexdigest()


def spelled(code: str) -> bytes:
    """A code without the characters that servers ignore, so that all its spellings are equal; never shown."""
    # a code of separators alone is compared by them; no part of it may stay in this frame
    return SecretBytes((_bare(code) or _folded(code).strip()).encode(errors="surrogatepass"))


def _bare(code: str) -> str:
    return "".join(filter(str.isalnum, _folded(code)))


def _folded(code: str) -> str:
    return unicodedata.normalize("NFKC", code).casefold()
