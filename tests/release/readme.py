"""The README: its links lead somewhere, and a package index shows it as it is meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.release.checks import Result
from tests.release.repository import Tree, dead_link

__all__ = ["NAME", "check", "check_description"]

NAME: Final = "README.md"
_ABSOLUTE: Final = ("https://", "http://")
_HTML: Final = frozenset({"html_inline", "html_block"})
_COMMENT: Final = re.compile(r"<!--.*?-->", re.DOTALL)


def _flat(tokens: Iterable[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        if token.type != "image":  # its alternative text is its content
            yield from _flat(token.children or ())


def _tokens(text: str) -> list[Token]:
    return list(_flat(MarkdownIt("commonmark").enable("table").parse(text)))


def _targets(tokens: Sequence[Token], kind: str, attribute: str) -> list[str]:
    written = [str(token.attrGet(attribute) or "") for token in tokens if token.type == kind]
    html = " ".join(_COMMENT.sub("", token.content) for token in tokens if token.type in _HTML)
    found = re.findall(rf"""\s{attribute}\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", html, re.IGNORECASE)
    return written + ["".join(each).strip() for each in found]


def check(tree: Tree) -> Result:
    """Follow each relative link and image of the README."""
    tokens = _tokens(tree.text(NAME))
    links = _targets(tokens, "link_open", "href")
    broken = [problem for href in links if (problem := _broken(tree, href))]
    images = [
        f"{NAME}: the image {source} is not absolute: a package index shows its text alone"
        for source in _targets(tokens, "image", "src")
        if not source.startswith("https://")
    ]
    return Result([*broken, *images], f"{len(links)} links")


def _broken(tree: Tree, href: str) -> str | None:
    return None if href.startswith((*_ABSOLUTE, "mailto:")) else dead_link(tree, NAME, href)


def check_description(readme: str, description: str) -> Result:
    """Compare the README with the long description that was made of it.

    Args:
        readme: the README.
        description: the body of the package's metadata, as an index renders it: without any file of ours.
    """
    ours, shown = _tokens(readme), _tokens(description)
    problems = [
        f"the long description links to {href}, which an index does not have"
        for kind, attribute in (("link_open", "href"), ("image", "src"))
        for href in _targets(shown, kind, attribute)
        if not href.startswith("https://")
    ]
    if _code(ours) != _code(shown):
        problems.append("code in the long description is not that of the README")
    if _words(ours) != _words(shown):
        problems.append(f"the long description reads otherwise than the README: {_first_other(ours, shown)}")
    return Result(
        problems, f"{len(_targets(shown, 'link_open', 'href'))} links, {len(_code(shown))} blocks of code"
    )


def _code(tokens: Sequence[Token]) -> list[str]:
    return [token.content for token in tokens if token.type in {"fence", "code_block", "code_inline"}]


def _words(tokens: Sequence[Token]) -> list[str]:
    texts = "".join(
        "\n"
        if token.type in {"softbreak", "hardbreak", "paragraph_close", "heading_close"}
        else token.content
        for token in tokens
        if token.type not in {"inline", "fence"}
    )
    return texts.split("\n")


def _first_other(ours: Sequence[Token], shown: Sequence[Token]) -> str:
    pairs = zip(_words(ours), [*_words(shown), *[""] * len(ours)], strict=False)
    return next((repr(theirs[:80]) for mine, theirs in pairs if mine != theirs), "it goes on after its end")
