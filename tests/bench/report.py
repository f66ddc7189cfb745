"""Tables, and the machine they were measured on."""

from __future__ import annotations

import datetime as dt
import os
import platform
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.places import REQUIREMENTS, RESULTS, python_of

SHOWN = (
    ("aiohttp", ("aiohttp", "orjson", "uvloop", "msgspec", "attrs", "cattrs", "yarl", "pydantic")),
    ("journals", ("sqlalchemy", "asyncpg")),
    ("httpx", ("httpx", "httpcore", "h11")),
    ("openapi_generator", ("aiohttp-retry",)),
    ("generators", ("openapi-python-client", "openapi-generator-cli")),
)


@dataclass
class Table:
    """One measurement's results.

    Attributes:
        title: what was measured.
        head: the columns' names.
        rows: the cells, as text.
        notes: how it was measured, and what to know about it; one paragraph each.
    """

    title: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def text(self) -> str:
        """For a terminal."""
        widths = [max(map(len, column)) for column in zip(self.head, *self.rows, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(width) if index == 0 else cell.rjust(width)
                for index, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in (self.head, *self.rows)
        ]
        rule = "-" * max(map(len, lines))
        return "\n".join([f"== {self.title}", lines[0], rule, *lines[1:], ""])

    def markdown(self) -> str:
        """For RESULTS.md."""
        lines = [f"| {' | '.join(row)} |" for row in (self.head, *self.rows)]
        rule = "|".join(["", " --- ", *[" ---: "] * (len(self.head) - 1), ""])
        notes = [line for note in self.notes for line in (note, "")]
        return "\n".join([f"## {self.title}", "", lines[0], rule, *lines[1:], "", *notes])


@dataclass(frozen=True)
class Figure:
    """A figure to reach.

    Attributes:
        what: what was to be reached.
        bar: the bar.
        measured: what was measured.
        met: whether that is within the bar.
    """

    what: str
    bar: str
    measured: str
    met: bool


@dataclass
class Part:
    """What one measurement gives."""

    tables: list[Table]
    figures: list[Figure] = field(default_factory=list)


def summary(figures: list[Figure]) -> Table:
    made = Table("Figures to reach", ("what", "bar", "measured", "met"))
    for figure in figures:
        made.rows.append((figure.what, figure.bar, figure.measured, "yes" if figure.met else "**no**"))
    return made


def versions() -> dict[str, str]:
    """The pinned versions worth naming."""
    found: dict[str, str] = {}
    for environment, names in SHOWN:
        pins = (REQUIREMENTS / f"{environment}.txt").read_text()
        for name in names:
            pin = re.search(rf"(?mi)^{re.escape(name)}==(\S+)", pins)
            assert pin, name
            found[name] = pin[1]
    return found


def processor() -> str:
    try:
        found = re.search(r"(?m)^model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def python() -> str:
    code = "import platform as p; print(p.python_implementation(), p.python_version())"
    words = (python_of("aiohttp"), "-c", code)
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def busy() -> float:
    """How much the processors had to do in the last minute, from 0 to 1 and beyond."""
    return os.getloadavg()[0] / (os.cpu_count() or 1) if hasattr(os, "getloadavg") else 0.0


def machine(load: float) -> list[str]:
    """The facts of this machine; no names and no paths."""
    pins = ", ".join(f"{name} {version}" for name, version in versions().items())
    system = f"{platform.system()} {platform.machine()}, {os.cpu_count()} x {processor()}"
    date = f"{dt.datetime.now(dt.UTC):%Y-%m-%d}"
    return [f"* {date}, {python()}, {system}, {load:.0%} busy when it began", f"* {pins}"]


def write(tables: list[Table], load: float) -> None:
    """Write RESULTS.md.

    Args:
        tables: what was measured.
        load: what `busy` said before that.
    """
    head = [
        "# Results",
        "",
        "Written by `make bench`. Every ratio is of figures from one run, medians of rounds that took turns,",
        "each contender in a process of its own and the server in another.",
        "",
        *machine(load),
        "",
    ]
    RESULTS.write_text("\n".join([*head, *(table.markdown() for table in tables)]).rstrip() + "\n")
