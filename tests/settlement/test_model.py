"""Whatever becomes of the requests, the promise holds: an adversary tries to break it."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests.settlement import story
from tests.settlement.adversary import HOW, Lot
from tests.settlement.promise import run

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "0"))

WAITS = st.sampled_from([0.0, 0.0, 0.0, 0.3, 2.0, 7.0])
AMOUNTS = st.sampled_from(["1.00", "1.00", "2.00"])
ORDERS = st.sampled_from(["A", "A", "B"])


def lots(*, lagging: bool) -> st.SearchStrategy[tuple[Lot, ...]]:
    """What becomes of a few requests; what is late, and shows late, is still within the settle window."""
    late = st.sampled_from([0.1, 1.0, 3.0, 5.9] if lagging else [0.1, 1.0, 5.0, 9.9])
    lag = st.sampled_from([0.0, 1.0, 3.9]) if lagging else st.just(0.0)
    lot = st.builds(Lot, st.sampled_from(list(HOW)), WAITS, late, lag)
    return st.lists(lot, max_size=6).map(tuple)


def steps(*, lagging: bool) -> st.SearchStrategy[list[story.Step]]:
    call = {
        "lots": lots(lagging=lagging),
        "timeout": st.sampled_from([30.0, 30.0, 12.0, 5.0, 0.5]),
        "cancel": st.none()
        | st.tuples(st.sampled_from([0.0, 0.0, 0.25, 0.3, 1.75, 2.0]), st.integers(0, 40)),
        "alone": st.none() | st.sampled_from([0.0, 0.1, 1.0, 4.0]),
    }
    voucher = st.sampled_from([0, 0, 0, 1, 2])
    pay: dict[str, Any] = {"voucher": voucher, "amount": AMOUNTS, "order": ORDERS}
    which = st.integers(0, 3)
    kinds = [
        st.builds(story.Redeem, **call, **pay),
        st.builds(story.Pay, **call, **pay, foreign=st.booleans(), by_id=st.booleans()),
        st.builds(
            story.Refund,
            **call,
            which=which,
            amount=st.sampled_from([None, "0.50", "0.50"]),
            by_id=st.sampled_from([False, False, True]),
        ),
        st.builds(story.Recharge, **call, **pay, by_code=st.sampled_from([False, False, True])),
        st.builds(
            story.Checkout,
            **call,
            vouchers=st.lists(st.integers(0, 2), min_size=1, max_size=3, unique=True).map(tuple),
            amount=AMOUNTS,
            order=ORDERS,
            again=st.booleans(),
        ),
        st.builds(story.Settle, **call, which=which, fresh=st.booleans()),
        st.builds(story.Wait, seconds=st.sampled_from([0.1, 1.0, 5.0, 12.0, 70.0, 1800.0])),
        st.builds(story.Close, lots=lots(lagging=lagging), wait=st.sampled_from([0.0, 1.0, 12.0])),
        st.builds(story.Kill),
        st.builds(story.Intrude, voucher=voucher),
    ]
    return st.lists(st.one_of(kinds), min_size=1, max_size=6)


WORLDS = st.fixed_dictionaries(
    {
        "double_charges": st.booleans(),
        "may_read": st.sampled_from([True, True, True, False]),
        "offset": st.sampled_from([0.0, 0.999, 7200.4, -7200.6]),
        "per_page": st.sampled_from([100, 2]),
        "newest_first": st.booleans(),
    }
)


@settings(
    max_examples=EXAMPLES or 150,
    derandomize=not EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(world=WORLDS, told=st.booleans().flatmap(lambda lagging: steps(lagging=lagging)))
def test_the_promise_holds_whatever_becomes_of_the_requests(
    world: dict[str, Any], told: list[story.Step]
) -> None:
    note(f"run({told!r}, **{world!r})")
    run(told, strict=False, **world)
