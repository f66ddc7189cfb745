"""Records of JSON lines: one object per line, with the API's names."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

from voucher_async.voucher_files.records import FIELDS, Fields, Record

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from voucher_async.voucher_files.lines import Lines

__all__ = ["json_object", "json_records"]

_READ_ONLY: Final = frozenset(
    {"client_id", "created_at", "updated_at", "deletable", "remaining_amount", "valid_until"}
)


def json_records(lines: Lines, ignored: Collection[str]) -> Iterator[Record]:
    """The records of the lines; `lines.problem` tells when they end early."""
    first = lines.first()
    if first is not None and first.lstrip().startswith("["):
        lines.stop(lines.number + 1, "must be a JSON object: one on each line, not an array of them")
        return
    for text in lines:
        if text.strip():
            yield _record(lines.number, json_object(text), ignored)


def json_object(text: str) -> dict[str, Any] | str:
    """The object that a line holds, or the reason for which it holds none."""
    try:
        content = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except _Twice as error:
        return f"names {error} twice"
    except (ValueError, RecursionError):
        content = None
    return cast("dict[str, Any]", content) if isinstance(content, dict) else "must be a JSON object"


class _Twice(ValueError):
    """A name comes twice in an object."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for name, value in pairs:
        if name in content:
            raise _Twice(name)
        content[name] = value
    return content


def _no_number(text: str) -> object:
    raise ValueError(text)


def _record(line: int, content: dict[str, Any] | str, ignored: Collection[str]) -> Record:
    fields = Fields(line, {})
    if isinstance(content, str):
        fields.refuse_unseen("", content)
        return fields.done()
    # the amount and `activate` before what is compared with them
    for name in sorted(content, key=lambda name: name not in {"amount", "activate"}):
        value = content[name]
        if value is not None and name.lower() not in ignored:
            _take(fields, name, value)
    return fields.done()


def _take(fields: Fields, name: str, value: object) -> None:
    if name == "amount":
        fields.amount(value)
    elif name == "status":
        fields.status(value)
    elif name == "tax_rate" and isinstance(value, str):
        fields.tax_rate(value)
    elif name == "activate" and not isinstance(value, bool):
        fields.refuse(name, "must be true or false", value)
    elif name in FIELDS:
        fields.put(name, value)
    elif name in _READ_ONLY:
        fields.read_only(name, value)
    else:
        fields.refuse_unseen(name, "is no field that the API can set")
