"""The tables: mutants of the wiring by name, and the survivors that are accepted."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final

import attrs

ROOT: Final = Path(__file__).resolve().parent.parent.parent


@attrs.frozen
class Change:
    """One changed place of a file.

    Attributes:
        file: its path below the root.
        old: the text that is replaced.
        new: the text in its place.
    """

    file: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.file}: {self.old} -> {self.new}"


@attrs.frozen
class Named:
    """A mutant of the wiring.

    Attributes:
        name: the rule that it breaks.
        change: what it changes; the old text occurs once.
        test: the path or id of the test that has to fail.
    """

    name: str
    change: Change
    test: str


def named() -> list[Named]:
    """The mutants of the wiring."""
    rows = _read("named.toml")["mutant"]
    return [Named(row["name"], Change(row["file"], row["old"], row["new"]), row["test"]) for row in rows]


def survivors() -> set[Change]:
    """The mutated lines that no test can tell, or need not tell, from the original."""
    groups = _read("survivors.toml").get("survivors", [])
    return {Change(group["file"], old, new) for group in groups for old, new in group["lines"]}


def source(file: str) -> str:
    """The text of a file below the root."""
    return (ROOT / file).read_text(encoding="utf-8")


def as_listed(line: str) -> str:
    """A line without indentation and comment, as the survivors are listed."""
    return " ".join(line.split()).partition(" # ")[0]


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / name).read_text(encoding="utf-8"))
