"""The shares are all cases between them, and each has its part of every big table."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import pytest_collection_modifyitems
from tests.shares import BIG, WHOLE, left_out, read_share

SMALL_IDS = ["a.py::test_one", *(f"a.py::test_few[{number}]" for number in range(BIG - 1))]
BIG_IDS = [f"a.py::test_many[{kind}-{number}]" for kind in "xyz" for number in range(BIG)]


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_the_shares_are_all_cases_and_each_once(count: int) -> None:
    runs = [set(BIG_IDS) - left_out([*SMALL_IDS, *BIG_IDS], number, count) for number in range(1, count + 1)]
    assert sorted(each for run in runs for each in run) == sorted(BIG_IDS)
    assert {len(run) for run in runs} <= {len(BIG_IDS) // count, len(BIG_IDS) // count + 1}


def test_a_small_table_is_in_every_share() -> None:
    assert not left_out([*SMALL_IDS, *BIG_IDS], 1, 3) & set(SMALL_IDS)


@pytest.mark.parametrize("folder", sorted(WHOLE))
def test_what_is_quick_or_hangs_on_the_python_is_in_every_share(root: Path, folder: str) -> None:
    ids = [f"tests/{folder}/{each}" for each in BIG_IDS]
    assert (root / "tests" / folder).is_dir()
    assert left_out([*ids, *BIG_IDS], 2, 6) == left_out(BIG_IDS, 2, 6)


def test_a_sixth_has_some_of_each_big_table() -> None:
    smallest = [f"a.py::test_eight[{number}]" for number in range(BIG)]
    for number in range(1, 7):
        assert len(left_out(smallest, number, 6)) < BIG


def test_a_share_is_a_mixture() -> None:
    kept = set(BIG_IDS) - left_out(BIG_IDS, 2, 3)
    for kind in "xyz":
        assert any(f"[{kind}-" in each for each in kept)
    assert {int(each.rpartition("-")[2][:-1]) % 3 for each in kept} == {0, 1, 2}


@pytest.mark.parametrize("text", ["", "3", "0/3", "4/3", "1/0", "-1/3", "a/b", "1/3/5"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no share"):
        read_share(text)


def test_the_option_leaves_out_the_others_and_says_so() -> None:
    told: list[Any] = []

    class Hooks:
        def pytest_deselected(self, items: list[Any]) -> None:
            told.extend(items)

    config: Any = SimpleNamespace(hook=Hooks(), getoption={"share": (2, 3)}.__getitem__)
    items: list[Any] = [SimpleNamespace(nodeid=each) for each in [*SMALL_IDS, *BIG_IDS]]
    everything = [*items]
    pytest_collection_modifyitems(config, items)
    assert [item.nodeid for item in items if item.nodeid in SMALL_IDS] == SMALL_IDS
    assert [item for item in everything if item in items or item in told] == everything
    assert len(told) == len(BIG_IDS) * 2 // 3


def test_everything_is_run_by_default(pytestconfig: pytest.Config) -> None:
    number, count = pytestconfig.getoption("share")
    assert 1 <= number <= count
    assert left_out(BIG_IDS, 1, 1) == set()
