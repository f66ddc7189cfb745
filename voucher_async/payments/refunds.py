"""Refunding a charge so that an answer that gets lost can be settled."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import attrs

from voucher_async.errors import (
    ApiError,
    AuthenticationError,
    Fate,
    Proof,
    RateLimited,
    TransportError,
    VoucherError,
)
from voucher_async.models import Charge, RefundRequest
from voucher_async.operations import REFUND_CHARGE
from voucher_async.payments.call import Parameters
from voucher_async.payments.evidence import obstacle
from voucher_async.payments.looking import known_ids
from voucher_async.payments.money_call import CallContext, MoneyCall
from voucher_async.payments.recording import Recorder, noted
from voucher_async.payments.replies import as_not_done, brief
from voucher_async.pending import PendingOutcome
from voucher_async.sansio import build

if TYPE_CHECKING:
    from voucher_async.money import Amount
    from voucher_async.payments.numbering import Numbering
    from voucher_async.payments.settle import Settler
    from voucher_async.sansio import Request

__all__ = ["perform_in_turn", "refund", "refund_case", "refund_parameters"]


def refund_case(
    numbering: Numbering, charge: Charge | str, amount: Amount, currency: str
) -> tuple[MoneyCall, Request[Charge]]:
    """A refund, checked but not sent.

    Args:
        numbering: what its order number may carry.
        charge: what is refunded, with the shop's own order number; or its id.
        amount: how much, in currency units.
        currency: ISO 4217.

    Raises:
        InvalidInput: the id, the amount or the currency cannot be right.
    """
    body = RefundRequest(amount=amount, currency=currency)
    whole = charge if isinstance(charge, Charge) else None
    charge_id = charge.id if isinstance(charge, Charge) else charge
    voucher_id = whole.voucher_id if whole else None
    request = build(REFUND_CHARGE, body, ids={"id": charge_id})
    pending = PendingOutcome(
        operation=REFUND_CHARGE.id,
        voucher_id=voucher_id,
        charge_id=charge_id,
        amount=body.amount,
        currency=currency,
        order_number=whole.order_number if whole else None,
        since=whole.created_at if whole else None,
    )
    return MoneyCall(pending=numbering.formatted(pending), may_repeat=lambda: True), request


def refund_parameters(pending: PendingOutcome) -> Parameters:
    """What two refunds with one idempotency key have to agree in."""
    return Parameters(
        operation=REFUND_CHARGE.id,
        amount=pending.amount,
        currency=pending.currency,
        target=pending.charge_id or "",
    )


async def refund(
    settler: Settler, charge: Charge, currency: str, *, key: str | None = None, parent: str | None = None
) -> Charge:
    """Refund a whole charge in time of its own: the customer's money is worth more than a deadline.

    Args:
        settler: sends it.
        charge: what is refunded.
        currency: ISO 4217.
        key: the key of its record: of two refunds with one key, one is sent.
        parent: the record of the checkout that it is part of.

    Raises:
        OutcomeUnknown: what became of it could not be found out in time.
        VoucherError: it was certainly not refunded.
    """
    money_call, request = refund_case(settler.numbering, charge, charge.amount, currency)
    record = settler.ownership.new_record(refund_parameters(money_call.pending), key)
    recorder = Recorder(settler.ownership, attrs.evolve(record, parent=parent), is_stored=False)
    money_call.record_by(recorder)
    async with settler.equal_calls.turn(money_call, settler.sender.deadline(settler.patience)):
        context = CallContext(settler.sender.deadline(), money_call.pending)
        refunding = _perform_knowing(settler, context, money_call, request)
        refunded = await noted(recorder, refunding, lambda: context.pending if context.begun else None)
    await recorder.done(refunded, told=True)
    return refunded


async def perform_in_turn(
    settler: Settler, context: CallContext, money_call: MoneyCall, request: Request[Charge]
) -> Charge:
    """Wait until no equal call is in doubt, read what is there, then send.

    Raises:
        OutcomeUnknown: what became of it could not be found out in time.
        VoucherError: it was certainly not carried out; also when an equal call took too long.
    """
    async with settler.equal_calls.turn(money_call, context.deadline):
        return await _perform_knowing(settler, context, money_call, request)


async def _perform_knowing(
    settler: Settler, context: CallContext, money_call: MoneyCall, request: Request[Charge]
) -> Charge:
    """Read what is there, then send: two equal refunds look alike, only the ids tell the new one apart.

    When reading is refused it is sent all the same; should its answer get lost then, it stays open.
    """
    if obstacle(money_call.pending) is None:
        known, whole = await _known(settler, context, money_call)
        money_call.pending = attrs.evolve(money_call.pending, known=known, known_whole=whole)
    money_call.anchor = settler.timestamps.latest
    return await settler.perform(context, money_call, request)


async def _known(
    settler: Settler, context: CallContext, money_call: MoneyCall
) -> tuple[tuple[str, ...] | None, bool]:
    try:
        return await known_ids(settler.looking, money_call.pending, context.deadline, settler.pauses)
    except VoucherError as error:
        if _is_refused(error):
            return None, False
        raise _not_begun(money_call, error) from error


def _not_begun(money_call: MoneyCall, error: VoucherError) -> VoucherError:
    """The error for a call that was not sent because reading before it failed."""
    operation = money_call.pending.operation
    text = f"{operation} was not sent: reading the voucher's charges first failed ({brief(error)})"
    if isinstance(error, ApiError):
        failure: VoucherError = copy.copy(error)
        failure.args = (text,)
    elif isinstance(error, TransportError):
        failure = type(error)(text, fate=Fate.NOT_SENT, facts=error.facts)
    else:
        failure = type(error)(text, facts=error.facts)
    failure.fate = Fate.NOT_SENT
    return as_not_done(failure, Proof.NOT_SENT)


def _is_refused(error: VoucherError) -> bool:
    """Whether reading was refused for a reason that says nothing about the call itself."""
    final = isinstance(error, ApiError) and not isinstance(error, (AuthenticationError, RateLimited))
    return final and error.fate is Fate.ANSWERED
