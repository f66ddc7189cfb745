"""The tables of `docs/proxies.md`, between their markers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from codegen.site.results import replaced
from tests.proxies.judge import Row
from tests.proxies.scenarios import SCENARIOS

DOCUMENT: Final = Path(__file__).resolve().parent.parent.parent / "docs" / "proxies.md"
_COLUMNS: Final = {
    "calls": "calls",
    "in doubt": "doubted",
    "told done": "done",
    "told not done": "not_done",
    "told open": "open",
    "still open": "left_open",
    "carried out twice by the proxy": "proxy_twice",
    "**lost**": "lost",
    "**double**": "double",
    "**false done**": "false",
    "**crashed**": "crashed",
}


def results(rows: Mapping[str, Row]) -> str:
    """What came of the scenarios, as Markdown."""
    lines = [f"| scenario | {' | '.join(_COLUMNS)} |", "|---|" + "--:|" * len(_COLUMNS)]
    for name, row in rows.items():
        figures = " | ".join(str(row.figures[column]) for column in _COLUMNS.values())
        lines.append(f"| {name} | {figures} |")
    return "\n".join(lines)


def habits() -> str:
    """The scenarios and the habits they show, as Markdown."""
    lines = ["| scenario | habit |", "|---|---|"]
    lines += [f"| {scenario.name} | {scenario.habit} |" for scenario in SCENARIOS]
    return "\n".join(lines)


def write(rows: Mapping[str, Row], document: Path = DOCUMENT) -> None:
    """Write both tables into the document."""
    text = replaced(document.read_text(encoding="utf-8"), "habits", habits())
    document.write_text(replaced(text, "results", results(rows)), encoding="utf-8")
