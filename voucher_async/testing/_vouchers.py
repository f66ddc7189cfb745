"""Operations on vouchers: create, read, update, delete, status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

import attrs

from voucher_async.testing._ledger import deleted, issued
from voucher_async.testing._records import ZERO, VoucherRecord
from voucher_async.testing._refusals import conflict, not_found
from voucher_async.testing._rules import Form
from voucher_async.testing._state import Outcome, Removed
from voucher_async.testing._validity import LONGEST, valid_until
from voucher_async.testing._views import complete_view, detail_view, voucher_view

if TYPE_CHECKING:
    from voucher_async.testing._state import Command

__all__ = [
    "create_voucher",
    "delete_voucher",
    "expired",
    "find_voucher",
    "get_complete_voucher",
    "get_voucher",
    "set_voucher_status",
    "update_voucher",
]

_RESERVED_ID = "recharge"  # `/vouchers/recharge` is an operation: a voucher with that id could not be read


def find_voucher(command: Command) -> VoucherRecord:
    """The voucher that the path names; raises a 404 `Refusal`."""
    voucher = command.state.vouchers.get(command.ids["id"])
    if voucher is None:
        raise not_found("VOUCHER")
    return voucher


def expired(command: Command, voucher: VoucherRecord) -> bool:
    """True when the voucher's validity is over."""
    return voucher.valid_until is not None and command.now >= voucher.valid_until


def create_voucher(command: Command) -> Outcome:
    """Operation 1: a new, inactive voucher, answered with its secrets.

    Null is refused for every property: which ones a create request may null is not documented, and the
    stricter reading shows a client that says more than it has to.
    """
    form = Form("VOUCHER.CREATE", command.body)
    voucher = VoucherRecord(
        id=_new_id(command, form),
        client_id=command.client_id,
        code=_new_code(command, form),
        sku=form.text("sku", longest=255),
        batch=form.text("batch", longest=30),
        amount=form.money("amount", smallest=ZERO),
        currency=form.currency(),
        validity_value=form.integer("validity_value", smallest=1, largest=LONGEST)
        or command.options.validity_value,
        validity_interval=form.choice("validity_interval", "days", "weeks", "months", "years")
        or command.options.validity_interval,
        type=(kind := form.choice("type", "digital", "print") or "digital"),
        pin=form.text("pin", longest=255) or (command.mint.pin() if kind == "print" else None),
        taxable=(taxable := form.boolean("taxable")),
        tax_rate=_tax_rate(form, taxable=taxable),
        order_number=command.habits.stored(sent := form.text("order_number", longest=255)),
        data=form.json_text("data"),
        created_at=(stamp := command.stamp_of("voucher")),
        updated_at=stamp,
        sent_order_number=sent,
        made_at=command.stamp,
    )
    form.check()
    body = complete_view(voucher)
    if command.habits.echoes_as_sent:
        body["order_number"] = sent
    return Outcome(status=201, body=body, changes=(voucher, issued(voucher)))


def get_voucher(command: Command) -> Outcome:
    """Operation 3."""
    return Outcome(body=detail_view(command, find_voucher(command)))


def get_complete_voucher(command: Command) -> Outcome:
    """Operation 6."""
    return Outcome(body=complete_view(find_voucher(command)))


def update_voucher(command: Command) -> Outcome:
    """Operation 4: `sku` and `batch` of an inactive voucher; null clears one, absence leaves it."""
    voucher = find_voucher(command)
    form = Form("VOUCHER.UPDATE", command.body)
    sku, batch = form.text("sku", longest=255, nullable=True), form.text("batch", longest=30, nullable=True)
    if not (form.given("sku") or form.given("batch")):
        form.refuse("sku", "required_without", "batch")
    form.check()
    if voucher.status != "inactive":
        raise conflict(
            command.options.conflict_status, "VOUCHER.UPDATE.VOUCHER_ACTIVE", "The voucher is active."
        )
    voucher = attrs.evolve(
        voucher,
        sku=sku if form.given("sku") else voucher.sku,
        batch=batch if form.given("batch") else voucher.batch,
        updated_at=command.stamp_of("voucher"),
    )
    return Outcome(body=voucher_view(voucher), changes=(voucher,))


def delete_voucher(command: Command) -> Outcome:
    """Operation 5: inactive vouchers without charges only; the comment is required."""
    voucher = find_voucher(command)
    form = Form("VOUCHER.DELETE", command.body)
    form.required_text("comment", longest=255)
    form.check()
    status = command.options.conflict_status
    if voucher.status != "inactive":
        raise conflict(status, "VOUCHER.DELETE.VOUCHER_ACTIVE", "The voucher is active.")
    if command.state.voucher_charges.get(voucher.id):
        raise conflict(status, "VOUCHER.DELETE.VOUCHER_HAS_CHARGES", "The voucher has charges.")
    return Outcome(status=204, changes=(Removed(voucher.id), deleted(voucher, command.stamp)))


def set_voucher_status(command: Command) -> Outcome:
    """Operation 7: activation starts the validity, deactivation ends it, the same again does nothing."""
    voucher = find_voucher(command)
    form = Form("VOUCHER.STATUS", command.body)
    status = cast("Literal['active', 'inactive']", form.required_choice("status", "active", "inactive"))
    form.text("comment", longest=255)
    form.check()
    if status == voucher.status:
        return Outcome(body=voucher_view(voucher))
    end = valid_until(command.stamp, voucher.validity_value, voucher.validity_interval)
    voucher = attrs.evolve(
        voucher,
        status=status,
        valid_until=end if status == "active" else None,
        updated_at=command.stamp_of("voucher"),
    )
    return Outcome(body=voucher_view(voucher), changes=(voucher,))


def _new_id(command: Command, form: Form) -> str:
    id = form.text("id", longest=255, label="custom_id")
    if id in command.state.vouchers:
        form.refuse("custom_id", "unique")
    if id == _RESERVED_ID:
        form.refuse("custom_id", "not_in", _RESERVED_ID)
    return id or command.mint.id()


def _new_code(command: Command, form: Form) -> str:
    code = form.text("code", longest=255)
    if code in command.state.codes:
        form.refuse("code", "unique")
    return code or command.mint.code()


def _tax_rate(form: Form, *, taxable: bool) -> str | None:
    rate = form.text("tax_rate")
    if rate is not None and not taxable:
        form.refuse("tax_rate", "prohibited_unless", "taxable,true")
    return rate
