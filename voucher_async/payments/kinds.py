"""The three kinds of money calls that leave a charge behind: built alike, checked but not sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from voucher_async.errors import InvalidInputType
from voucher_async.models import Charge, ChargeReservationRequest, RefundRequest, Reservation
from voucher_async.operations import CHARGE_RESERVATION, RECHARGE_VOUCHER, REFUND_CHARGE
from voucher_async.outcomes import PendingOutcome
from voucher_async.payments.call import Parameters, new_id
from voucher_async.payments.money_call import MoneyCall
from voucher_async.sansio import Request, build, check_id

if TYPE_CHECKING:
    from voucher_async.models import RechargeRequest
    from voucher_async.money import Amount
    from voucher_async.payments.numbering import Numbering
    from voucher_async.payments.recording import Recorder
    from voucher_async.payments.reservations import Entry, ReservationTracker

__all__ = ["charge_call", "charge_pending", "id_of", "parameters_of", "recharge_call", "refund_call"]


def charge_call(
    numbering: Numbering,
    tracker: ReservationTracker,
    reservation: Reservation | str,
    body: ChargeReservationRequest,
    *,
    currency: str | None,
    recorder: Recorder | None,
) -> tuple[MoneyCall, Request[Charge]]:
    """The charge of a reservation.

    Args:
        numbering: adds a reference to its order number.
        tracker: knows whether the reservation can be charged.
        reservation: the reservation, or its id.
        body: the order it pays for.
        currency: ISO 4217, where it is known.
        recorder: writes its record.

    Raises:
        InvalidInput: the id cannot be right.
        ReservationExpired, ReservationSuperseded, ReservationAlreadyCharged: it cannot be charged any more.
        OutcomeUnknown: an earlier charge of it is open.
    """
    reservation_id = id_of(reservation)
    entry = tracker.check(reservation)
    record_id = None if recorder is None else recorder.id
    if currency is None and entry is not None:
        currency = entry.currency  # a refund of the charge needs it
    pending = charge_pending(entry or reservation, body.order_number, currency, record_id)
    if numbering.is_on:
        pending = numbering.referenced(pending)
        body = attrs.evolve(body, order_number=pending.sent_order_number or body.order_number)
    money_call = MoneyCall(
        pending=pending,
        recorder=recorder,
        on_end=lambda settlement: tracker.settled(reservation_id, settlement),
    )
    if entry is not None:
        money_call.anchor = entry.anchor
        money_call.may_repeat = lambda: tracker.lives(entry)
        money_call.fence = lambda: tracker.fence(entry)
    return money_call, build(CHARGE_RESERVATION, body, ids={"id": reservation_id})


def refund_call(
    numbering: Numbering, charge: Charge | str, amount: Amount, currency: str
) -> tuple[MoneyCall, Request[Charge]]:
    """The refund of a charge, or of a part of it.

    Args:
        numbering: adds a reference to its order number.
        charge: the charge, with the shop's own order number; or its id.
        amount: how much, in currency units.
        currency: ISO 4217.

    Raises:
        InvalidInput: the id, the amount or the currency cannot be right.
    """
    body = RefundRequest(amount=amount, currency=currency)
    whole = charge if isinstance(charge, Charge) else None
    charge_id = charge.id if isinstance(charge, Charge) else charge
    pending = PendingOutcome(
        operation=REFUND_CHARGE.id,
        voucher_id=whole.voucher_id if whole else None,
        charge_id=charge_id,
        amount=body.amount,
        currency=currency,
        order_number=whole.order_number if whole else None,
        since=whole.created_at if whole else None,
    )
    request = build(REFUND_CHARGE, body, ids={"id": charge_id})
    return MoneyCall(pending=numbering.formatted(pending), may_repeat=lambda: True), request


def recharge_call(numbering: Numbering, body: RechargeRequest) -> tuple[MoneyCall, Request[Charge]]:
    """The recharge of a voucher.

    Args:
        numbering: adds a reference to its order number.
        body: the recharge.
    """
    pending = numbering.referenced(
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
    return MoneyCall(pending=pending, may_repeat=lambda: True), request


def parameters_of(pending: PendingOutcome, target: str) -> Parameters:
    """The parameters that two calls with one idempotency key have to agree in.

    Args:
        pending: one of the calls.
        target: the reservation, charge or voucher id, or the digest of the voucher's code.
    """
    # a refund carries the order number of its charge, which is not always known
    is_refund = pending.operation == REFUND_CHARGE.id
    return Parameters(
        operation=pending.operation,
        amount=pending.amount,
        currency=pending.currency,
        order_number=None if is_refund else pending.order_number,
        target=target,
    )


def charge_pending(
    reservation: Reservation | Entry | str,
    order_number: str,
    currency: str | None = None,
    record_id: str | None = None,
) -> PendingOutcome:
    """The facts to look for the charge of a reservation by, should its answer be lost.

    Args:
        reservation: the reservation, what is known of it, or its id.
        order_number: the order it pays for.
        currency: ISO 4217, where it is known.
        record_id: the id of its record; None: a new one.
    """
    if isinstance(reservation, str):
        return PendingOutcome(
            id=record_id or new_id(),
            operation=CHARGE_RESERVATION.id,
            reservation_id=reservation,
            currency=currency,
            order_number=order_number,
        )
    return PendingOutcome(
        id=record_id or new_id(),
        operation=CHARGE_RESERVATION.id,
        voucher_id=reservation.voucher_id,
        reservation_id=reservation.id,
        amount=reservation.amount,
        currency=currency,
        order_number=order_number,
        since=reservation.created_at,
        reserved_by=reservation.client_id,
    )


def id_of(reservation: object) -> str:
    """The id of a reservation.

    Raises:
        InvalidInput: it is none.
    """
    if isinstance(reservation, Reservation):
        return check_id("reservation", reservation.id)
    if not isinstance(reservation, str):
        kind = type(reservation).__name__
        raise InvalidInputType("reservation", f"must be a Reservation or its id, not {kind}", kind)
    return check_id("reservation", reservation)
