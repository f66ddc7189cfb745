"""Records as the API shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voucher_async.testing._records import subtract

if TYPE_CHECKING:
    import datetime as dt
    from decimal import Decimal

    from voucher_async.testing._records import ChargeRecord, ClientRecord, ReservationRecord, VoucherRecord
    from voucher_async.testing._state import Command

__all__ = [
    "Json",
    "charge_view",
    "client_view",
    "complete_view",
    "detail_view",
    "reservation_view",
    "voucher_view",
]

Json = dict[str, object]


def money(amount: Decimal) -> str:
    """`10.00`."""
    return f"{amount:.2f}"


def moment(value: dt.datetime | None) -> str | None:
    """`2017-07-21T17:32:28+00:00`, with fractions of a second where there are some."""
    return None if value is None else value.isoformat()


def voucher_view(voucher: VoucherRecord) -> Json:
    """A voucher without secrets and extras."""
    return {
        "id": voucher.id,
        "client_id": voucher.client_id,
        "sku": voucher.sku,
        "batch": voucher.batch,
        "amount": money(voucher.amount),
        "currency": voucher.currency,
        "valid_until": moment(voucher.valid_until),
        "validity_value": voucher.validity_value,
        "validity_interval": voucher.validity_interval,
        "status": voucher.status,
        "type": voucher.type,
        "taxable": voucher.taxable,
        "tax_rate": voucher.tax_rate,
        "order_number": voucher.order_number,
        "data": voucher.data,
        "created_at": moment(voucher.created_at),
        "updated_at": moment(voucher.updated_at),
    }


def complete_view(voucher: VoucherRecord) -> Json:
    """A voucher with its secrets."""
    return {**voucher_view(voucher), "code": voucher.code, "pin": voucher.pin}


def detail_view(command: Command, voucher: VoucherRecord) -> Json:
    """A voucher with what is left on it and whether it can be deleted."""
    remaining = voucher.balance
    if command.options.reservations_lower_balance:
        held = command.state.open_reservation(voucher.id, command.now)
        remaining = subtract(remaining, held.amount) if held else remaining
    deletable = voucher.status == "inactive" and not command.state.voucher_charges.get(voucher.id)
    return {**voucher_view(voucher), "remaining_amount": money(remaining), "deletable": deletable}


def reservation_view(reservation: ReservationRecord, voucher: VoucherRecord) -> Json:
    """A reservation."""
    return {
        "id": reservation.id,
        "voucher_id": reservation.voucher_id,
        "voucher_taxable": voucher.taxable,
        "voucher_tax_rate": voucher.tax_rate,
        "client_id": reservation.client_id,
        "amount": money(reservation.amount),
        "valid_until": moment(reservation.valid_until),
        "created_at": moment(reservation.created_at),
        "updated_at": moment(reservation.updated_at),
    }


def charge_view(charge: ChargeRecord) -> Json:
    """A charge, refund or recharge."""
    return {
        "id": charge.id,
        "voucher_id": charge.voucher_id,
        "client_id": charge.client_id,
        "type": charge.type,
        "amount": money(charge.amount),
        "order_number": charge.order_number,
        "created_at": moment(charge.created_at),
        "updated_at": moment(charge.updated_at),
    }


def client_view(client: ClientRecord) -> Json:
    """A client with its credentials."""
    return {
        "id": client.id,
        "client_group_id": client.group_id,
        "name": client.name,
        "secret": client.secret,
        "scopes": list(client.scopes),
        "type": client.type,
        "created_at": moment(client.created_at),
        "updated_at": moment(client.updated_at),
        "connected_at": moment(client.connected_at),
    }
