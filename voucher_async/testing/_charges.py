"""Operations that move money back or in: refund and recharge; and reading one charge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs

from voucher_async.testing._ledger import moved
from voucher_async.testing._records import ChargeRecord, VoucherRecord, add, subtract
from voucher_async.testing._refusals import conflict, not_found
from voucher_async.testing._rules import CENT, LARGEST, Form
from voucher_async.testing._state import Outcome
from voucher_async.testing._telling import read, told
from voucher_async.testing._views import charge_view
from voucher_async.testing._vouchers import expired, find_voucher

if TYPE_CHECKING:
    from decimal import Decimal

    from voucher_async.testing._state import Command

__all__ = ["get_charge", "new_charge", "recharge_voucher", "refund_charge"]


def new_charge(
    command: Command,
    voucher: VoucherRecord,
    type: Literal["charge", "recharge", "refund"],
    amount: Decimal,
    order_number: str,
) -> ChargeRecord:
    """A charge object, not yet committed."""
    stamp = command.stamp_of(type)
    return ChargeRecord(
        id=command.mint.id(),
        voucher_id=voucher.id,
        client_id=command.client_id,
        type=type,
        amount=amount,
        order_number=command.habits.stored(order_number),
        created_at=stamp,
        updated_at=stamp,
        sent_order_number=order_number,
        made_at=command.stamp,
    )


def get_charge(command: Command) -> Outcome:
    """Operation 9."""
    voucher = find_voucher(command)
    charge = command.state.charges.get(command.ids["charge_id"])
    if charge is None or charge.voucher_id != voucher.id:
        raise not_found("CHARGE")
    return Outcome(body=read(command, charge, charge_view(charge)))


def refund_charge(command: Command) -> Outcome:
    """Operation 13: 0.01 to what is left of the charge, also on an inactive or expired voucher."""
    charge = command.state.charges.get(command.ids["id"])
    if charge is None:
        raise not_found("CHARGE")
    form = Form("CHARGE.REFUND", command.body)
    amount, currency = form.money("amount", smallest=CENT), form.currency()
    form.check()
    voucher = command.state.vouchers[charge.voucher_id]
    if currency != voucher.currency:
        form.refuse("currency", "matches_voucher")
    form.check()
    _check_refund(command, form, charge, amount)
    return _refunded(command, voucher, charge, amount)


def _check_refund(command: Command, form: Form, charge: ChargeRecord, amount: Decimal) -> None:
    status = command.options.conflict_status
    left = subtract(charge.amount, charge.refunded)
    if charge.type != "charge":
        raise conflict(status, "CHARGE.REFUND.NOT_REFUNDABLE", f"A {charge.type} cannot be refunded.")
    if not left:
        raise conflict(status, "CHARGE.REFUND.ALREADY_REFUNDED", "The charge is refunded in full.")
    if amount > left:
        form.refuse("amount", "max", left)
    form.check()


def _refunded(command: Command, voucher: VoucherRecord, charge: ChargeRecord, amount: Decimal) -> Outcome:
    refund = attrs.evolve(
        new_charge(command, voucher, "refund", amount, charge.sent_order_number),
        refund_of=charge.id,
        order_number=command.habits.stored(charge.order_number),
    )
    refund, body = told(command, refund, charge_view(refund))
    charge = attrs.evolve(
        charge, refunded=add(charge.refunded, amount), updated_at=command.stamp_of("charge")
    )
    voucher = attrs.evolve(
        voucher, refunded=add(voucher.refunded, amount), updated_at=command.stamp_of("voucher")
    )
    return Outcome(body=body, changes=(voucher, charge, refund, moved(voucher, refund)))


def recharge_voucher(command: Command) -> Outcome:
    """Operation 10: credit for a voucher named by `code` or `id`, active or not, unless it expired."""
    form = Form("VOUCHER.RECHARGE", command.body)
    amount, currency = form.money("amount", smallest=CENT), form.currency()
    order_number = form.required_text("order_number", longest=255)
    code, id = form.text("code", longest=255), form.text("id", longest=255)
    if (code is None) == (id is None):
        form.refuse("code", "required_without" if code is None else "prohibits", "id")
    form.check()
    voucher = command.state.vouchers.get(id) if id else command.voucher_of(code or "")
    if voucher is None:
        raise not_found("VOUCHER")
    _check_recharge(command, form, voucher, currency)
    room = subtract(LARGEST, voucher.amount, voucher.recharged)
    if amount > room:
        form.refuse("amount", "max", room)
    form.check()
    return _recharged(command, voucher, amount, order_number)


def _check_recharge(command: Command, form: Form, voucher: VoucherRecord, currency: str) -> None:
    if currency != voucher.currency:
        form.refuse("currency", "matches_voucher")
    form.check()
    if expired(command, voucher):
        raise conflict(
            command.options.conflict_status,
            "VOUCHER.RECHARGE.VOUCHER_EXPIRED",
            "The voucher is no longer valid.",
        )


def _recharged(command: Command, voucher: VoucherRecord, amount: Decimal, order_number: str) -> Outcome:
    charge = new_charge(command, voucher, "recharge", amount, order_number)
    charge, body = told(command, charge, charge_view(charge))
    voucher = attrs.evolve(
        voucher, recharged=add(voucher.recharged, amount), updated_at=command.stamp_of("voucher")
    )
    return Outcome(body=body, changes=(voucher, charge, moved(voucher, charge)))
