"""Breadth-first exploration of a small world, and what must hold in each of its states."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from tests.payments.small_workers import World
from tests.payments.small_world import ASKING, IDLE, State
from voucher_async.fates import Proof
from voucher_async.payments.call import CallState

__all__ = ["Explored", "explore"]


CHECKED = tuple(State._fields.index(name) for name in ("records", "charges", "told"))


class Explored(NamedTuple):
    """What came of it.

    Attributes:
        states: how many states were seen.
        moves: how many moves between them: each is the end of a history.
        broken: the promise that was broken; None when none was.
        history: the shortest history that breaks it.
    """

    states: int
    moves: int
    broken: str | None = None
    history: tuple[str, ...] = ()


def explore(world: World, longest: int | None = None) -> Explored:
    """Explore every history, the shortest first, until a promise is broken or nothing new is left.

    Args:
        world: the world.
        longest: moves of the longest history; None: as long as they come.
    """
    start = world.start()
    came: dict[State, tuple[State, str] | None] = {start: None}
    ahead = deque([(start, 0)])
    moves = 0
    while ahead:
        state, length = ahead.popleft()
        if length == longest:
            break
        is_stuck = True
        for label, after in world.moves(state):
            moves += 1
            is_stuck = is_stuck and after == state
            if after in came:
                continue
            came[after] = (state, label)
            is_quiet = all(after[part] is state[part] for part in CHECKED)
            broken = None if is_quiet else broken_promise(world, after)
            if broken:
                return Explored(len(came), moves, broken, history(came, after))
            ahead.append((after, length + 1))
        if is_stuck and any(w.place not in {IDLE, ASKING} for w in state.workers):
            return Explored(len(came), moves, "a worker can do nothing", history(came, state))
    return Explored(len(came), moves)


def history(came: dict[State, tuple[State, str] | None], state: State) -> tuple[str, ...]:
    labels: list[str] = []
    step = came[state]
    while step is not None:
        labels.append(step[1])
        step = came[step[0]]
    return tuple(reversed(labels))


def broken_promise(world: World, state: State) -> str | None:
    """The promise that a state breaks."""
    made = [(charge[0], charge[1]) for charge in state.charges]
    for key in range(len(state.records)):
        if [each[0] for each in made].count(key) > 1:
            return "one payment was charged twice"
    return _broken_word(world, state, made) or _broken_record(world, state, made)


def _broken_word(world: World, state: State, made: list[tuple[int, int]]) -> str | None:
    told: dict[int, set[int]] = {}
    for asked, word, about in state.told:
        if word == "done":
            told.setdefault(asked, set()).add(about)
            if about >= len(made):
                return "somebody was told done, and nothing was charged"
            if made[about][0] != asked and not world.operation.joins:
                return "somebody was told the charge of another payment"
        elif word == "not done" and (asked, about) in made:
            return "somebody was told not done, and it was charged"
        elif word not in {"open", "refused", "not done"}:
            return f"somebody was told: {word}"
    if any(len(charges) > 1 for charges in told.values()):
        return "one payment was told as two charges"
    return None


def _broken_record(world: World, state: State, made: list[tuple[int, int]]) -> str | None:
    for key, (generation, number) in enumerate(state.records):
        if number < 0:
            continue
        call = world.call(number)
        if call.state is CallState.DONE and made[int(call.charge or 0)][0] != key:
            return "a record is done with the charge of another"
        is_final = call.state is CallState.NOT_DONE and call.proof is not Proof.REFUSED
        if is_final and (key, generation) in made:
            return "a record is not done, and it was charged"
    return None
