"""Documents below docs/ that a program writes from other files: nothing in them is retyped by hand."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from codegen.site.assumed import assumed
from codegen.site.results import figures, replaced

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["difference", "write"]


def _documents(root: Path) -> Mapping[Path, str]:
    speed = root / "docs" / "speed.md"
    results = (root / "tests" / "bench" / "RESULTS.md").read_text(encoding="utf-8")
    return {
        root / "docs" / "assumptions.md": assumed(root / "openapi" / "voucher.yaml"),
        speed: replaced(speed.read_text(encoding="utf-8"), "results", figures(results)),
    }


def write(root: Path) -> None:
    """Write those that are out of date."""
    for path, text in _documents(root).items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def difference(root: Path) -> str:
    """What `write` would change, as a diff; empty when nothing would."""
    lines: list[str] = []
    for path, text in _documents(root).items():
        present = path.read_text(encoding="utf-8") if path.exists() else ""
        lines += difflib.unified_diff(
            present.splitlines(keepends=True),
            text.splitlines(keepends=True),
            fromfile=f"{path.name} (as it is)",
            tofile=f"{path.name} (as `make docs` writes it)",
        )
    return "".join(lines)
