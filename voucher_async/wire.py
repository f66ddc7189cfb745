"""JSON to models and back: the one converter.

An answer is read twice, both times in C by msgspec: first against a twin of its model that is stricter than a
Python class can say (an amount is a string with two decimals, never a number; a moment has an offset), then
into the model itself. That is faster than one pass in Python, see `tests/bench/bench_decode.py`. cattrs does
the rest: what has another name in Python than in JSON, and everything on the way out.

Nothing is converted that is not what it should be: `"5"`, `5.9` and `true` are no integers. Properties that a
model does not know are ignored, of a property that comes twice the last one counts, unknown values of an enum
are kept, and null is taken for whatever may be missing.
"""

from __future__ import annotations

import codecs
import re
import types
import typing
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Final, NotRequired, TypeAlias, TypeVar

import attrs
import msgspec

from voucher_async.enums import OpenEnum, Unset
from voucher_async.masking import Secret
from voucher_async.money import format_amount
from voucher_async.realtime import Real

if TYPE_CHECKING:
    from collections.abc import Callable

    from cattrs import Converter

__all__ = [
    "WireError",
    "decode",
    "encode",
    "fields_of",
    "json_name",
    "of_builtins",
    "parse",
    "to_builtins",
    "to_utf8",
]

T = TypeVar("T")
_Step: TypeAlias = "Callable[[bytes], Any]"

_AMOUNT: Final = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,6}\.[0-9]{2}\Z")]
_MOMENT: Final = Annotated[Real.datetime, msgspec.Meta(tz=True)]
_TWINS: Final[dict[Any, Any]] = {Decimal: _AMOUNT, Real.datetime: _MOMENT}
_WHITE: Final = b" \t\r\n"
# UTF-32 first: its mark begins with that of UTF-16
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ZEROS: Final[dict[tuple[bool, ...], str]] = {
    (True, True, True, False): "utf-32-be",
    (False, True, True, True): "utf-32-le",
    (True, False, True, False): "utf-16-be",
    (False, True, False, True): "utf-16-le",
}
_MISSING: Final = re.compile(r"Object missing required field `(.*)`\Z")


