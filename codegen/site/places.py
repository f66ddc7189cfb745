"""Files of the repository, and the pages of the site that they become."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Final

__all__ = ["ASSETS", "ROOT", "SOURCES", "Unbuildable", "page_of", "seeds"]

ROOT: Final = Path(__file__).resolve().parents[2]
DOCS: Final = PurePosixPath("docs")
SOURCES: Final = PurePosixPath("files")
"""The folder of the site with the files of the repository that pages link to."""

# documents outside of docs/ that are pages of their own
_NAMED: Final = {
    PurePosixPath("README.md"): PurePosixPath("overview.md"),
    PurePosixPath("CHANGELOG.md"): PurePosixPath("changelog.md"),
    PurePosixPath("CONTRIBUTING.md"): PurePosixPath("contributing.md"),
    PurePosixPath("tests/bench/RESULTS.md"): PurePosixPath("results.md"),
}
ASSETS: Final = frozenset({".png", ".svg", ".jpg", ".json", ".yml", ".yaml"})


class Unbuildable(ValueError):
    """The site cannot be built from the files as they are."""


def seeds(root: Path) -> list[PurePosixPath]:
    """The documents that are pages whether one links to them or not, relative to the repository."""
    docs = sorted(path.relative_to(root) for path in (root / DOCS).rglob("*.md"))
    return [*map(PurePosixPath, docs), *_NAMED]


def page_of(source: PurePosixPath) -> PurePosixPath:
    """The page of a file or folder of the repository, relative to the site's pages.

    What is no Markdown becomes a page that shows it; pictures and data below docs/ stay as they are.
    """
    if source in _NAMED:
        return _NAMED[source]
    if source.is_relative_to(DOCS) and source.suffix in {".md", *ASSETS}:
        return source.relative_to(DOCS)
    return SOURCES / (source if source.suffix == ".md" else f"{source}.md")
