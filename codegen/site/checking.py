"""Checks of the built site, without a network: links, anchors, loads from elsewhere, Markdown in view."""

from __future__ import annotations

import re
from posixpath import normpath
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from codegen.site.html import BuiltPage, read

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["built_pages", "clicks", "problems", "target_of"]

_ELSEWHERE: Final = re.compile(r"(?:https?:)?//", re.IGNORECASE)
_IN_STYLES: Final = re.compile(r"(?:@import\s+|url\(\s*)[\"']?((?:https?:)?//[^\"')\s]+)", re.IGNORECASE)
# the theme's script fetches something from elsewhere where a page has one of these
_FETCHING: Final = frozenset({"mermaid", "arithmatex", "giscus", "md-source", "glightbox"})
_MARKDOWN: Final = re.compile(r"```|\]\(|\]\[|\*\*|^\s*\|.*\|\s*$|^\s*#{1,6} ", re.MULTILINE)


def built_pages(site: Path) -> dict[str, BuiltPage]:
    """Every page, by its path in the site."""
    return {path.relative_to(site).as_posix(): read(path) for path in sorted(site.rglob("*.html"))}


def target_of(page: str, link: str) -> tuple[str, str] | None:
    """The path in the site and the anchor of a link; None for one that leads elsewhere."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return None
    path = normpath(f"{page}/../{unquote(parts.path)}") if parts.path else page
    if path == "." or parts.path.endswith("/"):
        path = normpath(f"{path}/index.html")
    return path, unquote(parts.fragment)


def clicks(pages: Mapping[str, BuiltPage], page: str, *, by_navigation: bool = False) -> set[tuple[str, str]]:
    """The places that one click leads to from a page.

    Args:
        pages: all of them.
        page: where somebody is.
        by_navigation: only by the navigation.
    """
    links = pages[page].navigation if by_navigation else pages[page].links
    return {target for link in links if (target := target_of(page, link)) is not None}


def problems(site: Path, pages: Mapping[str, BuiltPage]) -> list[str]:
    """What is wrong with a built site and its pages, in sentences; empty when nothing is."""
    found = [problem for name, page in pages.items() for problem in _of_page(site, pages, name, page)]
    return found + [
        f"{path.relative_to(site)} loads {address}"
        for path in sorted(site.rglob("*.css"))
        for address in _IN_STYLES.findall(path.read_text(encoding="utf-8"))
    ]


def _of_page(site: Path, pages: Mapping[str, BuiltPage], name: str, page: BuiltPage) -> Iterator[str]:
    if name == "404.html":  # its links begin at the root, wherever that is
        return
    for link in dict.fromkeys(page.links):
        if wrong := _wrong_link(site, pages, name, link):
            yield f"{name}: {link} {wrong}"
    for address in page.loads:
        if _ELSEWHERE.match(address):
            yield f"{name} loads {address}"
        elif (target := target_of(name, address)) and not (site / target[0]).is_file():
            yield f"{name} loads {address}, which does not exist"
    for cause in sorted(page.classes & _FETCHING):
        yield f"{name} has an element `{cause}`, for which the theme loads a script from elsewhere"
    text = "".join(page.prose)
    if left := _MARKDOWN.search(text):
        around = text[max(0, left.start() - 30) : left.end() + 30]
        yield f"{name} shows Markdown: {around!r}"


def _wrong_link(site: Path, pages: Mapping[str, BuiltPage], name: str, link: str) -> str:
    target = target_of(name, link)
    if target is None:
        return ""
    path, anchor = target
    if path.startswith("../") or not (site / path).is_file():
        return "does not exist"
    return "has no such anchor" if anchor and path in pages and anchor not in pages[path].anchors else ""
