"""Lists of charges, which show the shop's own order numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from voucher_async.calls import calling
from voucher_async.operations import LIST_CHARGES
from voucher_async.resources.paging import ORDER_FILTER, Listing, Page
from voucher_async.sansio import build

if TYPE_CHECKING:
    from voucher_async.config import Timeout
    from voucher_async.models import Charge, ChargePage
    from voucher_async.payments.settle import Settler

__all__ = ["charge_listing"]


def charge_listing(
    settler: Settler,
    name: str,
    voucher_id: str,
    query: list[tuple[str, str]],
    timeout: float | Timeout | None,
) -> Listing[Charge]:
    """The listing of a voucher's charges.

    The server filters by whole order numbers, references included: with references all pages are read, and
    filtered here.

    Args:
        settler: knows the sender, the form of order numbers and the hooks.
        name: the method that lists, as hooks are told of it.
        voucher_id: the voucher.
        query: the query, the page to start with first; see `list_query`.
        timeout: seconds for each page, or a `Timeout`.
    """
    sender, numbering = settler.sender, settler.numbering
    order_number = dict(query).get(ORDER_FILTER)
    (_, first), *asked = [each for each in query if each[0] != ORDER_FILTER or not numbering.is_on]

    async def fetch(number: int) -> Page[Charge]:
        with calling(settler.hooks, name, order_number=order_number):
            request = build(LIST_CHARGES, ids={"id": voucher_id}, query=[("page", str(number)), *asked])
            return (await sender.send(request, sender.deadline(timeout))).value

    def view(page: Page[Charge]) -> Page[Charge]:
        return numbering.own_page(cast("ChargePage", page), order_number)

    return Listing(fetch, int(first), view if numbering.is_on else None)
