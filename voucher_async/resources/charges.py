"""Charges: refunding them (contract: operation 13)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voucher_async.errors import InvalidInput
from voucher_async.models import Charge, ChargeType, RefundRequest
from voucher_async.money import CENT, to_amount
from voucher_async.operations import REFUND_CHARGE
from voucher_async.pending import PendingOutcome
from voucher_async.resources.expected import charge_of
from voucher_async.resources.sender import Sender, send_or_open
from voucher_async.sansio import build

if TYPE_CHECKING:
    from voucher_async.clock import Deadline
    from voucher_async.money import Amount

__all__ = ["Charges"]

_NO_REFUND = frozenset({ChargeType.recharge, ChargeType.refund})


class Charges:
    """`client.charges`.

    Args:
        sender: sends the requests.
    """

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    async def refund(
        self,
        charge: Charge | str,
        amount: Amount | None = None,
        *,
        currency: str,
        timeout: float | None = None,
    ) -> Charge:
        """Refund a charge, fully or in part (`refundCharge`, scope `use`).

        Args:
            charge: the charge, or its id.
            amount: how much, in currency units, at least 0.01; None refunds the whole charge, which takes the
                charge itself, not only its id.
            currency: ISO 4217; the voucher's.
            timeout: seconds for the whole call.

        Returns:
            The refund, a charge of type `refund`.

        Raises:
            InvalidInput: refused before anything was sent.
            OutcomeUnknown: it may or may not have been refunded.
            ApiError: refused by the server; nothing was refunded.
            TransportError: nothing was sent.
        """
        return await self.refund_by(self._sender.deadline(timeout), charge, amount, currency=currency)

    async def refund_by(
        self, deadline: Deadline, charge: Charge | str, amount: Amount | None = None, *, currency: str
    ) -> Charge:
        """The same as `refund`, with a deadline that is already running."""
        body = RefundRequest(amount=_amount(charge, amount), currency=currency)
        charge_id = charge.id if isinstance(charge, Charge) else charge
        voucher_id = charge.voucher_id if isinstance(charge, Charge) else None
        request = build(
            REFUND_CHARGE,
            body,
            ids={"id": charge_id},
            check=charge_of(ChargeType.refund, body.amount, voucher_id),
        )
        pending = PendingOutcome(
            operation=REFUND_CHARGE.id,
            voucher_id=voucher_id,
            charge_id=charge_id,
            amount=body.amount,
            currency=currency,
            order_number=charge.order_number if isinstance(charge, Charge) else None,
        )
        return (await send_or_open(self._sender, request, deadline, pending)).value


def _amount(charge: Charge | str, amount: Amount | None) -> Amount:
    if not isinstance(charge, Charge):
        if amount is None:
            raise InvalidInput("amount", "must be given when the charge is named by its id alone", None)
        return amount
    if charge.type in _NO_REFUND:
        raise InvalidInput("charge", f"a {charge.type} cannot be refunded", charge.id)
    if amount is None:
        return charge.amount
    value = to_amount(amount, minimum=CENT)
    if value > charge.amount:
        raise InvalidInput("amount", f"must be at most the charge's amount, {charge.amount}", value)
    return value
