"""Recharging a voucher so that an answer that gets lost can be settled, and a key names one recharge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from voucher_async.operations import RECHARGE_VOUCHER
from voucher_async.payments.call import Parameters
from voucher_async.payments.joining import Ask
from voucher_async.payments.money_call import MoneyCall
from voucher_async.payments.refunds import perform_in_turn
from voucher_async.pending import PendingOutcome
from voucher_async.sansio import build

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
        settler: sends it.
        joining: idempotency keys.
        body: the recharge, checked.
        key: the idempotency key.
        deadline: when to give up.
    """
    pending = settler.numbering.referenced(
        PendingOutcome(
            operation=RECHARGE_VOUCHER.id,
            voucher_id=body.id,
            amount=body.amount,
            currency=body.currency,
            order_number=body.order_number,
        )
    )
    sent = attrs.evolve(body, order_number=pending.sent_order_number or body.order_number)
    request = build(RECHARGE_VOUCHER, sent, secrets=(body.code,))
    parameters = Parameters(
        operation=RECHARGE_VOUCHER.id,
        amount=body.amount,
        currency=body.currency,
        order_number=body.order_number,
        target=body.id or await joining.ownership.digest(body.code or ""),
    )

    async def call(context: CallContext) -> Charge:
        money_call = MoneyCall(pending=pending, may_repeat=lambda: True)
        money_call.record_by(context.recorder)
        if body.id is None:
            return await settler.perform(context, money_call, request)
        return await perform_in_turn(settler, context, money_call, request)

    return await joining.charge(Ask(parameters=parameters, key=key, pending=pending), deadline, call)
