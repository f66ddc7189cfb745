"""What is drawn at random is drawn from the seed of the run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import core, given
from hypothesis import strategies as st

from tests import seeds


@pytest.fixture
def _replanted() -> Iterator[None]:
    former = seeds.chosen()
    yield
    seeds.plant(former)


@pytest.mark.usefixtures("_replanted")
def test_the_same_seed_draws_the_same_and_another_something_else() -> None:
    drawn = []
    for seed in (3, 3, 4):
        seeds.plant(seed)
        drawn.append(seeds.drawing("weather").random())
    assert drawn[0] == drawn[1] != drawn[2]
    assert seeds.drawing("weather").random() != seeds.drawing("payments").random()


def test_the_option_is_the_seed_of_everything(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.getoption("seed") == seeds.chosen()
    if "--hypothesis-seed" not in " ".join(pytestconfig.invocation_params.args):
        assert core.global_force_seed == seeds.chosen()


def test_hypothesis_draws_the_same_again() -> None:
    seen: list[int] = []
    draw = given(st.integers())(lambda number: seen.append(number))  # noqa: PLW0108 - Hypothesis reads its code
    draw()
    once = [*seen]
    draw()
    assert seen == once * 2
