"""One form for every part of a specification, whatever the words, order and version it is written in."""

from __future__ import annotations

import json
from typing import Any

from attrs import Factory, define, evolve

__all__ = ["EXISTENCE", "REQUIRED_BODY", "WHOLE", "Node", "plain"]

EXISTENCE = "existence"
WHOLE = "whole"
REQUIRED_BODY = "body required"


@define
class Node:
    """A part of a specification.

    Attributes:
        sort: `operation`, `property`, `response` and so on.
        pointer: the JSON pointer of its definition.
        facts: what is said of it, keyword by keyword; a boolean only when it is true.
        parts: what it is made of, each by its sort and name.
        origins: by fact, the JSON pointer of the schema that states it.
        assumed: by fact, the JSON pointer of the assumption that covers it; or its existence, or the whole.
        required: the names of properties that have to be there.
        words: its description.
    """

    sort: str
    pointer: str
    facts: dict[str, Any] = Factory(dict)
    parts: dict[str, Node] = Factory(dict)
    origins: dict[str, str] = Factory(dict)
    assumed: dict[str, str] = Factory(dict)
    required: set[str] = Factory(set)
    words: str = ""

    def say(self, fact: str, value: Any) -> None:
        """State a fact."""
        self.facts[fact] = value
        self.origins[fact] = self.pointer

    def merge(self, other: Node) -> None:
        """Take over what another node of the same thing says; that wins."""
        self.facts |= other.facts
        self.origins |= other.origins
        self.assumed |= other.assumed
        self.required |= other.required
        self.words = other.words or self.words
        for name, part in other.parts.items():
            if name in self.parts:
                self.parts[name] = self.parts[name].copy()
                self.parts[name].merge(part)
            else:
                self.parts[name] = part

    def copy(self) -> Node:
        """The same, to be changed; parts are shared until they are merged."""
        return evolve(
            self,
            facts=dict(self.facts),
            parts=dict(self.parts),
            origins=dict(self.origins),
            assumed=dict(self.assumed),
            required=set(self.required),
        )

    def every_fact(self) -> set[str]:
        """The names of the facts that are stated anywhere in it."""
        return set(self.facts).union(*(part.every_fact() for part in self.parts.values()))

    def rendered(self) -> dict[str, Any]:
        """The node as plain values, without words and pointers."""
        return self.facts | {name: part.rendered() for name, part in self.parts.items()}

    def short(self) -> str:
        """A few words on it: its facts and the names of its parts, or its description."""
        if self.sort in {"operation", "webhook", "scope", "server"}:
            return " ".join(self.words.split())
        facts = [
            plain(value) if name == "type" else f"{name} {plain(value)}" for name, value in self.facts.items()
        ]
        names = [name.rpartition(" ")[2] for name in self.parts]
        return ", ".join([*facts, *([f"with {', '.join(names)}"] if names else [])])


def plain(value: Any) -> str:
    """A value as people read it."""
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)) and value and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return json.dumps(value, sort_keys=True, default=str)
