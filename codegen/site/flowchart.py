"""Flowcharts in Mermaid's words as tables of steps, which need no script and fit any screen."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from codegen.site.places import Unbuildable

__all__ = ["Edge", "edges", "steps"]

_NODE: Final = re.compile(
    r"\s*(?P<id>\w+)(?:\(\[(?P<end>[^\]]*)\]\)|\[(?P<step>[^\]]*)\]|\{(?P<question>[^}]*)\})?"
)
_ARROW: Final = re.compile(r"\s*-->(?:\|(?P<when>[^|]*)\|)?")
_HEAD: Final = re.compile(r"flowchart \w+")


class Edge(NamedTuple):
    """An arrow of a flowchart.

    Attributes:
        step: the words of where it begins.
        when: its own; empty where it has none.
        then: the words of where it leads to.
    """

    step: str
    when: str
    then: str


def edges(mermaid: str) -> tuple[Edge, ...]:
    """The arrows of a flowchart, in their order.

    Raises:
        Unbuildable: a line says something else than nodes and arrows.
    """
    lines = [line for line in mermaid.splitlines() if line.strip() and not _HEAD.fullmatch(line.strip())]
    words: dict[str, str] = {}
    found = [edge for line in lines for edge in _in_line(line, words)]
    return tuple(Edge(words.get(source, source), when, words.get(to, to)) for source, when, to in found)


def _in_line(line: str, words: dict[str, str]) -> list[tuple[str, str, str]]:
    source, place = _node(line, 0, words)
    found: list[tuple[str, str, str]] = []
    while arrow := _ARROW.match(line, place):
        to, place = _node(line, arrow.end(), words)
        found.append((source, arrow["when"] or "", to))
        source = to
    if line[place:].strip():
        raise Unbuildable(f"a flowchart that cannot be read: {line.strip()}")
    return found


def _node(line: str, place: int, words: dict[str, str]) -> tuple[str, int]:
    match = _NODE.match(line, place)
    if match is None:
        raise Unbuildable(f"a flowchart that cannot be read: {line.strip()}")
    given = match["end"] or match["step"] or match["question"]
    if given:
        words[match["id"]] = f"**{given}**" if match["end"] else given
    return match["id"], match.end()


def steps(mermaid: str) -> str:
    """The flowchart as a table; its ends are in bold letters."""
    found = edges(mermaid)
    order = [edge.step for edge in found]
    rows = [
        f"| {step} | {when} | {then} |"
        for step, when, then in sorted(found, key=lambda edge: order.index(edge.step))
    ]
    return "\n".join(("| step | when | then |", "|---|---|---|", *rows, ""))
