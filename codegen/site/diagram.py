"""The states of a money call and the arrows between them, from the tables of the machine."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from codegen.site.drawing import draw
from codegen.site.flowchart import steps
from codegen.site.places import Unbuildable
from voucher_async.payments.facts import OPERATIONS, Call, CallState, Event, Facts, Limits
from voucher_async.payments.machine import GUARDS, TRANSITIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["START", "Arrow", "arrows", "drawn_in", "figure_of"]

START: Final = "[*]"
# the guards that look at nothing but the state: where one fails, there is no arrow
_OF_STATE: Final = ("key_is_free", "nobody_drives")
_ARROW: Final = re.compile(r"^\s*(\[\*\]|\w+) --> (\w+)(?::.*)?$", re.MULTILINE)


class Arrow(NamedTuple):
    """An arrow of the diagram.

    Attributes:
        source: the state, or the start.
        to: the state that it leads to; the same one for events after which it stays.
        events: the events, in the order of the code.
    """

    source: str
    to: str
    events: tuple[Event, ...]


def arrows() -> tuple[Arrow, ...]:
    """Every arrow that the machine has, those back to the same state among them."""
    found: defaultdict[tuple[str, str], list[Event]] = defaultdict(list)
    found[START, CallState.BEGUN.value] = [Event.CLAIMED]
    for event, source, to in _steps():
        found[source.value, to.value].append(event)
    return tuple(Arrow(source, to, tuple(events)) for (source, to), events in found.items())


def _steps() -> Iterator[tuple[Event, CallState, CallState]]:
    for event, row in TRANSITIONS.items():
        for source in CallState:
            if source in row.sources and _may_come(source, row.guards):
                yield event, source, row.to or source


def _may_come(state: CallState, guards: tuple[str, ...]) -> bool:
    call = Call(next(iter(OPERATIONS.values())), state, owner="")
    named = (GUARDS[name] for name in guards if name in _OF_STATE)
    return all(guard(call, Facts(0.0), Limits()) for guard in named)


def drawn_in(mermaid: str) -> frozenset[tuple[str, str]]:
    """The arrows of a diagram in Mermaid's words, those that stay left out."""
    pairs = {tuple(name.replace("_", " ") for name in match) for match in _ARROW.findall(mermaid)}
    return frozenset((source, to) for source, to in pairs if source != to)


def figure_of(mermaid: str) -> str:
    """The figure in place of a document's diagram: GitHub draws that one, the site draws the code's.

    Raises:
        Unbuildable: its states have other arrows than the code, or it cannot be read.
    """
    if not mermaid.startswith("stateDiagram"):
        return steps(mermaid)
    real = arrows()
    differing = drawn_in(mermaid) ^ {(arrow.source, arrow.to) for arrow in real if arrow.source != arrow.to}
    if differing:
        raise Unbuildable(f"a diagram differs from the machine's tables: {sorted(differing)}")
    return f"{_figure(real)}\n\n{_table(real)}\n"


def _figure(real: tuple[Arrow, ...]) -> str:
    moving = {(arrow.source, arrow.to): _words(arrow) for arrow in real if arrow.source != arrow.to}
    staying = {arrow.source: _words(arrow) for arrow in real if arrow.source == arrow.to}
    svg = draw(moving, staying)
    return (
        f'<figure class="states" role="group" aria-label="States of a money call" tabindex="0">{svg}</figure>'
    )


def _words(arrow: Arrow) -> tuple[str, ...]:
    return tuple(map(_name, arrow.events))


def _name(event: Event) -> str:
    return event.name.lower().replace("_", " ")


def _table(real: tuple[Arrow, ...]) -> str:
    """The same in words: the events of each arrow, and what they mean."""
    lines = ["| from | to | events |", "|---|---|---|"]
    for arrow in real:
        to = "stays" if arrow.source == arrow.to else arrow.to
        source = "(start)" if arrow.source == START else arrow.source
        lines.append(f"| {source} | {to} | {', '.join(_words(arrow))} |")
    meanings = ["", "| event | meaning |", "|---|---|"]
    meanings += [f"| {_name(event)} | {event.value} |" for event in Event]
    return "\n".join((*lines, *meanings))
