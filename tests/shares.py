"""Shares of the big tables of cases, for the Pythons that need not run all of them."""

from __future__ import annotations

import re
import zlib
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

__all__ = ["BIG", "WHOLE", "left_out", "read_share"]

BIG: Final = 8  # cases of one test
# folders whose tables are never shared: quick ones, and those that the Python itself may break
WHOLE: Final = frozenset({"unit", "typing", "package", "docs"})


def read_share(text: str) -> tuple[int, int]:
    """A share as `2/3`: its number, from 1, and how many there are.

    Raises:
        ValueError: it is none.
    """
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise ValueError(f"{text!r} is no share such as 2/3")
    return int(found[1]), int(found[2])


def left_out(ids: Sequence[str], number: int, count: int) -> set[str]:
    """The ids of the tests that are in other shares.

    Args:
        ids: of all tests, as pytest writes them.
        number: that of the share, from 1.
        count: how many shares there are.
    """
    tables: dict[str, list[str]] = defaultdict(list)
    for each in ids:
        if WHOLE.isdisjoint(each.partition("::")[0].split("/")):
            tables[each.partition("[")[0]].append(each)
    big = [cases for cases in tables.values() if len(cases) >= BIG]
    return {each for cases in big for at, each in enumerate(_mixed(cases)) if at % count != number - 1}


def _mixed(cases: Sequence[str]) -> list[str]:
    # in the order written every third case may have the same one of three parameters
    return sorted(cases, key=lambda each: zlib.crc32(each.encode()))
