"""A mapping that keeps its latest entries, so that a client's memory is bounded."""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

__all__ = ["BoundedMap"]

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")


class BoundedMap(OrderedDict[KeyT, ValueT]):
    """The entries that were set last; an ordered dict, since removing the oldest entry of a dict gets slower.

    Args:
        most: how many are kept.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def __setitem__(self, key: KeyT, value: ValueT) -> None:
        super().__setitem__(key, value)
        self.move_to_end(key)
        if len(self) > self._most:
            self.popitem(last=False)

    def put(self, key: KeyT, value: ValueT) -> tuple[KeyT, ValueT] | None:
        """Set an entry, as the latest; returns the oldest when it was dropped for that."""
        is_full = len(self) >= self._most and key not in self
        oldest = next(iter(self.items()), (key, value)) if is_full else None
        self[key] = value
        return oldest
