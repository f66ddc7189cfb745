"""Recharging a voucher: a lost answer can be settled, and a key names one recharge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voucher_async.payments.joining import Ask
from voucher_async.payments.kinds import parameters_of, recharge_call
from voucher_async.payments.refunds import perform_in_turn

if TYPE_CHECKING:
    from voucher_async.clock import Deadline
    from voucher_async.models import Charge, RechargeRequest
    from voucher_async.payments.joining import Joining
    from voucher_async.payments.money_call import CallContext
    from voucher_async.payments.settle import Settler

__all__ = ["recharge"]


async def recharge(
    settler: Settler, joining: Joining, body: RechargeRequest, key: str | None, deadline: Deadline
) -> Charge:
    """Recharge a voucher; documented at `Vouchers.recharge`.

    Args:
        settler: sends the request, and settles a lost answer.
        joining: idempotency keys.
        body: the recharge, checked.
        key: the idempotency key.
        deadline: when to give up.
    """
    money_call, request = recharge_call(settler.numbering, body)
    target = body.id or await joining.ownership.digest(body.code or "", deadline)
    parameters = parameters_of(money_call.pending, target)

    async def call(context: CallContext) -> Charge:
        money_call.record_by(context.recorder)
        if body.id is None:
            return await settler.perform(context, money_call, request)
        return await perform_in_turn(settler, context, money_call, request)

    ask = Ask(parameters=parameters, key=key, pending=money_call.pending)
    return await joining.charge(ask, deadline, call)
