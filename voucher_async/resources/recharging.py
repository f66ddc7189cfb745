"""Recharging a voucher so that an answer that gets lost can be settled, and a key names one recharge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from voucher_async.operations import RECHARGE_VOUCHER
from voucher_async.payments.call import Parameters
from voucher_async.pending import PendingOutcome
from voucher_async.sansio import build
from voucher_async.settlement import Ask, Case
from voucher_async.settlement.refunds import perform_in_turn

if TYPE_CHECKING:
    from voucher_async.clock import Deadline
    from voucher_async.models import Charge, RechargeRequest
    from voucher_async.settlement import Engine, Flow, Joining

__all__ = ["recharge"]


async def recharge(
    engine: Engine, joining: Joining, body: RechargeRequest, key: str | None, deadline: Deadline
) -> Charge:
    """Recharge a voucher; documented at `Vouchers.recharge`.

    Args:
        engine: sends it.
        joining: idempotency keys.
        body: the recharge, checked.
        key: the idempotency key.
        deadline: when to give up.
    """
    pending = engine.numbering.referenced(
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

    async def call(flow: Flow) -> Charge:
        case = Case(pending=pending, may_repeat=lambda: True)
        case.record_by(flow.recorder)
        if body.id is None:
            return await engine.perform(flow, case, request)
        return await perform_in_turn(engine, flow, case, request)

    return await joining.charge(Ask(parameters=parameters, key=key, pending=pending), deadline, call)
