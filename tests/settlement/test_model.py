"""Whatever becomes of the requests, the promise holds: an adversary tries to break it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from typing import Any

import attrs
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests.settlement import story
from tests.settlement.adversary import HOW, Lot
from tests.settlement.promise import run
from voucher_async.testing.habits import KINDS

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "0"))

WAITS = st.sampled_from([0.0, 0.0, 0.0, 0.3, 2.0, 7.0])
AMOUNTS = st.sampled_from(["1.00", "1.00", "2.00"])
ORDERS = st.sampled_from(["A", "A", "B"])
WHICH = st.integers(0, 3)
DOUBTFUL = ["lost", "lost answer", "late", "late", "late", "hung", "hung answer", "failed", "failed after"]


def lots(ways: list[str], *, lagging: bool, most: int) -> st.SearchStrategy[tuple[Lot, ...]]:
    """What becomes of a few requests; what is late, and shows late, is still within the settle window."""
    late = st.sampled_from([0.1, 1.0, 3.0, 5.9] if lagging else [0.1, 1.0, 5.0, 9.9])
    lag = st.sampled_from([0.0, 1.0, 3.9]) if lagging else st.just(0.0)
    lot = st.builds(Lot, st.sampled_from(ways), WAITS, late, lag)
    return st.lists(lot, max_size=most).map(tuple)


def steps(*, lagging: bool) -> st.SearchStrategy[list[story.Step]]:
    """A story: steps by themselves, and some that belong together."""
    faults: dict[str, Any] = {
        "money": lots([*DOUBTFUL, *HOW], lagging=lagging, most=4),
        "rest": lots([*["answered"] * 3 * len(HOW), *HOW], lagging=lagging, most=6),
        "timeout": st.sampled_from([30.0, 30.0, 12.0, 5.0, 0.5]),
    }
    cancel = st.tuples(st.sampled_from([0.0, 0.0, 0.25, 0.75, 1.75, 2.0]), st.integers(0, 40))
    call: dict[str, Any] = {
        **faults,
        "cancel": st.none() | cancel,
        "alone": st.none() | st.sampled_from([0.0, 0.1, 1.0, 4.0]),
    }
    pay: dict[str, Any] = {
        "voucher": st.sampled_from([0, 0, 0, 1, 2]),
        "amount": AMOUNTS,
        "order": ORDERS,
    }
    redeem = st.builds(story.Redeem, **call, **pay)
    refund = st.builds(
        story.Refund,
        **call,
        which=WHICH,
        amount=st.sampled_from([None, "0.50", "0.50"]),
        by_id=st.sampled_from([False, False, False, True]),
    )
    recharge = st.builds(story.Recharge, **call, **pay, by_code=st.sampled_from([False, False, False, True]))
    checkout = st.builds(
        story.Checkout,
        **call,
        vouchers=st.lists(st.integers(0, 2), min_size=1, max_size=3, unique=True).map(tuple),
        amount=AMOUNTS,
        order=ORDERS,
        again=st.booleans(),
    )
    charge = st.builds(story.Pay, **call, **pay, foreign=st.booleans(), by_id=st.booleans())
    settle = st.builds(story.Settle, **faults, which=WHICH, fresh=st.booleans())
    wait = st.builds(story.Wait, seconds=st.sampled_from([0.1, 1.0, 5.0, 12.0, 70.0, 1800.0]))
    end = st.builds(story.Kill) | st.builds(
        story.Close, rest=faults["rest"], wait=st.sampled_from([0.0, 1.0, 12.0])
    )
    moving = st.one_of(redeem, redeem, charge, refund, recharge, checkout)
    single = st.one_of(moving, settle, wait, end, st.builds(story.Intrude, voucher=pay["voucher"]))
    several = st.one_of(
        st.tuples(single),
        st.tuples(moving),
        redeem.flatmap(lambda step: st.tuples(st.just(step), wait, redeem.map(_like(step)))),
        st.tuples(redeem, refund, refund),
        st.tuples(moving, settle),
        st.tuples(moving, end),
    )
    return st.lists(several, min_size=1, max_size=4).map(lambda parts: list(itertools.chain(*parts)))


def _like(first: story.Redeem) -> Callable[[story.Redeem], story.Redeem]:
    """The same payment again."""
    return lambda step: attrs.evolve(step, voucher=first.voucher, amount=first.amount, order=first.order)


WORLDS = st.fixed_dictionaries(
    {
        "double_charges": st.booleans(),
        "may_read": st.sampled_from([True, True, True, False]),
        "offset": st.sampled_from([0.0, 0.999, 7200.4, -7200.6]),
        "per_page": st.sampled_from([100, 2]),
        "newest_first": st.booleans(),
        "habit": st.none() | st.sampled_from(list(KINDS)),
    }
)


@settings(
    max_examples=EXAMPLES or 150,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(world=WORLDS, told=st.booleans().flatmap(lambda lagging: steps(lagging=lagging)))
def test_the_promise_holds_whatever_becomes_of_the_requests(
    world: dict[str, Any], told: list[story.Step]
) -> None:
    if world["habit"]:
        # a proxy alone could charge twice behind one good answer, or a surplus be unrecognisable
        world = {**world, "double_charges": False}
    note(f"run({told!r}, **{world!r})")
    run(told, **world)
