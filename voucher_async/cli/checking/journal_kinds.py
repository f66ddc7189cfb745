"""Words that the kinds of journals have in common."""

from __future__ import annotations

from typing import Final

__all__ = ["LOCKS", "NoJournalYet"]

LOCKS: Final = 3.0
"""Seconds that the check waits for the locks of other processes."""


class NoJournalYet(Exception):
    """There is none, and a client would make one: the text says where."""
