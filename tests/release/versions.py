"""The version: said in one place, of PEP 440, and the same in the changelog and in the tag."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from packaging.version import InvalidVersion, Version

from tests.release import changelog
from tests.release.checks import Result
from tests.release.repository import Tree

__all__ = ["PLACE", "check", "stated"]

PLACE: Final = "voucher_async/_version.py"
_NOTES: Final = "docs/upgrading.md"


def stated(source: str) -> list[str]:
    """The texts that a module assigns to `__version__`."""
    return [
        node.value.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == "__version__" for target in node.targets)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ]


def check(tree: Tree) -> Result:
    """Compare the version with its form, the other places that might say one, changelog, notes, tags."""
    found = stated(tree.text(PLACE))
    if len(found) != 1:
        return Result([f"{PLACE}: `__version__` is assigned {len(found)} times, not once"])
    try:
        version = Version(found[0])
    except InvalidVersion:
        return Result([f"{PLACE}: {found[0]!r} is no version of PEP 440"])
    problems = [
        *_form(found[0], version),
        *_places(tree),
        *_released(version, changelog.read(tree.text(changelog.NAME))),
        *_noted(version, tree),
        *_tagged(version, tree),
        *_committed(version, tree),
    ]
    kind = "a development version" if version.is_devrelease else "a release"
    return Result(problems, f"{version}, {kind}, {len(tree.changed)} files changed since the last commit")


def _form(text: str, version: Version) -> Iterator[str]:
    if str(version) != text:
        yield f"{PLACE}: {text!r} is written {version} in the normal form of PEP 440"
    if version.local:
        yield f"{PLACE}: {version}: a package index takes no local version (`+{version.local}`)"


def _places(tree: Tree) -> Iterator[str]:
    if "version" in tree.project or "version" not in tree.project.get("dynamic", ()):
        yield f"pyproject.toml: the version is to be dynamic, since {PLACE} says it"
    path = tree.declared.get("tool", {}).get("hatch", {}).get("version", {}).get("path")
    if path != PLACE:
        yield f"pyproject.toml: [tool.hatch.version] reads {path}, not {PLACE}"
    modules = [name for name in tree.tracked if name.startswith("voucher_async/") and name.endswith(".py")]
    for name in sorted(set(modules) - {PLACE}):
        if "__version__" in tree.text(name) and stated(tree.text(name)):
            yield f"{name}: assigns `__version__`, which {PLACE} alone is to do"


def _released(version: Version, releases: list[changelog.Release]) -> Iterator[str]:
    newest = changelog.newest(releases)
    if version.is_devrelease:
        if newest is not None and version <= Version(newest):
            yield f"{version} comes before {newest}, which {changelog.NAME} says is released"
        return
    if newest != str(version):
        told = newest or "nothing"
        yield f"{changelog.NAME}: {version} is to be released; the newest heading with a date is of {told}"
    if any(count for each in releases if each.is_unreleased for _, count in each.sections):
        yield f"{changelog.NAME}: [Unreleased] has entries; those of {version} go below its own heading"


def _noted(version: Version, tree: Tree) -> Iterator[str]:
    headings = (line.strip() for line in tree.text(_NOTES).splitlines())
    if not version.is_devrelease and f"## {version}" not in headings:
        yield f"{_NOTES}: there is no `## {version}`, which says who has to change something"


def _tagged(version: Version, tree: Tree) -> Iterator[str]:
    here = tree.tags(at_head=True)
    for tag, tagged in _versions(here):
        if tagged != version:
            yield f"the tag {tag} is on this commit, whose version is {version}"
    for tag, tagged in _versions(tree.tags(at_head=False) - here):
        if tagged == version:
            yield f"the tag {tag} is on another commit: {version} is released, a change needs a new version"


def _versions(tags: frozenset[str]) -> Iterator[tuple[str, Version]]:
    for tag in sorted(tags):
        try:
            yield tag, Version(tag)
        except InvalidVersion:
            continue


def _committed(version: Version, tree: Tree) -> Iterator[str]:
    if not version.is_devrelease and tree.changed:
        yield f"{len(tree.changed)} files are not committed, such as {tree.changed[0]}: a release is a commit"
