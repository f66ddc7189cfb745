"""Markdown as text: what stands outside of code, its links, its headings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["fenced", "map_links", "map_prose", "map_titles", "sentence_of", "title_of", "without_comments"]

_FENCE: Final = re.compile(
    r"^ *(?P<fence>```+)(?P<language>[^\n`]*)\n(?P<body>.*?)^ *(?P=fence) *$", re.DOTALL | re.MULTILINE
)
_CODE: Final = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
_LINK: Final = re.compile(r"(?<=\]\()([^)\s]+)(?=\))")
_WHOLE_LINK: Final = re.compile(r"\[([^\]]+)\]\([^)]+\)")
_COMMENT: Final = re.compile(r"^<!--.*?-->\n", re.DOTALL | re.MULTILINE)
_TITLE: Final = re.compile(r"^# (.+)$", re.MULTILINE)
_PARAGRAPH: Final = re.compile(r"^# .+\n+((?!```)(?:[^\n#|<-][^\n]*\n?)+)", re.MULTILINE)


def _map_outside(pattern: re.Pattern[str], text: str, change: Callable[[str], str]) -> str:
    parts: list[str] = []
    end = 0
    for match in pattern.finditer(text):
        parts += (change(text[end : match.start()]), match.group())
        end = match.end()
    return "".join((*parts, change(text[end:])))


def map_prose(text: str, change: Callable[[str], str]) -> str:
    """The text with its parts outside of blocks of code changed."""
    return _map_outside(_FENCE, text, change)


def without_comments(text: str) -> str:
    """The text without comments that begin a line: they are for the tests, and for who writes the page."""
    return map_prose(text, lambda prose: re.sub(r"\n{3,}", "\n\n", _COMMENT.sub("", prose)))


def map_links(text: str, change: Callable[[str], str]) -> str:
    """The text with the targets of its links changed."""

    def in_text(part: str) -> str:
        return _LINK.sub(lambda match: change(match.group()), part)

    return map_prose(text, lambda prose: _map_outside(_CODE, prose, in_text))


def fenced(text: str, language: str, change: Callable[[str], str]) -> str:
    """The text with its blocks of a language replaced."""

    def one(match: re.Match[str]) -> str:
        return change(match["body"]) if match["language"].strip() == language else match.group()

    return _FENCE.sub(one, text)


def map_titles(text: str) -> str:
    """The text with one title: headings of its level after the first go one level down, with theirs."""
    seen = 0

    def one(match: re.Match[str]) -> str:
        nonlocal seen
        seen += match["level"] == "#"
        return f"#{match.group()}" if seen > 1 else match.group()

    return map_prose(text, lambda prose: re.sub(r"^(?P<level>#{1,5}) ", one, prose, flags=re.MULTILINE))


def title_of(text: str) -> str:
    """The first heading; empty where there is none."""
    match = _TITLE.search(text)
    return match.group(1).replace("`", "") if match else ""


def sentence_of(text: str) -> str:
    """The first sentence below the title, in one line, without links and bold; empty where there is none."""
    match = _PARAGRAPH.search(text)
    if match is None:
        return ""
    paragraph = _WHOLE_LINK.sub(r"\1", " ".join(match.group(1).replace("**", "").split()))
    sentence = re.split(r"(?<=[.?])(?<!e\.g\.) (?=[A-Z`])", paragraph, maxsplit=1)[0]
    return f"{sentence[:-1]}." if sentence.endswith(":") else sentence
