"""Spellings of a voucher's code."""

from __future__ import annotations

__all__ = ["spelled_loosely"]


def spelled_loosely(code: str) -> str:
    """A code without case, spaces and separators; a code of separators alone stays as it is."""
    return "".join(filter(str.isalnum, code.casefold())) or code
