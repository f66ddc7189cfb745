"""The tree that is to be published: declarations, files that git tracks, tags, links between files."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from functools import cached_property
from pathlib import Path
from typing import Any

import attrs

__all__ = ["Tree", "anchors", "dead_link"]


@attrs.frozen(slots=False)
class Tree:
    """A folder with a `pyproject.toml`, most often a work tree of git.

    Attributes:
        root: the folder.
    """

    root: Path

    def text(self, name: str) -> str:
        """A file's text; empty where there is no such file."""
        path = self.root / name
        return path.read_text(encoding="utf-8") if path.is_file() else ""

    @cached_property
    def declared(self) -> dict[str, Any]:
        """The parsed `pyproject.toml`."""
        return tomllib.loads(self.text("pyproject.toml"))

    @property
    def project(self) -> dict[str, Any]:
        """Its table `project`."""
        table: dict[str, Any] = self.declared["project"]
        return table

    @property
    def extras(self) -> dict[str, list[str]]:
        """Requirements of each extra."""
        return dict(self.project.get("optional-dependencies", {}))

    @property
    def repository(self) -> str | None:
        """The URL of the source, where one is declared."""
        wanted = ("repository", "source", "sourcecode", "github")
        urls: dict[str, str] = self.project.get("urls", {})
        return next((url for label, url in urls.items() if label.lower().replace(" ", "") in wanted), None)

    @cached_property
    def tracked(self) -> frozenset[str]:
        """The files that git tracks and that exist, relative to the root."""
        names = self._git("ls-files", "-z").split("\0")
        return frozenset(name for name in names if name and (self.root / name).exists())

    @property
    def changed(self) -> list[str]:
        """The files that differ from the last commit, and those that are new and not ignored."""
        return [line[3:] for line in self._git("status", "--porcelain").splitlines()]

    def tags(self, *, at_head: bool) -> frozenset[str]:
        """The tags of the last commit, or all of them."""
        return frozenset(self._git("tag", *(("--points-at", "HEAD") if at_head else ())).split())

    @property
    def committed_at(self) -> int:
        """The time of the last commit, in seconds since the epoch."""
        return int(self._git("log", "-1", "--format=%ct"))

    def copy_tracked(self, folder: Path) -> None:
        """Copy the tracked files, readable by their owner alone, as a fresh checkout with another umask."""
        for name in self.tracked:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.root / name, target)
            target.chmod(0o600)

    def _git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self.root), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def anchors(text: str) -> frozenset[str]:
    """The anchors of a document's headings, as code hosting sites make them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)


def dead_link(tree: Tree, document: str, href: str) -> str | None:
    """Why a relative link of a document leads nowhere; None where it does not.

    Args:
        tree: the tree.
        document: the document's path below the root.
        href: a path, with an anchor or without one, or an anchor alone.
    """
    target, _, anchor = href.partition("#")
    path = (tree.root / document).parent / target if target else tree.root / document
    if not path.resolve().is_relative_to(tree.root.resolve()):
        return f"{document}: {href} leads out of the repository"
    if not path.exists():
        return f"{document}: {href} is not there"
    if anchor and anchor not in anchors(path.read_text(encoding="utf-8")):
        return f"{document}: {href}: there is no such heading"
    return None
