"""Documents below docs/ that a program writes from other files: nothing in them is retyped by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codegen.differing import difference_of, present
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
        if present(path) != text:
            path.write_text(text, encoding="utf-8")


def difference(root: Path) -> str:
    """What `write` would change, as a diff; empty when nothing would."""
    documents = _documents(root).items()
    return "".join(difference_of(path, text, "as `make docs` writes it") for path, text in documents)
