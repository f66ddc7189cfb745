"""Looking at a voucher for what a request may have left there."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from voucher_async.errors import BadAnswer, NotFound, ValidationFailed
from voucher_async.operations import GET_VOUCHER, LIST_CHARGES
from voucher_async.sansio import build
from voucher_async.settlement.rules import RULES

if TYPE_CHECKING:
    from voucher_async.clock import Deadline
    from voucher_async.models import Charge, VoucherDetails
    from voucher_async.pending import PendingOutcome
    from voucher_async.settlement.sender import Sender

__all__ = ["find_voucher", "is_what_was_asked", "known_ids", "read_charges", "read_currency"]

_PER_PAGE: Final = ("per_page", "100")
_PAGES: Final = 100
_BEFORE: Final = dt.timedelta(days=1)


async def read_charges(sender: Sender, pending: PendingOutcome, deadline: Deadline) -> list[Charge]:
    """Read those charges of a voucher among which the request's must be, if it was carried out.

    Raises:
        VoucherError: they could not be read, or not all of them.
    """
    narrow = _filter(pending)
    try:
        return await _read_pages(sender, pending, [_PER_PAGE, *narrow], deadline)
    except ValidationFailed:
        # how many a page may hold is not documented: leave that to the server
        return await _read_pages(sender, pending, narrow, deadline)


async def _read_pages(
    sender: Sender, pending: PendingOutcome, fixed: list[tuple[str, str]], deadline: Deadline
) -> list[Charge]:
    charges: dict[str, Charge] = {}
    for number in range(1, _PAGES + 1):
        query = [("page", str(number)), *fixed]
        request = build(LIST_CHARGES, ids={"id": pending.voucher_id or ""}, query=query)
        page = (await sender.send(request, deadline)).value
        charges.update((charge.id, charge) for charge in page.data)
        if not page.data or number >= page.meta.last_page:
            return list(charges.values())
    error = BadAnswer("HTTP 200 with a list that does not end", status=200)
    error.problem = "a list that does not end"
    raise error


def _filter(pending: PendingOutcome) -> list[tuple[str, str]]:
    order_number = pending.order_number or ""
    # a server that trims what it stores may not trim what it looks for
    if RULES[pending.operation].by_order and order_number == order_number.strip():
        return [("filter[order_number]", order_number)]
    if pending.since is not None:
        # only to read less: whether the bound itself is included, nobody knows
        return [("filter[created_from]", (pending.since - _BEFORE).isoformat(timespec="seconds"))]
    return []


async def known_ids(sender: Sender, pending: PendingOutcome, deadline: Deadline) -> tuple[str, ...]:
    """The ids of what looks like the request's effect before it was sent.

    Raises:
        VoucherError: they could not be read.
    """
    kind = RULES[pending.operation].kind
    charges = await read_charges(sender, pending, deadline)
    return tuple(charge.id for charge in charges if charge.type == kind and charge.amount == pending.amount)


async def find_voucher(sender: Sender, pending: PendingOutcome, deadline: Deadline) -> VoucherDetails | None:
    """The voucher; None when there is none.

    Raises:
        VoucherError: it could not be read.
    """
    request = build(GET_VOUCHER, ids={"id": pending.voucher_id or ""})
    try:
        return (await sender.send(request, deadline)).value
    except NotFound:
        return None


def is_what_was_asked(voucher: VoucherDetails, pending: PendingOutcome) -> bool:
    """Whether a voucher is the one that was to be created, as far as the outcome says what that was."""
    order = (voucher.order_number or "").strip()
    asked = (pending.amount, pending.currency, (pending.order_number or "").strip())
    return (voucher.amount, voucher.currency, order) == asked


async def read_currency(sender: Sender, pending: PendingOutcome, deadline: Deadline) -> str | None:
    """The currency of the voucher, read only when the call did not name it.

    Raises:
        VoucherError: it could not be read.
    """
    if pending.currency is not None:
        return pending.currency
    voucher = await find_voucher(sender, pending, deadline)
    return voucher.currency if voucher else None
