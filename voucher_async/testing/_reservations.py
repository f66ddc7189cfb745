"""Reserve an amount, then charge it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import attrs

from voucher_async.testing._charges import new_charge
from voucher_async.testing._ledger import moved
from voucher_async.testing._records import ReservationRecord, VoucherRecord, add
from voucher_async.testing._refusals import Refusal, conflict, not_found
from voucher_async.testing._rules import CENT, Form
from voucher_async.testing._state import Outcome
from voucher_async.testing._telling import told
from voucher_async.testing._views import charge_view, reservation_view
from voucher_async.testing._vouchers import expired

if TYPE_CHECKING:
    from voucher_async.testing._state import Command

__all__ = ["LASTS", "charge_reservation", "create_reservation"]

LASTS = dt.timedelta(minutes=30)


def create_reservation(command: Command) -> Outcome:
    """Operation 11: replaces the open reservation of the same voucher, if there is one."""
    form = Form("RESERVATION.CREATE", command.body)
    amount, currency = form.money("amount", smallest=CENT), form.currency()
    code, pin = form.required_text("code", longest=255), form.text("pin", longest=255)
    form.check()
    voucher = command.voucher_of(code)
    if voucher is None:
        raise not_found("VOUCHER")
    if currency != voucher.currency:
        form.refuse("currency", "matches_voucher")
    _check_pin(form, voucher, pin)
    form.check()
    _check_usable(command, voucher, "RESERVATION.CREATE")
    if amount > voucher.balance:
        raise _too_little(command, "RESERVATION.CREATE")
    reservation = ReservationRecord(
        id=command.mint.id(),
        voucher_id=voucher.id,
        client_id=command.client_id,
        amount=amount,
        valid_until=(stamp := command.stamp_of("reservation")) + LASTS,
        created_at=stamp,
        updated_at=stamp,
        ends_at=command.stamp + LASTS,
    )
    return Outcome(body=reservation_view(reservation, voucher), changes=(reservation,))


def _check_pin(form: Form, voucher: VoucherRecord, pin: str | None) -> None:
    # A printed voucher's PIN is asked for; anywhere else a PIN is compared only when it was sent.
    if voucher.pin is None:
        return
    if pin is None and voucher.type == "print":
        form.refuse("pin", "required")
    elif pin is not None and pin != voucher.pin:
        form.refuse("pin", "matches_voucher")


def _check_usable(command: Command, voucher: VoucherRecord, prefix: str) -> None:
    status = command.options.conflict_status
    if voucher.status != "active":
        raise conflict(status, f"{prefix}.VOUCHER_INACTIVE", "The voucher is inactive.")
    if expired(command, voucher):
        raise conflict(status, f"{prefix}.VOUCHER_EXPIRED", "The voucher is no longer valid.")


def _too_little(command: Command, prefix: str) -> Refusal:
    return conflict(
        command.options.conflict_status,
        f"{prefix}.INSUFFICIENT_BALANCE",
        "The voucher does not hold that much.",
    )


def charge_reservation(command: Command) -> Outcome:
    """Operation 12: takes the whole reserved amount, once, while the reservation lasts and is the newest."""
    reservation = command.state.reservations.get(command.ids["id"])
    if reservation is None or reservation.voucher_id not in command.state.vouchers:
        raise not_found("RESERVATION")
    form = Form("RESERVATION.CHARGE", command.body)
    order_number = form.required_text("order_number", longest=255)
    form.check()
    voucher = command.state.vouchers[reservation.voucher_id]
    _check_chargeable(command, reservation)
    _check_usable(command, voucher, "RESERVATION.CHARGE")
    if reservation.amount > voucher.balance:
        raise _too_little(command, "RESERVATION.CHARGE")
    return _charged(command, voucher, reservation, order_number)


def _check_chargeable(command: Command, reservation: ReservationRecord) -> None:
    status = command.options.conflict_status
    if reservation.charged and not command.options.allow_double_charge:
        raise conflict(status, "RESERVATION.CHARGE.ALREADY_CHARGED", "The reservation was charged already.")
    if command.state.newest.get(reservation.voucher_id) != reservation.id:
        raise conflict(status, "RESERVATION.CHARGE.SUPERSEDED", "A newer reservation replaced this one.")
    if command.now >= reservation.ends_at:
        raise conflict(status, "RESERVATION.CHARGE.EXPIRED", "The reservation has expired.")


def _charged(
    command: Command, voucher: VoucherRecord, reservation: ReservationRecord, order_number: str
) -> Outcome:
    charge = attrs.evolve(
        new_charge(command, voucher, "charge", reservation.amount, order_number),
        reservation_id=reservation.id,
    )
    charge, body = told(command, charge, charge_view(charge))
    reservation = attrs.evolve(reservation, charged=True, updated_at=command.stamp_of("reservation"))
    voucher = attrs.evolve(
        voucher, charged=add(voucher.charged, charge.amount), updated_at=command.stamp_of("voucher")
    )
    return Outcome(body=body, changes=(voucher, reservation, charge, moved(voucher, charge)))
