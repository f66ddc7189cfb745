"""The one converter between models and JSON.

Strict where the API is clear: a number is no text, a text no number, an amount has two decimals, a date has
a time zone. Open where the API may grow: unknown fields are ignored, unknown enum values are kept. Decoding
takes a fast path without bookkeeping; only when that fails the same body is read again to say where.
"""

from __future__ import annotations

import datetime as dt
import functools
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_args

import attrs
import orjson

from voucher_async.models._rules import UNSET, OpenEnum
from voucher_async.money import format_amount, parse_amount

if TYPE_CHECKING:
    from collections.abc import Callable

    from cattrs import Converter

__all__ = ["WireError", "decode", "encode"]

T = TypeVar("T")


class WireError(ValueError):
    """JSON that is not what a model needs. Tells where and what was expected, never the value.

    Attributes:
        path: where in the JSON, such as `data[3].amount`; empty for the whole.
        reason: what was expected there.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.path = path
        self.reason = reason


def decode(cls: type[T], body: bytes) -> T:
    """Read a model from JSON.

    Args:
        cls: the model's class.
        body: the JSON text, UTF-8.

    Raises:
        WireError: not JSON, or not this model.
    """
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise WireError("", f"not JSON ({error.msg}, at byte {error.pos})") from None
    try:
        value: T = _hook(cls)(content, cls)
    except Exception:  # noqa: BLE001 - whatever the fast path stumbled over, the slow one names
        raise _explain(cls, content) from None
    return value


def encode(model: attrs.AttrsInstance) -> bytes:
    """Write a model as JSON: None and left-out fields of requests are not sent, None of answers is null.

    Args:
        model: an instance of one of the generated classes.
    """
    return orjson.dumps(_encode(model))


def _text(value: Any, _: Any) -> Any:
    if value.__class__ is not str:
        raise TypeError("expected a text")
    return value


def _whole(value: Any, _: Any) -> Any:
    if value.__class__ is not int:
        raise TypeError("expected a whole number")
    return value


def _flag(value: Any, _: Any) -> Any:
    if value.__class__ is not bool:
        raise TypeError("expected true or false")
    return value


def _amount(value: Any, _: Any) -> Decimal:
    if value.__class__ is not str:
        raise TypeError('expected an amount as text, such as "10.00"')
    return parse_amount(value)


def _moment(value: Any, _: Any) -> dt.datetime:
    if value.__class__ is not str:
        raise TypeError("expected a date as text")
    moment = dt.datetime.fromisoformat(value)
    if moment.tzinfo is None or len(value) < _SHORTEST_MOMENT:
        raise ValueError("expected a date with time and offset")
    return moment


_SHORTEST_MOMENT = len("2017-07-21T17:32Z")


def _open_enum(value: Any, cls: Any) -> Any:
    if value.__class__ is not str:
        raise TypeError("expected a text")
    return cls(value)


@functools.cache
def _converter() -> Converter:
    # imported at first use: a fifth of this package's import time
    from cattrs import Converter  # noqa: PLC0415
    from cattrs.gen import make_dict_structure_fn, override  # noqa: PLC0415

    def model_hook(cls: type[Any]) -> Callable[[Any, Any], Any]:
        names: dict[str, Any] = {
            field.name: override(rename=_wire_name(field.name)) for field in attrs.fields(cls)
        }
        return cast("Callable[[Any, Any], Any]", make_dict_structure_fn(cls, converter, **names))

    converter = Converter(detailed_validation=False)
    converter.register_structure_hook_factory(attrs.has, model_hook)
    for cls, hook in _SCALARS.items():
        converter.register_structure_hook(cls, hook)
    return converter


_SCALARS: dict[type[Any], Callable[[Any, Any], Any]] = {
    str: _text,
    int: _whole,
    bool: _flag,
    Decimal: _amount,
    dt.datetime: _moment,
    OpenEnum: _open_enum,
}


def _wire_name(name: str) -> str:
    # `from` is a keyword of Python, the generator calls the field `from_`
    return name.rstrip("_")


_hooks: dict[Any, Callable[[Any, Any], Any]] = {}


def _hook(cls: Any) -> Callable[[Any, Any], Any]:
    hook = _hooks.get(cls)
    if hook is None:
        hook = _hooks[cls] = _converter().get_structure_hook(cls)
    return hook


def _explain(cls: type[Any], content: object) -> WireError:
    """Find out what is wrong with JSON that did not fit."""
    try:
        _walk("", cls, content)
    except WireError as error:
        return error
    return WireError("", f"does not fit {cls.__name__}")


def _walk(path: str, cls: Any, value: Any) -> None:
    arguments = get_args(cls)
    if type(None) in arguments:
        if value is not None:
            _walk(path, next(cls for cls in arguments if cls is not type(None)), value)
    elif arguments:
        if value.__class__ is not list:
            raise WireError(path, "expected a list")
        for index, item in enumerate(value):
            _walk(f"{path}[{index}]", arguments[0], item)
    elif attrs.has(cls):
        _walk_object(path, cls, value)
    else:
        _walk_scalar(path, cls, value)


def _walk_object(path: str, cls: type[attrs.AttrsInstance], value: Any) -> None:
    if not isinstance(value, dict):
        raise WireError(path, "expected an object")
    attrs.resolve_types(cls)
    for field in attrs.fields(cls):
        name = _wire_name(field.name)
        below = f"{path}.{name}" if path else name
        if name in value:
            _walk(below, field.type, value[name])
        elif field.default is attrs.NOTHING:
            raise WireError(below, "is missing")


def _walk_scalar(path: str, cls: Any, value: object) -> None:
    try:
        _converter().structure(value, cls)
    except (TypeError, ValueError) as error:
        raise WireError(path, _reason(error)) from None


def _reason(error: Exception) -> str:
    text = str(error)
    return text if text.startswith(("expected", "not an amount")) else "expected a date (RFC 3339)"


def _encode(model: attrs.AttrsInstance) -> dict[str, Any]:
    is_request = type(model).__name__.endswith("Request")
    result: dict[str, Any] = {}
    for field in attrs.fields(type(model)):
        value = getattr(model, field.name)
        if value is UNSET or (value is None and is_request and field.default is not UNSET):
            continue
        result[_wire_name(field.name)] = _plain(value)
    return result


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format_amount(value)
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if value.__class__ is list:
        return [_plain(item) for item in value]
    return _encode(value) if hasattr(value, "__attrs_attrs__") else value
