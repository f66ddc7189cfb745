"""Confirming that earlier requests of a payment have had no effect, before money is asked for anew."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

from voucher_async.errors import Proof
from voucher_async.payments.evidence import Move
from voucher_async.payments.facts import Event, Facts
from voucher_async.payments.pauses import growing

if TYPE_CHECKING:
    from voucher_async.api_errors import ApiError
    from voucher_async.models import Charge
    from voucher_async.payments.judging import Verdict
    from voucher_async.payments.money_call import CallContext, MoneyCall
    from voucher_async.payments.settle import Settler

__all__ = ["Confirmed", "confirm", "look_behind"]

_LONGEST_PAUSE: Final = 4.0
_LONGEST_BEHIND: Final = 1.0  # where a balance that is dated after the fence shortens the wait
_BEHIND_A_FENCE: Final = (Proof.FENCED,)  # a fence that is newer than the request makes the window irrelevant
_WITHOUT: Final = (Proof.ABSENT, Proof.REFUSED)


class Confirmed(enum.Enum):
    """The result of confirming."""

    FOUND = "it was carried out: the charge is in the finding"
    CLEARED = "nothing was carried out, and nothing will be"
    UNCLEAR = "that cannot be told, or not in time"


async def confirm(settler: Settler, context: CallContext, money_call: MoneyCall) -> Confirmed:
    """Look until it is clear what earlier requests have done, or the deadline has passed.

    Args:
        settler: looks.
        context: the call that would ask for money anew.
        money_call: the earlier requests.
    """
    pauses = growing(_LONGEST_PAUSE if money_call.call.fenced_at is None else _LONGEST_BEHIND)
    while context.deadline.left() > 0:
        verdict = await settler.judge.look(money_call, context.deadline)
        if verdict.move is Move.DONE:
            settler.advance(money_call, Event.FOUND, verdict.facts)
            return Confirmed.FOUND
        if _is_cleared(settler, money_call, verdict):
            return Confirmed.CLEARED
        if verdict.move is Move.OPEN or money_call.hopeless:
            break
        await settler.pauses.wait_within(next(pauses), context.deadline)
    return Confirmed.UNCLEAR


def _is_cleared(settler: Settler, money_call: MoneyCall, verdict: Verdict) -> bool:
    if not verdict.is_absent or not money_call.call.in_doubt:
        return verdict.is_absent
    for proof in _WITHOUT if money_call.call.fenced_at is None else _BEHIND_A_FENCE:
        facts = verdict.facts._replace(proof=proof)
        if settler.machine.may(money_call.call, Event.CLEARED, facts):
            settler.advance(money_call, Event.CLEARED, facts)
            return True
    return False


async def look_behind(
    settler: Settler,
    context: CallContext,
    money_call: MoneyCall,
    refusal: ApiError,
    reservation_id: str | None,
) -> Charge | None:
    """Make sure that a refused charge was not carried out by another delivery, now that none can be any more.

    The refusal was looked into twice already. What a delivery did between those looks and the fence is shown
    by the list and by the balance; where they do not agree, or the balance may not be read, `list_lag` is
    waited out from here on.

    Args:
        settler: looks.
        context: the call.
        money_call: the refused charge.
        refusal: its refusal, raised when nothing can be confirmed.
        reservation_id: the new reservation, which has just replaced that of the charge. One that was refused
            proves nothing (the charge may have emptied the voucher): then there is one look, which may find
            the charge.

    Returns:
        The charge, if it was carried out; None if it was not, and never will be.

    Raises:
        ApiError: the refusal, which stands: nothing is fenced, or no look could be made.
        OutcomeUnknown: an entry may be that of the charge.
    """
    settler.advance(money_call, Event.CLAIMED)  # ended by a refusal; its next record inherits the doubt
    if reservation_id is None:
        verdict = await settler.judge.look(money_call, context.deadline)
        found = Confirmed.FOUND if verdict.move is Move.DONE else Confirmed.UNCLEAR
    else:
        facts = Facts(settler.clock.monotonic(), target=reservation_id)
        settler.advance(money_call, Event.RESERVED, facts)
        found = await confirm(settler, context, money_call)
    if found is Confirmed.FOUND:
        return settler.finish(context, money_call, money_call.finding.ours[0])
    if found is Confirmed.CLEARED:
        return None
    if money_call.finding.ours or money_call.finding.unclear:
        raise settler.not_clear(money_call)
    raise refusal
