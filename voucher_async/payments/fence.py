"""Looking behind a fence: once more, after a new reservation has ended that of a refused charge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voucher_async.payments.evidence import Move

if TYPE_CHECKING:
    from voucher_async.errors import ApiError
    from voucher_async.models import Charge
    from voucher_async.payments.money_call import CallContext, MoneyCall
    from voucher_async.payments.settle import Settler

__all__ = ["look_behind"]


async def look_behind(
    settler: Settler, context: CallContext, money_call: MoneyCall, refusal: ApiError, *, is_fenced: bool
) -> Charge | None:
    """Make sure that a refused charge was not carried out by another delivery, now that none can be any more.

    The refusal was looked into twice already. What a delivery did between those looks and the fence is shown
    by the list and by the balance; where they do not agree, or the balance may not be read, `list_lag` is
    waited out from here on.

    Args:
        settler: looks.
        context: the call.
        money_call: the refused charge.
        refusal: what it was refused with, and raised when nothing can be made sure of.
        is_fenced: a new reservation has just replaced that of the charge. One that was refused proves nothing
            (the charge may have emptied the voucher): then there is one more look, which may find it.

    Returns:
        The charge, if it was carried out; None if a complete look does not show it, which proves nothing new
        where nothing is fenced.

    Raises:
        ApiError: the refusal, which stands: nothing is fenced, or no look could be made.
        OutcomeUnknown: an entry may be that of the charge.
    """
    money_call.last = settler.clock.monotonic()
    while context.deadline.left() > 0 and not context.abandoned:
        move, _ = await settler.judge.look(money_call, context.deadline)
        if move is Move.DONE:
            return settler.finish(context, money_call, money_call.finding.ours[0])
        if move in {Move.REFUSED, Move.NOT_DONE}:
            return None
        if not is_fenced or move is Move.OPEN or money_call.hopeless:
            break
        await settler.pause(money_call, 0.0, context.deadline)
    if money_call.finding.ours or money_call.finding.unclear:
        raise settler.not_clear(money_call)
    raise refusal
