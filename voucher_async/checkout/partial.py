"""Reserving as much of an amount as a voucher holds, for split payment.

The API cannot look a voucher up by its code. A reservation of 0.01 shows the voucher's id, a read its
balance, and one more reservation replaces the first: three or four requests more than a plain reservation,
and only when the whole amount was refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from voucher_async.api_errors import Conflict, MissingScope, NotFound, ValidationFailed
from voucher_async.money import CENT, total
from voucher_async.operations import GET_VOUCHER
from voucher_async.sansio import build

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from voucher_async.clock import Deadline
    from voucher_async.models import Reservation
    from voucher_async.payments.reservations import Entry
    from voucher_async.payments.sender import Sender
    from voucher_async.resources.reservations import Reservations
    from voucher_async.sansio import Request

__all__ = ["reserve_partially"]

_REFUSALS: Final = (Conflict, ValidationFailed, NotFound, MissingScope)


async def reserve_partially(
    sender: Sender,
    reservations: Reservations,
    request_for: Callable[[Decimal], Request[Reservation]],
    amount: Decimal,
    deadline: Deadline,
) -> tuple[tuple[Reservation, Entry], Request[Reservation]]:
    """Reserve the amount, or the voucher's balance when that is less.

    It is not documented which refusal means "not enough", so any refusal of the whole amount is followed up.
    When even 0.01 is refused, the reason is another one, and that refusal is raised.

    Args:
        sender: sends the read.
        reservations: makes the reservations.
        request_for: the request that reserves a given amount, in currency units.
        amount: the amount wanted, in currency units.
        deadline: for all requests together.

    Returns:
        The reservation with its entry in the tracker, and the request that made it.

    Raises:
        ApiError: nothing can be reserved; or the read was refused (it needs the scope `read`).
        TransportError: no answer.
    """

    async def reserve(value: Decimal) -> tuple[tuple[Reservation, Entry], Request[Reservation]]:
        request = request_for(value)
        return await reservations.make(request, deadline), request

    try:
        return await reserve(amount)
    except _REFUSALS:
        if amount == CENT:
            raise
    probed = await reserve(CENT)
    (probe, _), _ = probed
    read = build(GET_VOUCHER, ids={"id": probe.voucher_id})
    left = (await sender.send(read, deadline)).value.remaining_amount
    # it is not documented whether an open reservation lowers `remaining_amount`: the balance that was read
    # may lack the cent that the probe reserved
    for value in (min(total((left, CENT)), amount), min(left, amount)):
        if value <= CENT:
            return probed
        try:
            return await reserve(value)
        except _REFUSALS as error:
            refusal = error
    raise refusal
