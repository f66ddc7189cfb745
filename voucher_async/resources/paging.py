"""Lists: lazy, page by page, by number."""

from __future__ import annotations

import datetime as dt
import re
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final, Generic, Protocol, TypeVar

from voucher_async.api_errors import BadAnswer
from voucher_async.errors import InvalidInput, InvalidInputType
from voucher_async.models import PageMeta
from voucher_async.resources.lazy import Lazy, to_count

__all__ = ["ORDER_FILTER", "Listing", "Page", "list_query"]

ORDER_FILTER: Final = "filter[order_number]"

_REPEATED = 3
_SURROGATE = re.compile("[\ud800-\udfff]")


class Item(Protocol):
    """An entry of a list: `VoucherDetails` or `Charge`."""

    @property
    def id(self) -> str:
        """The identity of the item."""
        ...


ItemT = TypeVar("ItemT", bound=Item)
ItemT_co = TypeVar("ItemT_co", bound=Item, covariant=True)


class Page(Protocol[ItemT_co]):
    """One page of a list: `VoucherPage` or `ChargePage`."""

    @property
    def data(self) -> Sequence[ItemT_co]:
        """The items of the page."""
        ...

    @property
    def meta(self) -> PageMeta:
        """The position of the page in the list."""
        ...


class Listing(Lazy[ItemT]):
    """A list that is fetched while it is iterated over; making one sends nothing.

    `async for item in listing` goes through all items, `await listing.to_list()` makes a list of them,
    `async for page in listing.pages()` goes through all pages, `await listing.first_page()` fetches one page.
    Every loop starts anew.

    While the list changes: the API pages by number, so items added meanwhile shift the rest. `async for item`
    leaves out an item that a shift repeats; a deleted item can shift another one past the page being read,
    which is then missing from this loop. Pages of several moments, as caches and servers that lag differently
    give them, can leave items out between them, too.

    Args:
        fetch: fetches a page by its number.
        page: the number to start with.
        view: filters a fetched page; None shows all of it.
    """

    def __init__(
        self,
        fetch: Callable[[int], Awaitable[Page[ItemT]]],
        page: int,
        view: Callable[[Page[ItemT]], Page[ItemT]] | None = None,
    ) -> None:
        self._fetch = fetch
        self._page = page
        self._view = view or _whole

    def __aiter__(self) -> AsyncIterator[ItemT]:
        return _Items(self.pages())

    def pages(self) -> AsyncIterator[Page[ItemT]]:
        """The pages from the one asked for to the last."""
        return _Pages(self._fetch, self._page, self._view)

    async def first_page(self) -> Page[ItemT]:
        """The page asked for, alone.

        Raises:
            VoucherError: it could not be fetched.
        """
        return self._view(await self._fetch(self._page))


def _whole(page: Page[ItemT]) -> Page[ItemT]:
    return page


class _Pages(Generic[ItemT]):
    def __init__(
        self,
        fetch: Callable[[int], Awaitable[Page[ItemT]]],
        page: int,
        view: Callable[[Page[ItemT]], Page[ItemT]],
    ) -> None:
        self._fetch = fetch
        self._view = view
        self._next: int | None = page
        self._ids: list[str] = []
        self._repeated = 0

    def __aiter__(self) -> _Pages[ItemT]:
        return self

    async def __anext__(self) -> Page[ItemT]:
        if self._next is None:
            raise StopAsyncIteration
        page = await self._fetch(self._next)
        self._check_progress(page)
        more = bool(page.data) and self._next < page.meta.last_page
        self._next = self._next + 1 if more else None
        return self._view(page)

    def _check_progress(self, page: Page[ItemT]) -> None:
        # an insertion may repeat one page; a server that ignores the page number repeats it for ever
        ids = [item.id for item in page.data]
        self._repeated = self._repeated + 1 if ids and ids == self._ids else 0
        self._ids = ids
        if self._repeated == _REPEATED:
            problem = f"page {self._next} holds the same items as the {_REPEATED} pages before it"
            error = BadAnswer(f"HTTP 200 with an answer that cannot be right: {problem}", status=200)
            error.problem = problem
            raise error


class _Items(Generic[ItemT]):
    def __init__(self, pages: AsyncIterator[Page[ItemT]]) -> None:
        self._pages = pages
        self._waiting: deque[ItemT] = deque()
        self._seen: set[str] = set()

    def __aiter__(self) -> _Items[ItemT]:
        return self

    async def __anext__(self) -> ItemT:
        while True:
            while self._waiting:
                item = self._waiting.popleft()
                if item.id not in self._seen:
                    self._seen.add(item.id)
                    return item
            page = await anext(self._pages)
            self._waiting.extend(page.data)


def list_query(
    *,
    created_from: dt.datetime | None,
    created_to: dt.datetime | None,
    order_number: str | None,
    page: int,
    per_page: int | None,
) -> list[tuple[str, str]]:
    """The query of a list, checked (contract: Lists).

    Raises:
        InvalidInput: a number below 1, a naive datetime, an empty order number.
        InvalidInputType: the wrong type.
    """
    query = [("page", str(to_count("page", page)))]
    if per_page is not None:
        query.append(("per_page", str(to_count("per_page", per_page))))
    for name, moment in (("created_from", created_from), ("created_to", created_to)):
        if moment is not None:
            query.append((f"filter[{name}]", _moment(name, moment)))
    if order_number is not None:
        query.append((ORDER_FILTER, _text("order_number", order_number)))
    return query


def _moment(name: str, value: object) -> str:
    if not isinstance(value, dt.datetime):
        raise InvalidInputType(name, f"must be a datetime, not {type(value).__name__}", value)
    if value.utcoffset() is None:
        raise InvalidInput(name, "must be an aware datetime: which time zone?", value)
    if value.utcoffset() != dt.timedelta(0):
        # RFC 3339 has no offsets with seconds, which some time zones had
        try:
            value = value.astimezone(dt.UTC)
        except OverflowError:
            raise InvalidInput(name, "must be a time that exists in UTC, too", value) from None
    return value.isoformat(timespec="seconds")


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidInputType(name, f"must be a str, not {type(value).__name__}", value)
    if not value:
        raise InvalidInput(name, "must not be empty", value)
    if _SURROGATE.search(value):
        raise InvalidInput(name, "must not hold lone surrogates", value)
    return value
