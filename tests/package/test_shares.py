"""The shares are all tests between them, and each has its part of every file."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from tests.conftest import pytest_collection_modifyitems
from tests.shares import BIG, has_file, left_out, read_share

PLAIN = [f"a.py::test_{number}" for number in range(30)]
TABLE = [f"a.py::test_many[{kind}-{number}]" for kind in "xyz" for number in range(2 * BIG)]
IDS = [*PLAIN, *TABLE]


def kept(ids: list[str], number: int, count: int) -> list[str]:
    left = left_out(ids, number, count)
    return [each for each in ids if each not in left]


@pytest.mark.parametrize("count", [2, 3, 5])
def test_the_shares_are_all_tests_and_each_once_but_half_of_a_big_table(count: int) -> None:
    runs = [kept(IDS, number, count) for number in range(1, count + 1)]
    everything = sorted(each for run in runs for each in run)
    assert everything == sorted(set(everything))
    assert set(PLAIN) < set(everything)
    assert len(everything) - len(PLAIN) in range(len(TABLE) // 2, len(TABLE) // 2 + count)


def test_a_small_table_is_shared_like_the_other_tests_of_its_file() -> None:
    small = [f"a.py::test_few[{number}]" for number in range(BIG - 1)]
    runs = [kept([*small, *PLAIN], number, 3) for number in (1, 2, 3)]
    assert set(small) < {each for run in runs for each in run}


@pytest.mark.parametrize("size", [1, 2, BIG])
def test_each_file_has_a_test_in_every_share(size: int) -> None:
    few = [f"few.py::test_{number}" for number in range(size)]
    table = [f"table.py::test_many[{number}]" for number in range(size)]
    for number in range(1, 13):
        assert {each.partition("::")[0] for each in kept([*few, *table, *IDS], number, 12)} >= {
            "few.py",
            "table.py",
        }


def test_each_file_is_in_one_share_of_the_files() -> None:
    paths = [f"tests/unit/test_{number}.py" for number in range(60)]
    shares = [[path for path in paths if has_file(path, number, 3)] for number in (1, 2, 3)]
    assert sorted(path for share in shares for path in share) == sorted(paths)
    assert min(map(len, shares)) > 10


def test_a_share_is_a_mixture() -> None:
    run = set(kept(TABLE, 2, 3))
    assert {each.partition("[")[2][0] for each in run} == set("xyz")
    assert {int(each.rpartition("-")[2][:-1]) % 3 for each in run} == {0, 1, 2}


@pytest.mark.parametrize("text", ["", "3", "0/3", "4/3", "1/0", "-1/3", "a/b", "1/3/5"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no share"):
        read_share(text)


def test_the_option_leaves_out_the_others_and_says_so() -> None:
    told: list[Any] = []

    class Hooks:
        def pytest_deselected(self, items: list[Any]) -> None:
            told.extend(items)

    config: Any = SimpleNamespace(hook=Hooks(), getoption={"share": (2, 3), "files": (1, 1)}.__getitem__)
    items: list[Any] = [SimpleNamespace(nodeid=each) for each in IDS]
    everything = [*items]
    pytest_collection_modifyitems(config, items)
    assert [item.nodeid for item in items] == kept(IDS, 2, 3)
    assert [item for item in everything if item in items or item in told] == everything
    assert {item.nodeid for item in told} == left_out(IDS, 2, 3)


def test_everything_is_run_by_default(pytestconfig: pytest.Config) -> None:
    number, count = pytestconfig.getoption("share")
    assert 1 <= number <= count
    assert left_out(IDS, 1, 1) == set()


def test_of_files_that_are_named_each_half_has_its_own() -> None:
    """Pytest asks of no file that is named on its command line whether to ignore it."""
    ids = [f"tests/unit/test_{number}.py::test_{each}" for number in range(20) for each in "ab"]
    halves: list[list[str]] = []
    for number in (1, 2):
        items: Any = [SimpleNamespace(nodeid=each) for each in ids]
        options = {"share": (1, 1), "files": (number, 2)}
        config: Any = SimpleNamespace(hook=Mock(), getoption=options.__getitem__)
        pytest_collection_modifyitems(config, items)
        halves.append([item.nodeid for item in items])
    assert sorted([*halves[0], *halves[1]]) == sorted(ids)
    assert min(map(len, halves)) > 8
