"""Shares of the tests, for the Pythons that need not run all of them.

A share has its part of each file: of each big table of cases, and of the file's other tests. At least one
test of each file is in every share, so that each file runs on each Python.
"""

from __future__ import annotations

import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

__all__ = ["BIG", "has_file", "in_other_files", "left_out", "read_share"]

BIG: Final = 8  # cases of a big table
SELDOM: Final = 2  # a big table's share is smaller by this factor


def read_share(text: str) -> tuple[int, int]:
    """A share as `2/3`: its number, from 1, and how many there are.

    Raises:
        ValueError: it is none.
    """
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise ValueError(f"{text!r} is no share such as 2/3")
    return int(found[1]), int(found[2])


def has_file(path: str, number: int, count: int) -> bool:
    """Tell whether a share of the files has this one.

    Args:
        path: from the folder of the project.
        number: that of the share, from 1.
        count: how many shares there are; each file is in one.
    """
    return _mixed(path) % count == number - 1


def in_other_files(ids: Iterable[str], number: int, count: int) -> set[str]:
    """The ids of the tests whose files a share of the files does not have; see `has_file`."""
    return {each for each in ids if not has_file(each.partition("::")[0], number, count)}


def left_out(ids: Sequence[str], number: int, count: int) -> set[str]:
    """The ids of the tests that a share does not have.

    Args:
        ids: of all tests, as pytest writes them.
        number: that of the share, from 1.
        count: how many shares there are; of one, nothing is left out.
    """
    if count == 1:
        return set()
    left: set[str] = set()
    for tests in _grouped(ids, "::").values():
        big = [cases for cases in _grouped(tests, "[").values() if len(cases) >= BIG]
        others = set(tests).difference(*big)
        for cases, shares in [*((cases, SELDOM * count) for cases in big), (others, count)]:
            left.update(set(cases) - _dealt(cases, number, shares))
        if left.issuperset(tests):  # there are fewer tests than shares
            left.remove(min(tests, key=_mixed))
    return left


def _grouped(ids: Iterable[str], sign: str) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for each in ids:
        groups[each.partition(sign)[0]].append(each)
    return groups


def _dealt(cases: Iterable[str], number: int, shares: int) -> set[str]:
    # mixed, as in the written order every third case may have the same parameter
    return {each for at, each in enumerate(sorted(cases, key=_mixed)) if at % shares == number - 1}


def _mixed(each: str) -> int:
    return zlib.crc32(each.encode())
