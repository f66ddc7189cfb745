"""A file beside what a program would write into it."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["difference_of", "present"]


def present(path: Path) -> str:
    """The text of a file; empty where there is none."""
    return path.read_text(encoding="utf-8") if path.exists() else ""


def difference_of(path: Path, text: str, how: str) -> str:
    """The change that writing a text would make, as a diff; empty when there is none.

    Args:
        path: the file.
        text: what would be written into it.
        how: the way in which, in words.
    """
    lines = difflib.unified_diff(
        present(path).splitlines(keepends=True),
        text.splitlines(keepends=True),
        fromfile=f"{path.name} (as it is)",
        tofile=f"{path.name} ({how})",
    )
    return "".join(lines)
