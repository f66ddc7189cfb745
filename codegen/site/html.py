"""A built page as its links, anchors, loads and text."""

from __future__ import annotations

from collections import Counter
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["BuiltPage", "read"]

_VOID: Final = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)
_CODE: Final = frozenset({"code", "pre", "script", "style", "svg"})
# classes of the theme
_CONTENT: Final = "md-content__inner"
_CONTENTS: Final = "md-nav--secondary"
_MENUS: Final = frozenset({"md-nav--primary", "md-tabs"})
_REGIONS: Final = _CODE | _MENUS | {_CONTENT, _CONTENTS}
# what a browser fetches of a <link> by itself
_FETCHED: Final = frozenset(
    {"stylesheet", "icon", "preload", "modulepreload", "prefetch", "manifest", "preconnect"}
)
_LOADING: Final = ("src", "srcset", "data", "poster")


class BuiltPage(HTMLParser):
    """A page that was built.

    Attributes:
        anchors: the ids that a link may name.
        links: the targets of its links.
        navigation: those of them in the site's navigation, without its table of contents.
        loads: the addresses that a browser fetches with the page.
        classes: the classes of its elements.
        prose: the text outside of code.
        words: the text of the part after each anchor, up to the next one.
        tags: how many elements of a name its content has.
    """

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.navigation: list[str] = []
        self.loads: list[str] = []
        self.classes: set[str] = set()
        self.prose: list[str] = []
        self.words: dict[str, list[str]] = {"": []}
        self.tags: dict[str, int] = {}
        self._open: list[tuple[str, list[str]]] = []
        self._within: Counter[str] = Counter()
        self._at = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        given = {name: value or "" for name, value in attrs}
        classes = given.get("class", "").split()
        self.classes.update(classes)
        if tag not in _VOID:
            regions = [name for name in (*classes, tag) if name in _REGIONS]
            self._open.append((tag, regions))
            self._within.update(regions)
        self._note_anchor(given)
        self._note_loads(tag, given)
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
            if self._is_within(_MENUS) and not self._within[_CONTENTS]:
                self.navigation.append(given["href"])
        if self._within[_CONTENT]:
            self.tags[tag] = self.tags.get(tag, 0) + 1

    def handle_endtag(self, tag: str) -> None:
        """Close an element, and those that its page left open within it."""
        for place in range(len(self._open) - 1, -1, -1):
            if self._open[place][0] == tag:
                for _, regions in self._open[place:]:
                    self._within.subtract(regions)
                del self._open[place:]
                break

    def handle_data(self, data: str) -> None:
        """Note text."""
        if not self._within[_CONTENT]:
            return
        self.words[self._at].append(data)
        if not self._is_within(_CODE):
            self.prose.append(data)

    def _note_anchor(self, given: dict[str, str]) -> None:
        if anchor := given.get("id"):
            self.anchors.add(anchor)
            if self._within[_CONTENT]:
                self._at = anchor
                self.words[anchor] = []

    def _note_loads(self, tag: str, given: dict[str, str]) -> None:
        if tag != "a":
            self.loads += [given[name] for name in _LOADING if given.get(name)]
        if tag == "link" and _FETCHED & set(given.get("rel", "").split()):
            self.loads.append(given.get("href", ""))

    def _is_within(self, regions: frozenset[str]) -> bool:
        return any(self._within[region] for region in regions)


def read(path: Path) -> BuiltPage:
    """The page of a file."""
    page = BuiltPage()
    page.feed(path.read_text(encoding="utf-8"))
    page.close()
    return page