class WireError(ValueError):
    """JSON that is not what it should be.

    Attributes:
        path: where in the JSON, such as `data[3].amount`; empty for the whole.
        reason: what was expected there; never the value, which may be a secret.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.path = path
        self.reason = reason


def decode(cls: type[T], body: bytes) -> T:
    """Read a model from JSON.

    Args:
        cls: the model's class.
        body: the JSON, in UTF-8.

    Raises:
        WireError: it is no JSON, or not that of such a model.
        InvalidInput: it is that of a request which breaks a rule.
    """
    model: Any = cls
    check, read, structure = _reader(model)
    try:
        if check is not None:
            check(body)
        value: T = read(body)
        return value if structure is None else structure(value, cls)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _explained(error) from None


def parse(body: bytes) -> Any:
    """Read JSON of any form, in any encoding that shows itself.

    Raises:
        WireError: it is no JSON.
    """
    try:
        return msgspec.json.decode(to_utf8(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _explained(error) from None


def encode(model: object) -> bytes:
    """Write a model as JSON; what was not given is left out."""
    cls: Any = type(model)
    return msgspec.json.encode(_writer(cls)(model), enc_hook=_plain)


def to_builtins(model: object, cls: Any) -> dict[str, Any]:
    """A model as a dict of what JSON has: texts, numbers, lists and dicts.

    Args:
        model: the model.
        cls: its class, or a base of it: of a derived class only the fields of that base are written.
    """
    written: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(_writer(cls)(model), enc_hook=_plain))
    return written


def of_builtins(content: object, cls: type[T]) -> T:
    """Read a model from what `to_builtins` has made of it, amounts and moments in Python's types included.

    Raises:
        WireError: it is not that of such a model.
        InvalidInput: it is that of a request which breaks a rule.
    """
    try:
        body = encode(content)
    except (TypeError, OverflowError, UnicodeError, RecursionError):
        raise WireError("", "holds what cannot be written as JSON") from None
    return decode(cls, body)


def _plain(value: object) -> str:
    if isinstance(value, Secret):
        return str(value)
    raise TypeError(f"no {type(value).__name__} can be written as JSON")


def to_utf8(body: bytes, charset: str | None = None) -> bytes:
    """JSON in UTF-8, whichever way a text was encoded, as far as that is certain.

    A byte order mark tells, zeros between the first characters tell UTF-16 from UTF-32, and what is no UTF-8
    is in the encoding that its sender names.

    Args:
        body: what came.
        charset: the encoding that its `Content-Type` names; None when it names none.

    Returns:
        The body as it is where nothing tells, or what tells is wrong.
    """
    if body.isascii() and body.find(0, 0, 4) < 0:
        return body
    plain = _unmarked(body)
    if plain is not body:
        return type(body)(plain)  # a type that hides its content is kept
    encoding = _encoding_of(body) or (None if _is_utf8(body) else charset)
    if encoding is None:
        return body
    try:
        return type(body)(body.decode(encoding).removeprefix("\ufeff").encode())
    except (LookupError, ValueError):
        return body


def _unmarked(body: bytes) -> bytes:
    """A text without byte order marks before it: each file that made it may have put one there, and lines."""
    text = body
    while (rest := text.lstrip(_WHITE)).startswith(codecs.BOM_UTF8):
        text = rest.removeprefix(codecs.BOM_UTF8)
    return text


def _encoding_of(body: bytes) -> str | None:
    """UTF-16 or UTF-32, by its mark or by the zeros of its first characters, which are ASCII in JSON."""
    for mark, encoding in _MARKS:
        if body.startswith(mark):
            return encoding
    return _ZEROS.get(tuple(byte == 0 for byte in body[:4]))


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _explained(error: Exception) -> WireError:
    if isinstance(error, msgspec.ValidationError):
        return _explain(str(error))
    # before msgspec 0.23 it is a UnicodeDecodeError
    if isinstance(error, UnicodeDecodeError) or "UTF-8" in str(error):
        return WireError("", "not UTF-8")
    is_broken = isinstance(error, msgspec.DecodeError)
    return WireError("", "not JSON, or cut off" if is_broken else "nested too deeply")


def _explain(message: str) -> WireError:
    words, _, place = message.partition(" - at `$")
    path = place.removesuffix("`").removeprefix(".")
    missing = _MISSING.match(words)
    if missing:
        return WireError(f"{path}.{missing[1]}".removeprefix("."), "missing")
    if "matching regex" in words:
        words = 'expected an amount such as "10.00"'
    return WireError(path, f"{words[:1].lower()}{words[1:]}")


@cache
def _reader(cls: type[Any]) -> tuple[_Step | None, _Step, Callable[[Any, Any], Any] | None]:
    """The steps that read a model: one that checks, one that reads, one that makes it of what was read."""
    native = _native(cls)
    twin = _twin(cls)
    check = None if twin is None else msgspec.json.Decoder(twin).decode
    structure = None if native is cls else _converter().get_structure_hook(cls)
    return check, msgspec.json.Decoder(native).decode, structure


@cache
def _writer(cls: type[Any]) -> Callable[[Any], Any]:
    """The function that makes a model what msgspec can write."""
    return _converter().get_unstructure_hook(cls)


def _twin(hint: Any) -> Any:
    """The type that checks what `_native` would let pass; None when there is nothing of that."""
    hint = _unfrozen(hint)
    if hint in _TWINS:
        return _TWINS[hint]
    if attrs.has(hint):
        return _twin_of_model(hint)
    part: Any = next((twin for twin in map(_twin, typing.get_args(hint)) if twin is not None), None)
    if part is None:
        return None
    return list[part] if typing.get_origin(hint) is tuple else part | None


@cache
def _twin_of_model(cls: type[Any]) -> Any:
    fields: list[Any] = []
    for field in fields_of(cls):
        twin = _twin(field.type)
        if twin is not None:
            name = json_name(field)
            fields.append((name, twin) if field.default is attrs.NOTHING else (name, twin | None, None))
    return msgspec.defstruct(cls.__name__, fields, kw_only=True) if fields else None


def _native(hint: Any) -> Any:
    """The type msgspec is to read: the model itself, or a dict for those that msgspec cannot make."""
    hint = _unfrozen(hint)
    if attrs.has(hint):
        return _native_of_model(hint)
    parts = [_native(part) for part in typing.get_args(hint) if part not in {Unset, ...}]
    if typing.get_origin(hint) is tuple:
        item: Any = parts[0]
        return tuple[item, ...]
    return _any_of(parts) if isinstance(hint, types.UnionType) else hint


def _unfrozen(hint: Any) -> Any:
    """The type that is meant where a test that freezes time has put a class of its own."""
    return Real.datetime if _is_moment(hint) else hint


def _is_moment(hint: object) -> bool:
    return isinstance(hint, type) and issubclass(hint, Real.datetime)


def _any_of(parts: list[Any]) -> Any:
    union = parts[0]
    for part in parts[1:]:
        union |= part
    return union


@cache
def _native_of_model(cls: type[Any]) -> Any:
    fields = fields_of(cls)
    if all(_is_plain(field) for field in fields):
        return cls
    properties: dict[str, Any] = {}
    for field in fields:
        native = _native(field.type)
        if _null_is_default(field):
            native |= None
        properties[json_name(field)] = native if field.default is attrs.NOTHING else NotRequired[native]
    return typing.TypedDict(cls.__name__, properties)  # type: ignore[operator]  # made at run time


def _is_plain(field: attrs.Attribute[Any]) -> bool:
    """True when msgspec, which neither renames nor runs what a class runs when it is made, gets it right."""
    if field.name != json_name(field) or _null_is_default(field):
        return False
    untyped: Any = field  # the type of a converter does not matter here
    return untyped.converter is None and untyped.validator is None and _native(field.type) == field.type


def _null_is_default(field: attrs.Attribute[Any]) -> bool:
    """True when null stands for a default that is not None, as in a list that may be missing."""
    may_be_none = type(None) in typing.get_args(field.type)
    return field.default is not attrs.NOTHING and not may_be_none and not _holds_dict(field.type)


def fields_of(cls: type[Any]) -> tuple[attrs.Attribute[Any], ...]:
    """The fields of a model, with their types resolved."""
    fields: tuple[attrs.Attribute[Any], ...] = attrs.fields(attrs.resolve_types(cls))
    return fields


def json_name(field: attrs.Attribute[Any]) -> str:
    """The name of a field in JSON."""
    return str(field.metadata.get("name", field.name))


@cache
def _converter() -> Converter:
    # a slow import, not needed before the first call
    from cattrs import Converter, gen  # noqa: PLC0415

    converter = Converter(detailed_validation=False)

    def structure(cls: type[Any], converter: Converter) -> Callable[[Any, Any], Any]:
        return gen.make_dict_structure_fn(cls, converter, **overrides(cls))

    def unstructure(cls: type[Any], converter: Converter) -> Callable[[Any], Any]:
        return gen.make_dict_unstructure_fn(cls, converter, **overrides(cls))

    def overrides(cls: type[Any]) -> dict[str, Any]:
        return {field.name: override(field) for field in fields_of(cls)}

    def override(field: attrs.Attribute[Any]) -> Any:
        return gen.override(
            rename=json_name(field),
            omit_if_default=field.metadata.get("omit_default", False),
            struct_hook=None if _holds_dict(field.type) else _default_if_null(field),
        )

    converter.register_structure_hook_factory(attrs.has, structure)
    converter.register_unstructure_hook_factory(attrs.has, unstructure)
    converter.register_unstructure_hook(Decimal, format_amount)
    converter.register_unstructure_hook(Real.datetime, Real.datetime.isoformat)
    converter.register_unstructure_hook(OpenEnum, str)
    return converter


def _as_it_is(value: Any, _: Any) -> Any:
    return value


def _default_if_null(field: attrs.Attribute[Any]) -> Callable[[Any, Any], Any]:
    if not _null_is_default(field):
        return _as_it_is
    return lambda value, _: _made_default(field) if value is None else value


def _made_default(field: attrs.Attribute[Any]) -> Any:
    default: Any = field.default
    return default.factory() if isinstance(default, attrs.Factory) else default  # type: ignore[arg-type]


def _holds_dict(hint: Any) -> bool:
    """True when msgspec leaves a dict there that is to become a model."""
    if attrs.has(hint):
        return _native(hint) is not hint
    return any(map(_holds_dict, typing.get_args(hint)))
