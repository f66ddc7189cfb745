"""Schemas of values for pydantic, which is imported here alone, and only when it asks for one."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final, Literal, TypeVar, Union

import attrs
from pydantic_core import PydanticCustomError, SchemaSerializer, core_schema

from voucher_async.enums import OpenEnum, Unset
from voucher_async.errors import InvalidInput
from voucher_async.realtime import Real
from voucher_async.wire import fields_of, json_name

__all__ = ["core_schema_of", "described", "json_schema_of"]

T = TypeVar("T")

_SCALARS: Final[tuple[tuple[type, dict[str, Any]], ...]] = (
    (bool, {"type": "boolean"}),
    (int, {"type": "integer"}),
    (float, {"type": "number"}),
    (Decimal, {"type": "string", "pattern": r"^[0-9]{1,6}\.[0-9]{2}$", "examples": ["10.00"]}),
    (Real.datetime, {"type": "string", "format": "date-time"}),
    (type(None), {"type": "null"}),
)

_CHOOSING: Final = SchemaSerializer(core_schema.dict_schema())
"""Takes `include` and `exclude`, which pydantic leaves to whoever writes a value."""


def core_schema_of(
    cls: type[T], read: Callable[[Mapping[str, Any]], T], write: Callable[[Any], dict[str, Any]]
) -> Any:
    """The schema with which pydantic reads and writes a class.

    Args:
        cls: the class; its instances pass as they are.
        read: makes an instance of a mapping.
        write: makes a dict of an instance.
    """

    def validate(value: Any) -> T:
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            raise PydanticCustomError("invalid_input", "Input should be an object")
        try:
            return read(typing.cast("Mapping[str, Any]", value))
        except InvalidInput as error:
            raise PydanticCustomError(
                "invalid_input", "{field}: {rule}", {"field": error.field, "rule": error.rule}
            ) from None

    def serialize(value: Any, info: Any) -> Any:
        written = write(value)
        if info.include is not None or info.exclude is not None:
            written = _CHOOSING.to_python(written, include=info.include, exclude=info.exclude)
        return _without_none(written) if info.exclude_none else written

    return core_schema.no_info_plain_validator_function(
        validate,
        ref=f"{cls.__module__}.{cls.__qualname__}:{id(cls)}",
        serialization=core_schema.plain_serializer_function_ser_schema(serialize, info_arg=True),
    )


def _without_none(written: object) -> Any:
    if isinstance(written, list):
        return [_without_none(each) for each in typing.cast("list[object]", written)]
    if not isinstance(written, dict):
        return written
    members = typing.cast("dict[str, object]", written)
    return {name: _without_none(each) for name, each in members.items() if each is not None}


def json_schema_of(schema: dict[str, Any], core: Any, handler: Any) -> Any:
    """The JSON schema of a class, as a component that is referred to.

    Args:
        schema: describes the class.
        core: its core schema, or a reference to it.
        handler: pydantic's.
    """
    named = handler(core_schema.any_schema(ref=core.get("ref") or core["schema_ref"]))
    handler.resolve_ref_schema(named).update(schema)
    return named


def described(cls: type[Any]) -> dict[str, Any]:
    """The JSON schema of a class, with those of its parts in it."""
    if not attrs.has(cls):
        return {"title": cls.__name__, "type": "object"}
    fields = fields_of(cls)
    about = (cls.__doc__ or "").partition("\n\n")[0]
    return {
        "title": cls.__name__,
        "type": "object",
        "description": " ".join(about.split()),
        "properties": {json_name(field): _hinted(field.type) for field in fields},
        "required": [json_name(field) for field in fields if field.default is attrs.NOTHING],
    }


def _hinted(hint: Any) -> dict[str, Any]:
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in {Union, types.UnionType}:
        return {"anyOf": [_hinted(part) for part in parts if part is not Unset]}
    if origin is Literal:
        return {"enum": list(parts)}
    if origin is tuple:
        return {"type": "array", "items": _hinted(parts[0])}
    if not isinstance(hint, type):
        return {"type": "object"}
    return described(hint) if attrs.has(hint) else _scalar(hint)


def _scalar(cls: type[Any]) -> dict[str, Any]:
    if issubclass(cls, OpenEnum):
        return {"type": "string", "examples": [member.value for member in cls]}
    if members := getattr(cls, "__members__", None):
        return {"type": "string", "enum": [member.value for member in members.values()]}
    return next((schema for base, schema in _SCALARS if issubclass(cls, base)), {"type": "string"})
