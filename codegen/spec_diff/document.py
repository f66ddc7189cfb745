"""Reads a specification from a file, and follows its references."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml
from referencing import Registry, Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Document", "Unreadable", "load", "mapping", "pointer", "sequence", "walk"]

_VERSIONS = ("openapi", "swagger")


class Unreadable(Exception):
    """The file is no OpenAPI 3 document, or refers to something it does not hold."""


def mapping(value: Any) -> dict[str, Any]:
    """A mapping; an empty one for whatever else stands there."""
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> list[Any]:
    """A list; an empty one for whatever else stands there."""
    return value if isinstance(value, list) else []


def pointer(parent: str, *names: str) -> str:
    """The JSON pointer of something below another."""
    return "/".join([parent, *(name.replace("~", "~0").replace("/", "~1") for name in names)])


def walk(value: Any, place: str = "#") -> Iterator[tuple[str, Any]]:
    """Every value of a document, with its JSON pointer."""
    yield place, value
    children = mapping(value) or {str(index): item for index, item in enumerate(sequence(value))}
    for key, child in children.items():
        yield from walk(child, pointer(place, key))


class Document:
    """A specification of OpenAPI 3.

    Args:
        content: what the file holds.

    Raises:
        Unreadable: it is no document of OpenAPI 3.
    """

    def __init__(self, content: Any) -> None:
        self.content = mapping(_with_texts_for_keys(content))
        if not str(self.content.get("openapi", "")).startswith("3."):
            other = "".join(f" but of {key} {self.content[key]}" for key in _VERSIONS if key in self.content)
            raise Unreadable(f"it is no document of OpenAPI 3{other}")
        resource = Resource.from_contents(self.content, default_specification=DRAFT202012)
        self._targets = dict[str, Any]()
        self._resolver = Registry().with_resource("", resource).resolver()

    def target(self, reference: Any) -> Any:
        """What a reference points at.

        Raises:
            Unreadable: the document does not hold it.
        """
        name = str(reference)
        if name not in self._targets:
            self._targets[name] = self._resolved(name)
        return self._targets[name]

    def _resolved(self, reference: str) -> Any:
        if not reference.startswith("#"):
            raise Unreadable(f"it refers to another file: {reference}")
        try:
            return self._resolver.lookup(reference).contents
        except (Unresolvable, TypeError, ValueError, LookupError):  # it may lead through a number or a text
            raise Unreadable(f"it refers to what it does not hold: {reference}") from None

    def follow(self, value: Any, place: str) -> tuple[dict[str, Any], str]:
        """A mapping that may be a reference, and its JSON pointer; what stands beside a reference wins."""
        found, beside = dict(mapping(value)), dict[str, Any]()
        seen = set[str]()
        while "$ref" in found:
            place = str(found["$ref"])
            if place in seen:
                raise Unreadable(f"it refers in a circle: {place}")
            seen.add(place)
            beside = {key: item for key, item in found.items() if key != "$ref"} | beside
            found = mapping(self.target(place))
        return found | beside, place


def _with_texts_for_keys(value: Any) -> Any:
    """The same value; YAML reads the key `200` as a number."""
    if isinstance(value, dict):
        return {str(key): _with_texts_for_keys(item) for key, item in value.items()}
    return [_with_texts_for_keys(item) for item in value] if isinstance(value, list) else value


def load(path: Path) -> Document:
    """A specification, JSON or YAML.

    Raises:
        Unreadable: the file cannot be read, or is no document of OpenAPI 3.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        return Document(
            json.loads(text) if text.lstrip().startswith("{") else yaml.load(text, yaml.CSafeLoader)
        )
    except (OSError, UnicodeDecodeError, ValueError, yaml.YAMLError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise Unreadable(reason or type(error).__name__) from error
