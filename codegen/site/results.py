"""Parts of the results of `make bench`, for the page about speed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from codegen.site.places import Unbuildable

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["figures", "replaced"]

_BARS: Final = "Figures to reach"
_CLIENTS: Final = "One warm `reservations.create`"


def figures(results: str) -> str:
    """The machine and the versions, each client's CPU, and the figures to reach, as Markdown."""
    about = [line for line in results.split("\n## ", maxsplit=1)[0].splitlines() if line.startswith("* ")]
    clients = _columns(_table(results, _CLIENTS), ("client", "CPU us/call", "x floor"))
    bars = _table(results, _BARS)
    return "\n".join((*about, "", *map(_line, clients), "", *map(_line, bars)))


def replaced(text: str, name: str, content: str) -> str:
    """The text with the content between the markers of a name.

    Raises:
        Unbuildable: a marker is missing.
    """
    begin, end = f"<!-- {name} -->\n", f"\n<!-- end of {name} -->"
    before, found, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found and found_end):
        raise Unbuildable(f"the document has no markers of {name}")
    return f"{before}{begin}{content}{end}{after}"


def _table(results: str, heading: str) -> list[list[str]]:
    """The first table below a heading, with the line below its head.

    Raises:
        Unbuildable: there is none.
    """
    match = re.search(rf"^## {re.escape(heading)}\n+((?:\|.*\n)+)", results, re.MULTILINE)
    if match is None:
        raise Unbuildable(f"the results have no table below {heading!r}")
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in match.group(1).splitlines()]


def _columns(table: list[list[str]], names: Sequence[str]) -> list[list[str]]:
    places = [table[0].index(name) for name in names]
    return [[row[place] for place in places] for row in table]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
