"""Forms of the console, made from the tables of faults and habits: what is new there appears by itself."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any, Final, cast, get_args

import attrs

from voucher_async.testing import faults
from voucher_async.testing._names import OPERATIONS
from voucher_async.testing._records import ALL_SCOPES
from voucher_async.testing.console.guard import Refused
from voucher_async.testing.habits import KINDS, Habits

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FAULTS", "HABITS", "described", "fault_of"]

FAULTS: Final[dict[str, type[faults.Fault]]] = {kind.__name__: kind for kind in get_args(faults.Fault)}
"""Every kind of fault, by its name."""


def _names() -> dict[str, tuple[str, ...]]:
    """Names out of `habits.KINDS`, by the habit that they set."""
    by_habit = {
        field.name: tuple(name for name, kind in KINDS.items() if field.name in kind)
        for field in attrs.fields(Habits)
    }
    return {habit: names for habit, names in by_habit.items() if names}


HABITS: Final[dict[str, tuple[str, ...]]] = _names()
"""Names out of `habits.KINDS`, by the habit that they set."""


def described() -> dict[str, object]:
    """Everything that the forms offer."""
    return {
        "faults": [_described(name, kind) for name, kind in FAULTS.items()],
        "habits": [{"name": name, "title": _words(name), "kinds": kinds} for name, kinds in HABITS.items()],
        "operations": OPERATIONS,
        "scopes": ALL_SCOPES,
    }


def fault_of(name: str, values: Mapping[str, object]) -> faults.Fault:
    """A fault as it was asked for.

    Raises:
        Refused: there is no such kind, or it has no such field, or its value is of another type.
        ValueError: a value is out of its range.
    """
    kind = FAULTS.get(name)
    if kind is None:
        raise Refused(422, f"There is no fault {name!r}; there are {', '.join(FAULTS)}.")
    fields = {field.name: field.default for field in attrs.fields(kind)}
    for field, value in values.items():
        if field not in fields or not _is_like(value, fields[field]):
            raise Refused(422, f"{name} takes no {field} like that.")
    return kind(**cast("dict[str, Any]", dict(values)))


def _is_like(value: object, default: object) -> bool:
    return type(value) is type(default) or (isinstance(default, float) and type(value) is int)


def _described(name: str, kind: type[faults.Fault]) -> dict[str, object]:
    text = (inspect.getdoc(kind) or "").partition("\n\n")[0]
    fields = [
        {
            "name": field.name,
            "title": _words(field.name),
            "type": type(field.default).__name__,
            "value": field.default,
        }
        for field in attrs.fields(kind)
    ]
    return {"name": name, "title": _words(name), "text": " ".join(text.split()), "fields": fields}


def _words(name: str) -> str:
    """`BreakAfter` and `break_after` as "break after"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ").lower()
