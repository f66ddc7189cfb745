"""Run-time support of the generated models: the contract's rules.

Which rule holds for which field is written in `openapi/voucher.yaml` alone; here is only how each is checked.
"""

from __future__ import annotations

import functools
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import attrs

from voucher_async.enums import UNSET, OpenEnum, Unset
from voucher_async.errors import InvalidInput, InvalidInputType
from voucher_async.masking import Secret, conceals
from voucher_async.money import Amount, to_amount
from voucher_async.realtime import Real
from voucher_async.values import Value

if TYPE_CHECKING:
    from datetime import datetime
else:
    # the models' annotations are evaluated with it, also when they are imported under a frozen clock
    datetime = Real.datetime

__all__ = [
    "OMITTED",
    "UNSET",
    "Amount",
    "OpenEnum",
    "Unset",
    "Value",
    "at_least",
    "boolean",
    "choice",
    "clearable",
    "conceals",
    "datetime",
    "exactly_one_of",
    "integer",
    "moment",
    "money",
    "only_with",
    "optional",
    "text",
]

Rule: TypeAlias = Callable[[Any, "attrs.Attribute[Any]", Any], None]
"""An attrs validator: raises `InvalidInput` with the API's name of the field."""

_Check: TypeAlias = tuple[Callable[[str], object], str]
"""A condition, met by what gives something true, and what it demands, in words."""

T = TypeVar("T")
E = TypeVar("E", bound=OpenEnum)


OMITTED: Final = {"omit_default": True}
"""Metadata of a field that is left out of the JSON when it has its default, where null would be wrong."""


def choice(cls: type[E], value: E | str, field: str) -> E:
    """A member of an enum that this version knows, from itself or from its text.

    Raises:
        InvalidInputType: not a text.
        InvalidInput: not one of the known values.
    """
    known = cls.__members__.values()
    _check_type(field, value, str)
    if value not in known:
        raise InvalidInput(field, f"must be one of {', '.join(known)}", str(value))
    return cls(value)


def money(value: Amount, field: str, minimum: str) -> Decimal:
    """An amount in currency units, see `voucher_async.money.to_amount`."""
    return to_amount(value, field, _decimal(minimum))


_decimal: Final = functools.cache(Decimal)


