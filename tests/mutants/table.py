"""The rules, each with the change of the source that removes it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final

import attrs

TABLES: Final = Path(__file__).resolve().parent / "rules"


@attrs.frozen(kw_only=True)
class Rule:
    """One rule, and how it is removed.

    Attributes:
        name: the rule, as a sentence.
        file: where it stands, below the root.
        old: the text that holds it; occurs there once.
        new: the same without the rule.
        tests: the paths of the tests that most likely fail without it, run first.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...] = attrs.field(converter=tuple)

    def remove_from(self, source: str) -> str:
        """The source without the rule.

        Args:
            source: the text of the file.

        Raises:
            ValueError: the text to replace is not there, or not once.
        """
        count = source.count(self.old)
        if count != 1:
            raise ValueError(f"{self.file} holds the text of {self.name!r} {count} times, not once")
        return source.replace(self.old, self.new)


def load() -> list[Rule]:
    """All rules, file by file; a table names the file and the tests that its rules share."""
    rules: list[Rule] = []
    for path in sorted(TABLES.glob("*.toml")):
        table: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        entries = table.pop("rule")
        rules.extend(Rule(**{**table, **entry}) for entry in entries)
    return rules
