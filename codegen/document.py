"""Reads the specification and prepares it for the generator and its templates.

The generator gets plain schemas: compositions resolved, named scalars such as `Money` put in place. The
templates get what the generator would not hand them: every keyword of every property, as `rules`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["Document", "SpecificationError"]

Schema = dict[str, Any]

_PREFIX = "#/components/schemas/"
_KINDS = {"string": "text", "integer": "integer", "boolean": "boolean", "array": "array"}
_FORMATS = {"decimal": "money", "date-time": "moment"}
_BOUNDS = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}
_IN_REQUESTS = frozenset({"text", "integer", "boolean", "moment", "money", "enum"})


class SpecificationError(Exception):
    """The specification says something that the templates cannot turn into code."""


class Document:
    """A specification, with its schemas resolved.

    Args:
        path: the YAML file.
    """

    def __init__(self, path: Path) -> None:
        self._document: Mapping[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        self._schemas: Mapping[str, Schema] = self._document["components"]["schemas"]

    def for_generator(self) -> Schema:
        """A document of the schemas that become classes."""
        schemas = {name: self._class_schema(name) for name in self._class_names()}
        return {
            "openapi": self._document["openapi"],
            "info": self._document["info"],
            "paths": {},
            "components": {"schemas": schemas},
        }

    def for_templates(self) -> dict[str, dict[str, Any]]:
        """By class, what the templates need to know of it and of each of its properties."""
        requests = self._request_names()
        return {
            name: self._template_data(name, is_request=name in requests)
            for name in self._class_names()
            if not _is_enum(self._schemas[name])
        }

    def _class_names(self) -> Iterator[str]:
        for name, schema in self._schemas.items():
            if "allOf" in schema or _is_enum(schema) or (_is_object(schema) and not schema.get("x-part")):
                yield name

    def _request_names(self) -> frozenset[str]:
        bodies = (
            operation["requestBody"]["content"]
            for methods in self._document["paths"].values()
            for operation in methods.values()
            if isinstance(operation, dict) and "requestBody" in operation
        )
        return frozenset(_name(media["schema"]) for content in bodies for media in content.values())

    def _template_data(self, name: str, *, is_request: bool) -> dict[str, Any]:
        schema = self._schemas[name]
        properties = self._properties(name)
        rules = {key: self._rule(name, key, is_request=is_request) for key in properties}
        return {
            "is_request": is_request,
            "rules": rules,
            "about": " ".join(schema.get("description", "").split()),
            "at_least": schema.get("minProperties", 0),
            "exactly_one_of": schema.get("x-exactly-one-of", []),
            "only_with": schema.get("x-only-with", {}),
        }

    def _rule(self, owner: str, key: str, *, is_request: bool) -> Schema:
        schema = self._property(self._properties(owner)[key])
        rule = {name.removeprefix("x-").replace("-", "_"): value for name, value in schema.items()}
        rule |= {"required": key in self._required(owner), "nullable": schema.get("nullable", False)}
        rule |= {"kind": self._kind(schema), "about": " ".join(schema.get("description", "").split())}
        if rule["kind"] == "enum":
            rule["enum_class"] = _name(schema)
        if rule["kind"] == "integer":
            rule |= _bounds(schema)
        if is_request and rule["kind"] not in _IN_REQUESTS:
            raise SpecificationError(f"{owner}.{key}: the templates have no rule for this type in a request")
        return rule

    def _kind(self, schema: Schema) -> str:
        if "$ref" in schema:
            return "enum" if _is_enum(self._schemas[_name(schema)]) else "model"
        return _FORMATS.get(schema.get("format", ""), _KINDS.get(schema["type"], "unknown"))

    def _class_schema(self, name: str) -> Schema:
        schema = self._schemas[name]
        if _is_enum(schema):
            return {"type": "string", "enum": schema["enum"], "description": schema.get("description", "")}
        plain: Schema = {
            "type": "object",
            "properties": {
                key: self._generator_property(value) for key, value in self._properties(name).items()
            },
            "required": [key for key in self._properties(name) if key in self._required(name)],
        }
        base = self._base(name)
        return {"allOf": [{"$ref": _PREFIX + base}, plain]} if base else plain

    def _generator_property(self, schema: Schema) -> Schema:
        resolved = self._property(schema)
        keywords = ("$ref", "type", "format", "enum", "items", "nullable")
        plain = {key: resolved[key] for key in keywords if key in resolved}
        return {"$ref": plain["$ref"]} if "$ref" in plain else plain

    def _property(self, schema: Schema) -> Schema:
        """A property with its reference put in place when that is to a scalar, else beside its keywords."""
        if "allOf" not in schema and "$ref" not in schema:
            return schema
        reference = schema["allOf"][0] if "allOf" in schema else schema
        beside = {key: value for key, value in schema.items() if key not in {"allOf", "$ref"}}
        target = self._schemas[_name(reference)]
        if _is_enum(target) or _is_object(target) or "allOf" in target:
            return {"$ref": reference["$ref"], **beside}
        return {**target, **beside}

    def _base(self, name: str) -> str | None:
        members = [_name(member) for member in self._schemas[name].get("allOf", [])]
        bases = [member for member in members if not self._schemas[member].get("x-part")]
        if len(bases) > 1:
            raise SpecificationError(f"{name}: composed of more than one schema that is no x-part")
        return bases[0] if bases else None

    def _sources(self, name: str) -> Iterator[Schema]:
        """The schemas whose properties a class declares itself, without those it inherits."""
        schema = self._schemas[name]
        if "allOf" not in schema:
            yield schema
        for member in schema.get("allOf", []):
            if self._schemas[_name(member)].get("x-part"):
                yield self._schemas[_name(member)]

    def _properties(self, name: str) -> dict[str, Schema]:
        return {key: value for source in self._sources(name) for key, value in source["properties"].items()}

    def _required(self, name: str) -> set[str]:
        return {key for source in self._sources(name) for key in source.get("required", [])}


def _name(reference: Schema) -> str:
    return str(reference["$ref"]).removeprefix(_PREFIX)


def _is_enum(schema: Schema) -> bool:
    return "enum" in schema


def _is_object(schema: Schema) -> bool:
    return schema.get("type") == "object"


def _bounds(schema: Schema) -> Schema:
    lowest, highest = _BOUNDS.get(schema.get("format", ""), (None, None))
    return {"minimum": schema.get("minimum", lowest), "maximum": schema.get("maximum", highest)}
