"""Reading lists of vouchers and of charges whole, and telling whether they were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import attrs

from voucher_async.payments.counts import Counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from voucher_async.models import Charge, VoucherDetails
    from voucher_async.resources.paging import Listing

__all__ = ["Read", "in_order", "is_untouched", "read_whole"]


class _Item(Protocol):
    @property
    def id(self) -> str: ...


ItemT = TypeVar("ItemT", bound=_Item)


@attrs.frozen
class Read(Generic[ItemT]):
    """A list as it was read.

    Attributes:
        items: its items, each once.
        is_whole: every page was the one asked for, and there are as many items as the page with the largest
            count says.
    """

    items: tuple[ItemT, ...]
    is_whole: bool


async def read_whole(listing: Listing[ItemT]) -> Read[ItemT]:
    """Read a list from end to end, and once more where something is missing.

    Nothing is filtered: a server may read a filter in its own way. Charges are never deleted, so what is
    added meanwhile shifts no entry past the page that is being read. A list that only grew is whole where the
    new entries were met, too: else one that grows all the time never were.

    Args:
        listing: reads it.

    Raises:
        VoucherError: a page could not be read.
    """
    first = await _read(listing)
    if first.is_whole:
        return first
    again = await _read(listing)
    return Read(_united(first.items, again.items), again.is_whole)


async def _read(listing: Listing[ItemT]) -> Read[ItemT]:
    items: dict[str, ItemT] = {}
    counts = Counts()
    number = 0
    are_asked_for = True
    async for page in listing.pages():
        number += 1
        # a cache that ignores the query gives the first page for each
        are_asked_for = are_asked_for and page.meta.current_page == number
        counts.add(page.meta)
        items.update((each.id, each) for each in page.data)
    return Read(tuple(items.values()), are_asked_for and len(items) == counts.largest)


def _united(first: Sequence[ItemT], second: Sequence[ItemT]) -> tuple[ItemT, ...]:
    return tuple({each.id: each for each in (*first, *second)}.values())


def is_untouched(voucher: VoucherDetails) -> bool:
    """True for a voucher on which nothing has moved.

    Only inactive vouchers without charges can be deleted, and a recharge raises the balance.
    """
    return voucher.deletable and voucher.remaining_amount == voucher.amount


def in_order(charges: Sequence[Charge]) -> list[Charge]:
    """Entries by their `created_at`, the oldest first; those of one second as the list has them."""
    is_newest_first = len(charges) > 1 and charges[0].created_at > charges[-1].created_at
    return sorted(reversed(charges) if is_newest_first else charges, key=lambda each: each.created_at)
