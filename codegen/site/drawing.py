"""Draws the states as an SVG that takes its colours from the page, light or dark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PLACES", "draw"]


class Point(NamedTuple):
    """A place in the picture, in its units."""

    x: float
    y: float


PLACES: Final[Mapping[str, Point]] = {
    "[*]": Point(310, 24),
    "begun": Point(310, 100),
    "sent": Point(310, 250),
    "open": Point(310, 400),
    "done": Point(75, 540),
    "not done": Point(525, 540),
}
_SIZE: Final = Point(630, 580)
_HALF: Final = Point(62, 21)  # half of a state's width and height
_LINE: Final = 15.0
# sideways bend of an arrow at its middle, for those that would run through a state or into another arrow
_BENDS: Final[Mapping[tuple[str, str], float]] = {
    ("begun", "open"): -95,
    ("begun", "done"): -105,
    ("begun", "not done"): 80,
    ("sent", "done"): -30,
    ("sent", "not done"): 25,
    ("not done", "begun"): 165,
}
# where on its way the words of an arrow stand; 0.5 is the middle
_AT: Final[Mapping[tuple[str, str], float]] = {
    ("begun", "done"): 0.42,
    ("begun", "not done"): 0.44,
    ("sent", "done"): 0.47,
    ("sent", "not done"): 0.52,
    ("not done", "begun"): 0.62,
}


def draw(moving: Mapping[tuple[str, str], tuple[str, ...]], staying: Mapping[str, tuple[str, ...]]) -> str:
    """The picture, as one line without empty ones, for a page.

    Args:
        moving: the words of each arrow from one state to another.
        staying: those of the events after which a state stays.
    """
    lines = [_line(source, to) for source, to in moving]
    states = [_state(name, point, loops=name in staying) for name, point in PLACES.items()]
    words = [_words(source, to, events) for (source, to), events in moving.items()]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_SIZE.x:g} {_SIZE.y:g}" role="img" '
        'aria-labelledby="states-title states-description">'
        '<title id="states-title">States of a money call</title>'
        f'<desc id="states-description">{_described(moving)}</desc>'
        '<defs><marker id="states-tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" '
        'markerHeight="8" orient="auto-start-reverse"><path class="tip" d="M0 0 L10 5 L0 10 z"/></marker>'
        "</defs>"
        f"{''.join((*lines, *states, *words))}</svg>"
    )


def _described(moving: Mapping[tuple[str, str], tuple[str, ...]]) -> str:
    sentences = (f"{source} to {to}: {', '.join(events)}" for (source, to), events in moving.items())
    return escape(". ".join(sentences).replace("[*]", "start")) + "."


def _state(name: str, point: Point, *, loops: bool) -> str:
    if name not in PLACES or name == "[*]":
        return f'<circle class="start" cx="{point.x:g}" cy="{point.y:g}" r="8"/>'
    corner = Point(point.x - _HALF.x, point.y - _HALF.y)
    ends = "" if name not in {"done", "not done"} else " end"
    box = (
        f'<rect class="state{ends}" x="{corner.x:g}" y="{corner.y:g}" width="{2 * _HALF.x:g}" '
        f'height="{2 * _HALF.y:g}" rx="10"/>'
        f'<text class="name" x="{point.x:g}" y="{point.y + 5:g}">{name}</text>'
    )
    return (_loop(point) if loops else "") + box


def _loop(point: Point) -> str:
    """The arrow of a state to itself, at its right upper corner."""
    x, y = point.x + _HALF.x, point.y - 10
    return (
        f'<path class="arrow" marker-end="url(#states-tip)" d="M{x:g} {y - 4:g} c34 -26 44 26 2 16"/>'
        f'<text class="word stays" x="{x + 36:g}" y="{y + 5:g}">stays</text>'
    )


def _control(source: str, to: str) -> Point:
    start, end = PLACES[source], PLACES[to]
    return Point((start.x + end.x) / 2 + 2 * _BENDS.get((source, to), 0), (start.y + end.y) / 2)


def _on(source: str, to: str, at: float) -> Point:
    """The point of an arrow's curve at a share of its way."""
    start, middle, end = PLACES[source], _control(source, to), PLACES[to]
    weights = ((1 - at) ** 2, 2 * at * (1 - at), at**2)
    return Point(
        sum(weight * point.x for weight, point in zip(weights, (start, middle, end), strict=True)),
        sum(weight * point.y for weight, point in zip(weights, (start, middle, end), strict=True)),
    )


def _edge(name: str, towards: Point, gap: float) -> Point:
    """The point on a state's border in a direction."""
    centre = PLACES[name]
    across, down = towards.x - centre.x, towards.y - centre.y
    half = Point(8, 8) if name == "[*]" else _HALF
    share = min(
        (half.x + gap) / abs(across) if across else float("inf"),
        (half.y + gap) / abs(down) if down else float("inf"),
    )
    return Point(centre.x + across * share, centre.y + down * share)


def _line(source: str, to: str) -> str:
    middle = _control(source, to)
    start, end = _edge(source, middle, 0), _edge(to, middle, 2)
    return (
        f'<path class="arrow" marker-end="url(#states-tip)" d="M{start.x:.1f} {start.y:.1f} '
        f'Q{middle.x:.1f} {middle.y:.1f} {end.x:.1f} {end.y:.1f}"/>'
    )


def _words(source: str, to: str, events: tuple[str, ...]) -> str:
    middle = _on(source, to, _AT.get((source, to), 0.5))
    first = middle.y - (len(events) - 1) * _LINE / 2 + 4
    spans = (
        f'<tspan x="{middle.x:.1f}" y="{first + index * _LINE:.1f}">{escape(word)}</tspan>'
        for index, word in enumerate(events)
    )
    return f'<text class="word">{"".join(spans)}</text>'
