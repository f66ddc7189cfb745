"""Brings schemas into one form: OpenAPI 3.0 or 3.1, with references or without, composed or not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from codegen.spec_diff.assumptions import assumed_of_schema
from codegen.spec_diff.document import mapping, pointer, sequence
from codegen.spec_diff.node import Node

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codegen.spec_diff.document import Document

__all__ = ["ALWAYS", "NULLABLE", "ONE_OF", "REQUIRED", "Schemas"]

ALWAYS, NULLABLE, ONE_OF, REQUIRED = "always present", "nullable", "exactly one of", "required"

_PLAIN = (
    "default",
    "maxItems",
    "maxLength",
    "maxProperties",
    "minItems",
    "minLength",
    "minProperties",
    "multipleOf",
)
_NO_BOUND = {"minItems", "minLength", "minProperties"}
# the generator's words for its own types, which the vendor does not use
_OUR_FORMATS = {"decimal", "int32"}
_CHOICES = ("oneOf", "anyOf")


class Schemas:
    """The schemas of a document.

    Args:
        document: the document.
    """

    def __init__(self, document: Document) -> None:
        self._document = document
        self._collected = dict[tuple[bool, tuple[str, ...]], Node]()

    def read(self, raw: Any, place: str, *, answer: bool, trail: tuple[str, ...] = ()) -> Node:
        """A schema with everything it refers to put in place.

        Args:
            raw: the schema as it is written.
            place: its JSON pointer.
            answer: that it is of an answer, where properties that are only written do not occur.
            trail: the references that led to it.
        """
        node = self._collect(raw, place, trail, answer=answer)
        hidden = "writeOnly" if answer else "readOnly"
        node.parts = {
            name: self._settled(part, required=name.removeprefix("property ") in node.required, answer=answer)
            for name, part in node.parts.items()
            if not part.facts.get(hidden)
        }
        return node

    def _settled(self, part: Node, *, required: bool, answer: bool) -> Node:
        settled = part.copy()
        for keyword in ("readOnly", "writeOnly"):
            settled.facts.pop(keyword, None)
        if required:
            settled.say(ALWAYS if answer else REQUIRED, value=True)
        return settled

    def _collect(self, raw: Any, place: str, trail: tuple[str, ...], *, answer: bool) -> Node:
        schema, node = mapping(raw), Node("schema", place)
        if raw is False:
            node.say("nothing fits", value=True)
        for member, where, led in self._members(schema, place, trail):
            if where in trail:
                node.say("recursive", len(trail) - trail.index(where))
            else:
                node.merge(self._member(member, where, led, answer=answer))
        self._read_facts(schema, node, trail, answer=answer)
        self._read_parts(schema, node, trail, answer=answer)
        node.required |= {str(name) for name in sequence(schema.get("required"))}
        node.words = str(schema.get("description") or node.words)
        if schema.get("x-assumed"):
            node.assumed |= dict.fromkeys(assumed_of_schema(schema, place, answer=answer), place)
        return node

    def _member(self, raw: Any, place: str, trail: tuple[str, ...], *, answer: bool) -> Node:
        if place not in trail:
            return self._collect(raw, place, trail, answer=answer)
        key = (answer, trail)
        if key not in self._collected:
            self._collected[key] = self._collect(raw, place, trail, answer=answer)
        return self._collected[key]

    def _members(
        self, schema: dict[str, Any], place: str, trail: tuple[str, ...]
    ) -> Iterator[tuple[Any, str, tuple[str, ...]]]:
        if "$ref" in schema:
            reference = str(schema["$ref"])
            target = None if reference in trail else self._document.target(reference)
            yield target, reference, (*trail, reference)
        for index, member in enumerate(sequence(schema.get("allOf"))):
            yield member, pointer(place, "allOf", str(index)), trail
        for keyword in _CHOICES:
            choices = self._choices(schema, keyword)
            if len(choices) == 1:
                yield choices[0], pointer(place, keyword), trail

    def _choices(self, schema: dict[str, Any], keyword: str) -> list[Any]:
        """The choices of a schema, but for null and for those that only require a property."""
        return [
            choice
            for choice in sequence(schema.get(keyword))
            if mapping(choice).get("type") != "null" and not _only_requires(choice)
        ]

    def _read_facts(
        self, schema: dict[str, Any], node: Node, trail: tuple[str, ...], *, answer: bool
    ) -> None:
        for fact, value in _facts(schema):
            node.say(fact, value)
        for keyword in _CHOICES:
            choices = self._choices(schema, keyword)
            if len(choices) > 1:
                read = [
                    self.read(choice, pointer(node.pointer, keyword), answer=answer, trail=trail).rendered()
                    for choice in choices
                ]
                node.say(keyword, sorted(read, key=_canonical))
        if "additionalProperties" in schema and schema["additionalProperties"] is False:
            node.say("additionalProperties", value="refused")

    def _read_parts(
        self, schema: dict[str, Any], node: Node, trail: tuple[str, ...], *, answer: bool
    ) -> None:
        for name, raw in mapping(schema.get("properties")).items():
            place = pointer(node.pointer, "properties", name)
            part = self.read(raw, place, answer=answer, trail=trail)
            part.sort, part.pointer = "property", place
            node.parts[f"property {name}"] = part
        for keyword, name in (("items", "entries"), ("additionalProperties", "other properties")):
            if isinstance(schema.get(keyword), dict) and schema[keyword]:
                place = pointer(node.pointer, keyword)
                node.parts[name] = self.read(schema[keyword], place, answer=answer, trail=trail)


def _facts(schema: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    if type := _type(schema):
        yield "type", type
    if _is_nullable(schema):
        yield NULLABLE, True
    if values := _values(schema):
        yield "enum", values
    yield from _keywords(schema)
    yield from _bounds(schema)
    if names := _alternatives(schema):
        yield ONE_OF, names


def _keywords(schema: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for keyword in ("deprecated", "readOnly", "writeOnly", "uniqueItems"):
        if schema.get(keyword) is True:
            yield keyword, True
    for keyword in _PLAIN:
        value = schema.get(keyword)
        if value is not None and not (keyword in _NO_BOUND and value == 0):
            yield keyword, value
    if schema.get("format") and str(schema["format"]) not in _OUR_FORMATS:
        yield "format", schema["format"]
    if "pattern" in schema:
        yield "pattern", str(schema["pattern"]).replace(r"\d", "[0-9]")


def _type(schema: dict[str, Any]) -> str:
    named = schema.get("type")
    types = sorted(
        str(name) for name in (named if isinstance(named, list) else [named]) if name not in (None, "null")
    )
    if types:
        return " or ".join(types)
    if "properties" in schema:
        return "object"
    if "items" in schema:
        return "array"
    values = _values(schema)
    return "string" if values and all(isinstance(value, str) for value in values) else ""


def _is_nullable(schema: dict[str, Any]) -> bool:
    choices = [choice for keyword in _CHOICES for choice in sequence(schema.get(keyword))]
    return (
        schema.get("nullable") is True
        or "null" in sequence(schema.get("type"))
        or None in sequence(schema.get("enum"))
        or any(mapping(choice).get("type") == "null" for choice in choices)
    )


def _values(schema: dict[str, Any]) -> list[Any]:
    values = [schema["const"]] if "const" in schema else sequence(schema.get("enum"))
    return sorted((value for value in values if value is not None), key=_canonical)


def _bounds(schema: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        limit = schema.get(exclusive)
        if limit is True:  # OpenAPI 3.0 has the number beside it
            yield exclusive, schema.get(bound)
        elif bound in schema:
            yield bound, schema[bound]
        if limit is not None and not isinstance(limit, bool):
            yield exclusive, limit


def _alternatives(schema: dict[str, Any]) -> list[str]:
    """The properties of which exactly one has to be given."""
    named = sequence(schema.get("x-exactly-one-of"))
    required = [mapping(choice) for choice in sequence(schema.get("oneOf")) if _only_requires(choice)]
    return sorted({*map(str, named), *(str(name) for choice in required for name in choice["required"])})


def _only_requires(choice: Any) -> bool:
    names = mapping(choice).get("required")
    return isinstance(names, list) and not {"type", "properties", "$ref", "allOf"} & set(mapping(choice))


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
