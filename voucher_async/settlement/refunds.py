"""Refunding a charge so that an answer that gets lost can be settled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from voucher_async.errors import ApiError, AuthenticationError, Fate, RateLimited, VoucherError
from voucher_async.models import Charge, ChargeType, RefundRequest
from voucher_async.operations import REFUND_CHARGE
from voucher_async.pending import PendingOutcome
from voucher_async.sansio import build
from voucher_async.settlement.case import Case, Flow
from voucher_async.settlement.expected import charge_of
from voucher_async.settlement.looking import known_ids
from voucher_async.settlement.rules import obstacle

if TYPE_CHECKING:
    from voucher_async.money import Amount
    from voucher_async.sansio import Request
    from voucher_async.settlement.engine import Engine

__all__ = ["perform_in_turn", "refund", "refund_case"]


def refund_case(charge: Charge | str, amount: Amount, currency: str) -> tuple[Case, Request[Charge]]:
    """A refund, checked but not sent.

    Raises:
        InvalidInput: the id, the amount or the currency cannot be right.
    """
    body = RefundRequest(amount=amount, currency=currency)
    whole = charge if isinstance(charge, Charge) else None
    charge_id = charge.id if isinstance(charge, Charge) else charge
    voucher_id = whole.voucher_id if whole else None
    request = build(
        REFUND_CHARGE,
        body,
        ids={"id": charge_id},
        check=charge_of(ChargeType.refund, body.amount, voucher_id),
    )
    case = Case(
        pending=PendingOutcome(
            operation=REFUND_CHARGE.id,
            voucher_id=voucher_id,
            charge_id=charge_id,
            amount=body.amount,
            currency=currency,
            order_number=whole.order_number if whole else None,
            since=whole.created_at if whole else None,
        ),
        may_repeat=lambda: True,
    )
    return case, request


async def refund(engine: Engine, charge: Charge, currency: str) -> Charge:
    """Refund a whole charge in time of its own: the customer's money is worth more than a deadline.

    Raises:
        OutcomeUnknown: what became of it could not be found out in time.
        VoucherError: it was certainly not refunded.
    """
    case, request = refund_case(charge, charge.amount, currency)
    async with engine.lines.turn(case, engine.sender.deadline(engine.patience)):
        return await _perform_knowing(engine, Flow(engine.sender.deadline()), case, request)


async def perform_in_turn(engine: Engine, flow: Flow, case: Case, request: Request[Charge]) -> Charge:
    """Wait until no equal call is in doubt, read what is there, then send.

    Raises:
        OutcomeUnknown: what became of it could not be found out in time.
        VoucherError: it was certainly not carried out; also when an equal call took too long.
    """
    async with engine.lines.turn(case, flow.deadline):
        return await _perform_knowing(engine, flow, case, request)


async def _perform_knowing(engine: Engine, flow: Flow, case: Case, request: Request[Charge]) -> Charge:
    """Read what is there, then send: two equal refunds look alike, only the ids tell the new one apart.

    When reading is refused it is sent all the same; should its answer get lost then, it stays open.
    """
    if obstacle(case.pending) is None:
        try:
            known = await known_ids(engine.sender, case.pending, flow.deadline)
        except VoucherError as error:
            if not _is_refused(error):
                error.fate = Fate.NOT_SENT  # whatever became of the reading
                raise
            known = None
        case.pending = attrs.evolve(case.pending, known=known)
    case.anchor = engine.stamps.latest
    return await engine.perform(flow, case, request)


def _is_refused(error: VoucherError) -> bool:
    """Whether reading was refused for a reason that says nothing about the call itself."""
    final = isinstance(error, ApiError) and not isinstance(error, (AuthenticationError, RateLimited))
    return final and error.fate is Fate.ANSWERED
