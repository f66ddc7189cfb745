"""Refunding a charge so that an answer that gets lost can be settled."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import attrs

from voucher_async.api_errors import ApiError, AuthenticationError, RateLimited
from voucher_async.calls import calling
from voucher_async.errors import Fate, Proof, TransportError, VoucherError
from voucher_async.payments.call import CallState
from voucher_async.payments.evidence import obstacle
from voucher_async.payments.kinds import parameters_of, refund_call
from voucher_async.payments.looking import known_ids
from voucher_async.payments.money_call import CallContext, MoneyCall
from voucher_async.payments.recording import Recorder
from voucher_async.payments.replies import as_not_done, brief

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from decimal import Decimal

    from voucher_async.clock import Deadline
    from voucher_async.models import Charge
    from voucher_async.payments.call import CallRecord
    from voucher_async.payments.settle import Settler
    from voucher_async.sansio import Request

    FindLate = Callable[[CallRecord, CallContext], Awaitable[Charge | None]]

__all__ = ["perform_in_turn", "refund"]


async def refund(
    settler: Settler,
    charge: Charge,
    currency: str,
    *,
    amount: Decimal | None = None,
    key: str | None = None,
    parent: str | None = None,
    record_id: str | None = None,
    deadline: Deadline | None = None,
    find_late: FindLate | None = None,
) -> Charge:
    """Refund a charge in time of its own: the customer's money is worth more than a deadline.

    Args:
        settler: sends it.
        charge: what is refunded.
        currency: ISO 4217.
        amount: how much, in currency units; None: all of it.
        key: the key of its record: of two refunds with one key, one is sent.
        parent: the record of the call that it is part of.
        record_id: the id of its record: of two refunds with one id, one is sent, ever; None: a new one.
        deadline: when to give up; None: in time of its own.
        find_late: finds what an earlier call with the key has refunded after it was refused; None where its
            caller has looked for that.

    Raises:
        OutcomeUnknown: what became of it could not be found out in time.
        VoucherError: it was certainly not refunded.
    """
    value = charge.amount if amount is None else amount
    money_call, request = refund_call(settler.numbering, charge, value, currency)
    record = settler.ownership.new_record(parameters_of(money_call.pending, charge.id), key, record_id)
    recorder = Recorder(settler.ownership, attrs.evolve(record, parent=parent), is_stored=False)
    money_call.record_by(recorder)
    with calling(
        settler.hooks,
        "charges.refund",
        id=record.id,
        order_number=charge.order_number,
        key=key,
        amount=value,
        currency=currency,
    ):
        async with settler.equal_calls.turn(
            money_call, deadline or settler.sender.deadline(settler.patience)
        ):
            context = CallContext(deadline or settler.sender.deadline(), money_call.pending)
            context.recorder = recorder
            try:
                # before the known ids are read: a copy's refund is none that was there before its request
                late = None if find_late is None or key is None else await find_late(recorder.record, context)
                refunded = late or await _perform_knowing(settler, context, money_call, request)
            except BaseException as error:
                await recorder.raised(error, context.pending if context.begun else None)
                raise
        await recorder.done(refunded, told=True)
        if late is not None and recorder.record.state is not CallState.DONE:
            settler.registry.let_go(late.id)  # the key's next caller finds it again
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
    """True when reading was refused for a reason that says nothing about the call itself."""
    final = isinstance(error, ApiError) and not isinstance(error, (AuthenticationError, RateLimited))
    return final and error.fate is Fate.ANSWERED
