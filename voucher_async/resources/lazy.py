"""Lists that are fetched while they are iterated over, and taken whole by `to_list`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Generic, NoReturn, TypeVar

from voucher_async.errors import InvalidInput, InvalidInputType

__all__ = ["Lazy", "to_count"]

_LARGEST_NUMBER = 2**31 - 1

T = TypeVar("T")


class Lazy(Generic[T]):
    """A list for `async for`, or for `await ... .to_list()`; making one sends nothing."""

    def __aiter__(self) -> AsyncIterator[T]:
        raise NotImplementedError

    async def to_list(self, limit: int | None = None) -> list[T]:
        """All items, or the first ones; no page is fetched beyond the one that holds the last of them.

        Args:
            limit: how many items at most, from 1; None takes all.

        Raises:
            InvalidInput: a limit below 1; nothing was sent.
            VoucherError: a page could not be fetched.
        """
        most = None if limit is None else to_count("limit", limit)
        items: list[T] = []
        iterator = aiter(self)
        try:
            async for item in iterator:
                items.append(item)
                if len(items) == most:
                    break
        finally:
            close = getattr(iterator, "aclose", None)  # of an asynchronous generator
            if close is not None:
                await close()
        return items

    if not TYPE_CHECKING:  # type checkers refuse both, as long as neither method is there

        def __await__(self) -> NoReturn:
            raise TypeError(_ADVICE.format(type(self).__name__, "cannot be awaited"))

        def __iter__(self) -> NoReturn:
            raise TypeError(_ADVICE.format(type(self).__name__, 'needs "async for": it cannot be iterated'))


_ADVICE = 'a {} {}; write "async for item in listing", or "items = await listing.to_list()"'


def to_count(name: str, value: object) -> int:
    """A number of items or pages, checked.

    Raises:
        InvalidInput: a number below 1, or one that no server reads.
        InvalidInputType: no int.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidInputType(name, f"must be an int, not {type(value).__name__}", value)
    if not 1 <= value <= _LARGEST_NUMBER:
        # a number of thousands of digits cannot be written out
        shown = value if abs(value) <= _LARGEST_NUMBER else "a number of many digits"
        raise InvalidInput(name, f"must be from 1 to {_LARGEST_NUMBER}", shown)
    return value
