"""Findings of a check: a state, facts, and what to do about it in one sentence; without any secret."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

import attrs

__all__ = ["Fact", "Finding", "State", "failed", "ok", "skipped", "warning"]

Fact: TypeAlias = str | int | float | bool | tuple[str, ...] | None
"""A fact; moments are ISO 8601 with an offset."""

_NOTHING: Final[Mapping[str, Fact]] = MappingProxyType({})


class State(enum.StrEnum):
    """The state that a step found something in."""

    OK = "ok"
    """As it has to be."""

    WARNING = "warning"
    """It works, or may work, and something should be mended."""

    FAILED = "failed"
    """It does not work."""

    SKIPPED = "skipped"
    """It was not tried; `seen` says why."""


@attrs.frozen(kw_only=True)
class Finding:
    """The result of one step.

    Attributes:
        name: the step: `configuration`, `proxy`, `dns`, `tcp`, `tls`, `token`, `scope`, `clock`,
            `round trip`, `journal` or `token store`.
        about: the host and port, the scope, or the journal; empty where there is one of its kind.
        state: how it is.
        seen: what was seen, as a sentence without its full stop.
        facts: the same for programs; names that end in `_ms` are milliseconds, in `_seconds` seconds.
        advice: what to do about it, in one sentence; empty when nothing has to be done.
    """

    name: str
    about: str = ""
    state: State
    seen: str
    facts: Mapping[str, Fact] = _NOTHING
    advice: str = ""


def ok(name: str, about: str, seen: str, **facts: Fact) -> Finding:
    """A finding that is as it has to be."""
    return Finding(name=name, about=about, state=State.OK, seen=seen, facts=facts)


def warning(name: str, about: str, seen: str, advice: str, **facts: Fact) -> Finding:
    """A finding that should be mended."""
    return Finding(name=name, about=about, state=State.WARNING, seen=seen, facts=facts, advice=advice)


def failed(name: str, about: str, seen: str, advice: str, **facts: Fact) -> Finding:
    """A finding that does not work."""
    return Finding(name=name, about=about, state=State.FAILED, seen=seen, facts=facts, advice=advice)


def skipped(name: str, about: str, reason: str, **facts: Fact) -> Finding:
    """A step that was not tried, for a reason."""
    return Finding(name=name, about=about, state=State.SKIPPED, seen=reason, facts=facts)
