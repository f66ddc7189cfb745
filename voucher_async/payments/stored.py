"""Records as JSON, for journals that keep them in a database.

A text says which format it has, `major.minor`. A minor version only adds members: a worker that does not know
them keeps them, and writes them again where they were. Another major version is refused.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, cast

import attrs

from voucher_async.errors import JournalFailed
from voucher_async.payments.call import CallRecord
from voucher_async.wire import WireError, decode, encode, parse

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FORMAT", "from_json", "to_json"]

_MAJOR: Final = 1
_MINOR: Final = 0
FORMAT: Final = f"{_MAJOR}.{_MINOR}"
"""The format that is written."""

_FORMAT: Final = re.compile(r"([0-9]{1,6})\.([0-9]{1,6})")
_PREFIX: Final = f'{{"format":"{FORMAT}",'
# fields with defaults that differ at each call
_NEEDED: Final = ("id", "state", "version", "pending.id", "plan.record")


def to_json(record: CallRecord) -> str:
    """A record as JSON, for a database.

    Args:
        record: the record; it holds no secret, so neither does the text.

    Raises:
        JournalFailed: it holds a text that cannot be stored.
    """
    known = attrs.evolve(record, unknown={}) if record.unknown else record
    try:
        text = encode(known).decode()
    except UnicodeError:
        raise JournalFailed("a record holds half of a surrogate pair, which cannot be stored") from None
    if not record.unknown:
        return _PREFIX + text[1:]
    content = {"format": record.unknown.get("format", FORMAT), **json.loads(text)}
    return json.dumps(_merged(content, record.unknown), separators=(",", ":"))


def from_json(text: str | bytes) -> CallRecord:
    """The record again.

    Args:
        text: the JSON of `to_json`, of this version or another one.

    Raises:
        JournalFailed: the text is something else, or of another major version; the message says which.
    """
    body = text.encode(errors="replace") if isinstance(text, str) else text
    try:
        content = parse(body)
        minor = _check(content)
        record = decode(CallRecord, body if "unknown" not in content else _without_unknown(content))
    except WireError as error:
        raise JournalFailed(f"a record in the journal cannot be read: {error}") from None
    if minor <= _MINOR:
        return record
    unknown = _left_over(content, json.loads(to_json(record)))
    return attrs.evolve(record, unknown={**unknown, "format": content["format"]})


def _without_unknown(content: dict[str, Any]) -> bytes:
    """The text without a member that has the name of an attribute which is never written."""
    return json.dumps({name: value for name, value in content.items() if name != "unknown"}).encode()


def _check(content: object) -> int:
    """Check what decoding does not; returns the minor version.

    Raises:
        WireError: it is no record, or one of another major version.
    """
    members = _members(content)
    if members is None:
        raise WireError("", "not an object")
    written = members.get("format")
    said = _FORMAT.fullmatch(written) if isinstance(written, str) else None
    if said is None:
        raise WireError("format", 'expected a version such as "1.0"')
    if int(said[1]) != _MAJOR:
        raise WireError(
            "format", f"{said[0]} is of another major version than {FORMAT}; update voucher_async everywhere"
        )
    for path in _NEEDED:
        _require(content, path, path)
    return int(said[2])


def _require(content: object, path: str, whole: str) -> None:
    """Refuse a structure without a value at a path; what it has no part of needs none.

    Raises:
        WireError: the value is missing, or null.
    """
    name, _, rest = path.partition(".")
    value = (_members(content) or {}).get(name)
    if not rest and value is None:
        raise WireError(whole, "missing")
    items = _items(value)
    for each in [value] if items is None else items:
        if rest and each is not None:
            _require(each, rest, whole)


def _members(value: object) -> dict[str, Any] | None:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _items(value: object) -> list[object] | None:
    return cast("list[object]", value) if isinstance(value, list) else None


def _left_over(said: object, known: object) -> dict[str, Any]:
    """The members of a structure that a known one has not, where they are in it; empty for none."""
    parts, known_parts = _members(said), _members(known)
    if parts is None or known_parts is None:
        parts, known_parts = _numbered(said), _numbered(known)
    new = {name: value for name, value in parts.items() if name not in known_parts}
    inner = {name: _left_over(parts[name], known_parts[name]) for name in parts if name in known_parts}
    return {**new, **{name: value for name, value in inner.items() if value}}


def _numbered(value: object) -> dict[str, Any]:
    """The items of a list by their places; empty for what is none."""
    return {str(index): item for index, item in enumerate(_items(value) or ())}


def _merged(known: Any, left_over: Mapping[str, Any]) -> Any:
    """The structure with what was left over of it; a part that is gone takes along what was in it."""
    parts, items = _members(known), _items(known)
    if items is not None:
        return [_merged(item, left_over.get(str(index), {})) for index, item in enumerate(items)]
    if parts is None:
        return known
    inner = {name: _merged(value, left_over.get(name, {})) for name, value in parts.items()}
    return {**inner, **{name: value for name, value in left_over.items() if name not in parts}}