def optional(rule: Rule) -> Rule:
    """The rule, for a field that may be None."""

    def check(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if value is not None:
            rule(instance, attribute, value)

    return check


def clearable(rule: Rule) -> Rule:
    """The rule, for a field that may be None, which clears it, or UNSET."""

    def check(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if value is not None and value is not UNSET:
            rule(instance, attribute, value)

    return check


def text(
    *,
    min_length: int = 0,
    max_length: int | None = None,
    pattern: str | None = None,
    choices: Sequence[str] = (),
    not_blank: bool = False,
    trimmed: bool = False,
    json_text: bool = False,
    secret: bool = False,
) -> Rule:
    """The rule for a text; lengths in characters, the pattern in JSON Schema's sense, a secret one masked."""
    lengths: list[_Check] = [(_is_unicode, "must not hold lone surrogates")]
    longest = sys.maxsize if max_length is None else max_length
    if min_length:
        lengths.append((lambda value: len(value) >= min_length, f"must have at least {_count(min_length)}"))
    if max_length is not None:
        lengths.append((lambda value: len(value) <= longest, f"must have at most {_count(max_length)}"))
    others: list[_Check] = []
    if pattern is not None:
        compiled = re.compile(_python_pattern(pattern), re.ASCII)
        others.append((compiled.search, f"must match {pattern}"))
    if choices:
        others.append((lambda value: value in choices, f"must be one of {', '.join(choices)}"))
    if not_blank:
        others.append((str.strip, "must not be blank"))
    if trimmed:
        others.append((lambda value: value == value.strip(), "must not begin or end with white space"))
    if json_text:
        others.append((_is_json, "must be JSON text"))
    conditions = tuple(holds for holds, _ in others)
    return _text_rule((*lengths, *others), conditions, min_length, longest, secret=secret)


def _text_rule(
    checks: Sequence[_Check],
    conditions: Sequence[Callable[[str], object]],
    least: int,
    most: int,
    *,
    secret: bool,
) -> Rule:
    """The rule with all checks; an ASCII text of that length which meets the conditions passes at once."""

    def check(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        # the fast path: one condition that nearly every text meets
        if (type(value) is str or type(value) is Secret) and least <= len(value) <= most and value.isascii():
            for holds in conditions:
                if not holds(value):
                    break
            else:
                return
        field = wire_name(attribute)
        given = _check_type(field, value, str, secret=secret)
        for holds, words in checks:
            if not holds(given):
                raise InvalidInput(field, words, given, secret=secret)

    return check


def integer(*, minimum: int | None = None, maximum: int | None = None) -> Rule:
    """The rule for a whole number; True and 5.0 are none."""

    def check(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        field = wire_name(attribute)
        number = _check_type(field, value, int)
        if minimum is not None and number < minimum:
            raise InvalidInput(field, f"must be at least {minimum}", value)
        if maximum is not None and number > maximum:
            raise InvalidInput(field, f"must be at most {maximum}", value)

    return check


def boolean() -> Rule:
    """The rule for True and False; 1 is neither."""

    def check(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        _check_type(wire_name(attribute), value, bool)

    return check


def moment() -> Rule:
    """The rule for a point in time: an aware datetime whose offset RFC 3339 can write."""

    def check(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        field = wire_name(attribute)
        offset = _check_type(field, value, Real.datetime).utcoffset()
        if offset is None:
            raise InvalidInput(field, "must be an aware datetime: which time zone?", value)
        if offset % timedelta(minutes=1):
            raise InvalidInput(field, "must have an offset of whole minutes", value)

    return check


def at_least(model: attrs.AttrsInstance, number: int) -> None:
    """At least so many fields must be given.

    Raises:
        InvalidInput: fewer are.
    """
    names = [attribute.name for attribute in attrs.fields(type(model))]
    given = _given(model, names)
    if given < number:
        raise InvalidInput(", ".join(names), f"at least {number} must be given", given)


def exactly_one_of(model: attrs.AttrsInstance, *names: str) -> None:
    """Exactly one of some fields must be given.

    Raises:
        InvalidInput: none is, or several are.
    """
    given = _given(model, names)
    if given != 1:
        raise InvalidInput(", ".join(names), "exactly one must be given", given)


def only_with(model: attrs.AttrsInstance, name: str, switch: str) -> None:
    """A field may only be given when another one is True.

    Raises:
        InvalidInput: it is given without.
    """
    if _given(model, [name]) and getattr(model, switch) is not True:
        raise InvalidInput(name, f"may only be given with {switch}=True", getattr(model, name))


def _given(model: attrs.AttrsInstance, names: Sequence[str]) -> int:
    fields = attrs.fields_dict(type(model))
    return sum(getattr(model, name) is not fields[name].default for name in names)


def wire_name(attribute: attrs.Attribute[Any]) -> str:
    """The API's name of a field."""
    metadata: Mapping[str, str] = attribute.metadata
    return metadata.get("name", attribute.name)


def _check_type(field: str, value: object, cls: type[T], *, secret: bool = False) -> T:
    if not isinstance(value, cls) or (isinstance(value, bool) and cls is not bool):
        rule = f"must be {_article(cls.__name__)}, not {type(value).__name__}"
        raise InvalidInputType(field, rule, value, secret=secret)
    return value


def _article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def _count(number: int) -> str:
    return "1 character" if number == 1 else f"{number} characters"


def _is_unicode(value: str) -> bool:
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_json(value: str) -> bool:
    try:
        json.loads(value, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _python_pattern(pattern: str) -> str:
    """JSON Schema's `$` is the end alone; Python's would let a line break follow."""
    return re.sub(r"(\\.|\[(?:\\.|[^\]\\])*\])|\$", lambda found: found[1] or r"\Z", pattern)
