"""Lists of charges, which show the shop's own order numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from voucher_async.operations import LIST_CHARGES
from voucher_async.resources.paging import ORDER_FILTER, Listing, Page
from voucher_async.sansio import build

if TYPE_CHECKING:
    from voucher_async.config import Timeout
    from voucher_async.models import Charge, ChargePage
    from voucher_async.payments.numbering import Numbering
    from voucher_async.payments.sender import Sender

__all__ = ["charge_listing"]


def charge_listing(
    sender: Sender,
    numbering: Numbering,
    voucher_id: str,
    query: list[tuple[str, str]],
    timeout: float | Timeout | None,
) -> Listing[Charge]:
    """The listing of a voucher's charges.

    The server filters by whole order numbers, references included: with references all pages are read, and
    filtered here.

    Args:
        sender: sends the requests.
        numbering: adds references to order numbers, and removes them.
        voucher_id: the voucher.
        query: the query, the page to start with first; see `list_query`.
        timeout: seconds for each page, or a `Timeout`.
    """
    order_number = dict(query).get(ORDER_FILTER)
    (_, first), *asked = [each for each in query if each[0] != ORDER_FILTER or not numbering.is_on]

    async def fetch(number: int) -> Page[Charge]:
        request = build(LIST_CHARGES, ids={"id": voucher_id}, query=[("page", str(number)), *asked])
        return (await sender.send(request, sender.deadline(timeout))).value

    def view(page: Page[Charge]) -> Page[Charge]:
        return numbering.own_page(cast("ChargePage", page), order_number)

    return Listing(fetch, int(first), view if numbering.is_on else None)
