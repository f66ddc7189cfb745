"""What came of the calls of each habit: how many were settled, and how many stay open."""

from __future__ import annotations

import collections
from collections.abc import Collection, Iterable
from typing import Final

import attrs

from tests.chaos.index import Index
from tests.chaos.plan import is_own

NORMAL: Final = "none"
# a charge shown with another amount everywhere cannot be told from another caller's: open on purpose
UNTELLABLE: Final = frozenset({"another amount, in lists too"})


@attrs.frozen(kw_only=True)
class Share:
    """What came of the calls of one habit.

    Attributes:
        habit: its name; `none` for calls that no habit has touched.
        calls: how many calls were begun, whose server had it when they first asked for money.
        doubted: how many of them had a request in doubt.
        left_open: how many calls stayed open for good, in doubt or answered with a contradiction.
        lost: how many lost the answer to a charge that was made, while its reservation lived: nobody else
            uses the voucher, no newer reservation replaced it (a lost one may do that late), and the caller
            stayed and gave the call its full time, so that it could charge it again.
        lost_and_open: how many of these stayed open for good.
        violations: how many violations there are.
    """

    habit: str
    calls: int
    doubted: int
    left_open: int
    lost: int
    lost_and_open: int
    violations: int


def shares_of(
    index: Index, left_open: Collection[str], lied_to: Collection[str], wrong: Iterable[str]
) -> tuple[Share, ...]:
    """The shares of all habits that calls have met, `none` first.

    Args:
        index: of the records.
        left_open: the calls that stayed open for good.
        lied_to: those of them that got an answer, of success, although nothing was done.
        wrong: the calls of the violations.
    """
    habits = {call: _row_of(index, call) for call in index.began}
    of_habit: dict[str, set[str]] = collections.defaultdict(set)
    for call, habit in habits.items():
        of_habit[habit].add(call)
    violations = collections.Counter(habits.get(call, NORMAL) for call in wrong)
    lost = {call for call in index.lost_charges if _could_repeat(index, call)}.difference(lied_to)
    names = sorted(of_habit, key=lambda name: (name != NORMAL, name))
    return tuple(
        Share(
            habit=name,
            calls=len(of_habit[name]),
            doubted=len(of_habit[name] & index.doubts),
            left_open=len(of_habit[name] & set(left_open)),
            lost=len(of_habit[name] & lost),
            lost_and_open=len(of_habit[name] & lost & set(left_open)),
            violations=violations[name],
        )
        for name in names
    )


def _row_of(index: Index, call: str) -> str:
    """The habit that counts for a call: one that lets nothing be told, or the first that has touched it."""
    habits = index.habits_of(call)
    return next((habit for habit in habits if habit in UNTELLABLE), next(iter(habits), NORMAL))


def _could_repeat(index: Index, call: str) -> bool:
    """Whether a call has lost a charge that was made, while it could have found that out."""
    began, told = index.began.get(call), index.told.get(call)
    if began is None or told is None or not began.patient or not all(map(is_own, began.things)):
        return False
    made = [entry for slot in index.charges_of(call) for entry in index.in_slot.get(slot, ())]
    return bool(made) and not any(0.0 < entry.replaced < told.at for entry in made)
