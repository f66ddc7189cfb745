"""The mapping that keeps its latest entries."""

from __future__ import annotations

from collections import OrderedDict

from voucher_async.bounded import BoundedMap


def test_the_oldest_entry_goes_when_there_are_too_many() -> None:
    latest = BoundedMap[str, int](2)
    latest["a"], latest["b"], latest["c"] = 1, 2, 3
    assert list(latest.items()) == [("b", 2), ("c", 3)]


def test_an_entry_that_is_set_again_is_the_latest() -> None:
    latest = BoundedMap[str, int](2)
    latest["a"], latest["b"], latest["a"], latest["c"] = 1, 2, 3, 4
    assert list(latest.items()) == [("a", 3), ("c", 4)]


def test_what_had_to_go_is_told() -> None:
    latest = BoundedMap[str, int](1)
    assert [latest.put("a", 1), latest.put("a", 2), latest.put("b", 3)] == [None, None, ("a", 2)]
    assert BoundedMap[str, int](0).put("a", 1) == ("a", 1)


def test_no_way_of_setting_leaves_too_many() -> None:
    latest = BoundedMap[str, int](2)
    latest.update(a=1, b=2, c=3)
    latest.setdefault("d", 4)
    assert list(latest) == ["c", "d"]


def test_taking_the_oldest_out_of_many_costs_nothing() -> None:
    """Of a plain dict it takes the longer the more were taken out before."""
    assert issubclass(BoundedMap, OrderedDict)
