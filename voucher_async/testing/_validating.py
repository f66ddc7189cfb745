"""Validators of what faults and habits are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Collection, Sequence

    import attrs

__all__ = ["LONGEST", "among", "aware", "check_range", "each_among", "named", "optional", "within"]

LONGEST = 1e9  # seconds, about 30 years; dates stay within the calendar


def check_range(name: str, value: float, least: float, most: float) -> None:
    """Raise a `ValueError` when a value is not between two others."""
    if not least <= value <= most:
        raise ValueError(f"{name} must be from {least:g} to {most:g}, not {value}")


def within(least: float, most: float) -> Callable[[object, attrs.Attribute[Any], float | None], None]:
    """A number from `least` to `most`, or None."""

    def check(_: object, attribute: attrs.Attribute[Any], value: float | None) -> None:
        if value is not None:
            check_range(attribute.name, value, least, most)

    return check


def among(*known: object) -> Callable[[object, attrs.Attribute[Any], object], None]:
    """One of these."""

    def check(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if value not in known:
            raise ValueError(f"{attribute.name} must be one of {_listed(known)}, not {value!r}")

    return check


def each_among(known: Sequence[str]) -> Callable[[object, attrs.Attribute[Any], Collection[str]], None]:
    """Some of these."""

    def check(_: object, attribute: attrs.Attribute[Any], value: Collection[str]) -> None:
        for name in value:
            if name not in known:
                raise ValueError(f"{attribute.name} must be out of {_listed(known)}, not {name!r}")

    return check


def optional(kind: type[object]) -> Callable[[object, attrs.Attribute[Any], object], None]:
    """An instance of a class, or None."""

    def check(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if value is not None and not isinstance(value, kind):
            raise TypeError(f"{attribute.name} takes habits.{kind.__name__}(...) or None, not {value!r}")

    return check


def aware(_: object, attribute: attrs.Attribute[Any], value: dt.datetime | None) -> None:
    """A moment with an offset, or None."""
    if value is not None and value.utcoffset() is None:
        raise ValueError(f"{attribute.name} must have an offset, such as that of datetime.UTC")


def named(names: Collection[str]) -> tuple[str, ...]:
    """Names as a tuple; one alone may stand without brackets."""
    return (names,) if isinstance(names, str) else tuple(names)


def _listed(known: Sequence[object]) -> str:
    return ", ".join(repr(each) for each in known)
