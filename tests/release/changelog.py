"""The changelog: in the form of Keep a Changelog, with links that lead somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import pairwise
from typing import Final

import attrs
from packaging.version import InvalidVersion, Version

from tests.release.checks import Result
from tests.release.repository import Tree, dead_link

__all__ = ["NAME", "Release", "check", "newest", "read"]

NAME: Final = "CHANGELOG.md"
SECTIONS: Final = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
_UNRELEASED: Final = "[Unreleased]"
_RELEASED: Final = re.compile(r"\[([^\]]+)\] - (\d{4}-\d\d-\d\d)( \[YANKED\])?")
_DEFINITION: Final = re.compile(r"^\[([^\]]+)\]: *(\S*)$", re.MULTILINE)
_RELATIVE: Final = re.compile(r"\]\((?!https?://)([^)]+)\)")


@attrs.frozen
class Release:
    """A part of the changelog.

    Attributes:
        heading: the words of its heading.
        sections: the names of its sections, in their order, each with its number of entries.
        loose: the number of entries above the first section.
    """

    heading: str
    sections: tuple[tuple[str, int], ...]
    loose: int = 0

    @property
    def is_unreleased(self) -> bool:
        """Whether it is the part for what comes next."""
        return self.heading == _UNRELEASED

    @property
    def version(self) -> str | None:
        """The version in its heading; None where the heading is not that of a release."""
        found = _RELEASED.fullmatch(self.heading)
        return found[1] if found else None

    @property
    def day(self) -> str | None:
        """The date in its heading."""
        found = _RELEASED.fullmatch(self.heading)
        return found[2] if found else None


def read(text: str) -> list[Release]:
    """The parts, in their order."""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)[1:]
    return [
        Release(heading.strip(), _sections(body), _count(re.split(r"^### ", body, flags=re.MULTILINE)[0]))
        for heading, body in zip(parts[::2], parts[1::2], strict=True)
    ]


def _sections(body: str) -> tuple[tuple[str, int], ...]:
    parts = re.split(r"^### (.+)$", body, flags=re.MULTILINE)[1:]
    return tuple((name.strip(), _count(text)) for name, text in zip(parts[::2], parts[1::2], strict=True))


def _count(text: str) -> int:
    return len(re.findall(r"^[-*+] \S", text, re.MULTILINE))


def newest(releases: Iterable[Release]) -> str | None:
    """The version of the first released part."""
    return next((each.version for each in releases if each.version), None)


def check(tree: Tree, *, today: date) -> Result:
    """Compare the changelog with the rules of its form.

    Args:
        tree: the tree.
        today: no release is dated later.
    """
    text = tree.text(NAME)
    if not text:
        return Result([f"{NAME} is missing or empty"])
    releases = read(text)
    problems = [*_headings(releases, today), *_entries(releases), *_links(tree, text, releases)]
    entries = sum(count for each in releases for _, count in each.sections)
    return Result(problems, f"{len(releases)} parts, {entries} entries")


def _headings(releases: list[Release], today: date) -> Iterator[str]:
    if not releases or not releases[0].is_unreleased:
        yield f"{NAME}: the first heading is not `## {_UNRELEASED}`"
    released = [each for each in releases if not each.is_unreleased]
    if len(releases) - len(released) > 1:
        yield f"{NAME}: `## {_UNRELEASED}` is there more than once"
    for each in released:
        problem = _heading(each, today)
        if problem:
            yield f"{NAME}: `## {each.heading}` {problem}"
    versions = [Version(each.version) for each in released if each.version and _is_version(each.version)]
    for later, earlier in pairwise(versions):
        if later <= earlier:
            yield f"{NAME}: {later} stands above {earlier}: the newest comes first, each once"


def _heading(release: Release, today: date) -> str | None:
    if release.version is None or release.day is None:
        return "is neither `[Unreleased]` nor `[VERSION] - YYYY-MM-DD`"
    if not _is_version(release.version) or str(Version(release.version)) != release.version:
        return f"has no version in the normal form of PEP 440: {release.version}"
    try:
        day = date.fromisoformat(release.day)
    except ValueError:
        return f"has a date that no calendar has: {release.day}"
    return f"is dated in the future, today is {today}" if day > today else None


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def _entries(releases: list[Release]) -> Iterator[str]:
    for each in releases:
        names = [name for name, _ in each.sections]
        if not names and not each.is_unreleased:
            yield f"{NAME}: `## {each.heading}` has no section"
        if each.loose:
            yield f"{NAME}: `## {each.heading}` has {each.loose} entries above its first section"
        for name, count in each.sections:
            if name not in SECTIONS:
                yield f"{NAME}: `## {each.heading}` has a section {name!r}: none of {', '.join(SECTIONS)}"
            if not count:
                yield f"{NAME}: `## {each.heading}` has an empty section {name!r}"
        for name in {name for name in names if names.count(name) > 1}:
            yield f"{NAME}: `## {each.heading}` has the section {name!r} more than once"


def _links(tree: Tree, text: str, releases: list[Release]) -> Iterator[str]:
    yield from filter(None, (dead_link(tree, NAME, href) for href in _RELATIVE.findall(text)))
    definitions = {label.lower(): url for label, url in _DEFINITION.findall(text)}
    headings = {each.heading[1:].partition("]")[0].lower() for each in releases}
    for label, url in definitions.items():
        if not url.startswith("https://"):
            yield f"{NAME}: the link [{label}] is not https: {url!r}"
        if label not in headings:
            yield f"{NAME}: the link [{label}] belongs to no heading"
    if tree.repository is not None:
        for label in sorted(headings - definitions.keys()):
            yield f"{NAME}: the heading [{label}] has no link, though [project.urls] names a repository"
