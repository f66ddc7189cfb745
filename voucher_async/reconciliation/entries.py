"""Records of money calls and entries of lists: which belongs to which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from voucher_async.api_errors import NotFound
from voucher_async.models import Charge, ChargeType
from voucher_async.money import total
from voucher_async.operations import CHARGE_RESERVATION, RECHARGE_VOUCHER, REFUND_CHARGE
from voucher_async.payments.call import REDEEM, CallRecord, CallState
from voucher_async.payments.known import charge_in
from voucher_async.payments.replies import is_missing

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from voucher_async.resources.charge_reads import ChargeReads

__all__ = ["KINDS", "is_there", "made_by", "may_have_made", "names_an_order", "sums_of_order", "vouchers_of"]

KINDS: Final = {
    REDEEM: ChargeType.CHARGE,
    CHARGE_RESERVATION.id: ChargeType.CHARGE,
    REFUND_CHARGE.id: ChargeType.REFUND,
    RECHARGE_VOUCHER.id: ChargeType.RECHARGE,
}
"""The type of the entry that a call leaves in a list, by its operation."""


def vouchers_of(record: CallRecord) -> list[str]:
    """The vouchers that a record names."""
    charge, sent = charge_in(record), record.pending
    found = (record.voucher_id, charge and charge.voucher_id, sent and sent.voucher_id)
    return [*(each for each in found if each), *(each.reservation.voucher_id for each in record.plan)]


def made_by(records: Iterable[CallRecord]) -> dict[str, tuple[Charge, CallRecord]]:
    """The entries that records know to be made, by their ids, each with its record."""
    listed = list(records)
    made = {refund.id: (refund, record) for record in listed for refund in record.refunds}
    for record in listed:
        charge = charge_in(record) if record.state is CallState.DONE else None
        if charge is not None:
            made[charge.id] = charge, record
    return made


def may_have_made(record: CallRecord, charge: Charge) -> bool:
    """True for a call without a charge that would have left such an entry."""
    asked, sent = record.parameters, record.view
    return (
        record.state is not CallState.DONE
        and KINDS.get(asked.operation) == charge.type
        and (asked.amount or sent.amount) in {None, charge.amount}
        and (record.voucher_id or sent.voucher_id) in {None, charge.voucher_id}
    )


def names_an_order(charge: Charge) -> bool:
    """True for an entry that shows an order number."""
    return bool((charge.order_number or "").strip())


def sums_of_order(entries: Iterable[Charge]) -> tuple[Decimal, Decimal]:
    """The sums of the charges and of the refunds among the entries of one order on one voucher.

    Args:
        entries: the entries; a refund that names no order may be another's, and does not count.
    """
    at = list(entries)
    charged = total(each.amount for each in at if each.type == ChargeType.CHARGE)
    refunded = total(each.amount for each in at if each.type == ChargeType.REFUND and names_an_order(each))
    return charged, refunded


async def is_there(charges: ChargeReads, charge: Charge) -> bool | None:
    """Tell whether the API shows an entry by its id, as a list may lag, or leave something out.

    Args:
        charges: reads it.
        charge: the entry.

    Returns:
        None where a 404 came in other words than the API's own.

    Raises:
        VoucherError: it could not be read.
    """
    try:
        await charges.get(charge.id, voucher_id=charge.voucher_id)
    except NotFound as error:
        return False if is_missing(error) else None
    return True
