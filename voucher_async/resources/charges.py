"""Charges: reading and refunding them (contract: operations 8, 9 and 13)."""

from __future__ import annotations

from decimal import Decimal

from voucher_async.calls import calling
from voucher_async.config import Timeout
from voucher_async.errors import InvalidInput
from voucher_async.models import Charge, ChargeType
from voucher_async.money import CENT, Amount, to_amount
from voucher_async.payments.joining import Ask, Joining
from voucher_async.payments.keys import check_key
from voucher_async.payments.kinds import parameters_of, refund_call
from voucher_async.payments.known import (
    amount_of_refund,
    charge_in,
    currency_of_refund,
    in_plain,
    record_of_charge,
)
from voucher_async.payments.money_call import CallContext
from voucher_async.payments.refunds import perform_in_turn, refund
from voucher_async.payments.sender import Sender
from voucher_async.payments.settle import Settler
from voucher_async.resources.charge_reads import ChargeReads
from voucher_async.sansio import check_id

__all__ = ["Charges"]

_NO_REFUND = frozenset({ChargeType.RECHARGE, ChargeType.REFUND})


class Charges(ChargeReads):
    """`client.charges`.

    Args:
        sender: sends the requests.
        settler: sends money calls, and settles them.
        joining: idempotency keys.
    """

    def __init__(self, sender: Sender, settler: Settler, joining: Joining) -> None:
        self._sender = sender
        self._settler = settler
        self._joining = joining

    async def refund(
        self,
        charge: Charge | str,
        amount: Amount | None = None,
        *,
        currency: str | None = None,
        idempotency_key: str | None = None,
        timeout: float | Timeout | None = None,
    ) -> Charge:
        """Refund a charge, fully or in part (`refundCharge`, scope `use`).

        Two equal partial refunds look alike in the list of charges. So the earlier refunds are read first
        (`listCharges`, scope `read-lists`): should the answer get lost, the new refund is told apart from
        them. The call waits for an equal refund (voucher, amount) that is under way or in doubt. With an id
        alone, of which the journal knows nothing, nothing can be read, and a lost answer stays open.

        Args:
            charge: the charge, or its id.
            amount: how much, in currency units, at least 0.01; None refunds what is left of it, by the
                refunds that the journal knows. With the id alone it has to know the charge, too.
            currency: ISO 4217; the voucher's. None where the journal knows the charge, as it does those of
                `redeem`, `checkout` and `reservations.charge`.
            idempotency_key: a repeated call with it returns the same refund; 1 to 255 printable characters.
                Without one, two equal calls are two refunds: two returned items.
            timeout: seconds for the whole call, or a `Timeout`.

        Returns:
            The refund, a charge of type `refund`.

        Raises:
            InvalidInput: refused before anything was sent, such as a currency that is not the charge's, or
                none where the journal does not know the charge.
            ChargeRefunded: no amount was given, and all of it was refunded before; nothing was sent.
            IdempotencyMismatch: the key was used for another refund; nothing was sent.
            StillRunning: another caller's call with the key is under way: ask again.
            JournalFailed: the journal cannot be written; nothing was sent.
            OutcomeUnknown: it may or may not have been refunded; see `VoucherClient.settle`.
            ApiError: refused by the server; nothing was refunded.
            TransportError: nothing was refunded.
        """
        with calling(
            self._settler.hooks,
            "charges.refund",
            order_number=getattr(charge, "order_number", None),
            key=idempotency_key,
            amount=amount,
            currency=currency,
        ):
            key, deadline = check_key(idempotency_key), self._sender.deadline(timeout)
            given = _check(charge, amount)
            ownership = self._joining.ownership
            charge_id = charge.id if isinstance(charge, Charge) else charge
            known = await record_of_charge(ownership, check_id("id", charge_id), deadline)
            if known is not None and isinstance(charge, Charge):
                known = await in_plain(ownership, known, charge.order_number, deadline)
            if known is not None and known.charge is not None:
                _check(known.charge, given)
            currency = currency_of_refund(known, currency)
            if given is None:
                given = await amount_of_refund(ownership, charge, known, key, deadline)
            money_call, request = refund_call(
                self._settler.numbering, charge_in(known) or charge, given, currency
            )
            pending = money_call.pending
            ask = Ask(parameters=parameters_of(pending, pending.charge_id or ""), key=key, pending=pending)

            async def call(context: CallContext) -> Charge:
                money_call.record_by(context.recorder)
                refunded = await perform_in_turn(self._settler, context, money_call, request)
                await self._joining.ownership.note_refund(refunded, of=money_call.pending.charge_id)
                return refunded

            return await self._joining.charge(ask, deadline, call)

    async def take_back(
        self, charge: Charge, *, currency: str, key: str | None = None, parent: str | None = None
    ) -> Charge:
        """Refund a whole charge inside a call that is already running; otherwise as `refund`.

        Args:
            charge: the charge.
            currency: ISO 4217.
            key: the key of the refund's record: of two refunds with one key, one is sent.
            parent: the record of the checkout that it is part of.
        """
        settler, find_late = self._settler, self._joining.replay.find_late
        refunded = await refund(settler, charge, currency, key=key, parent=parent, find_late=find_late)
        refunded = settler.numbering.own(refunded)
        await self._joining.ownership.note_refund(refunded, of=charge.id)
        return refunded


def _check(charge: Charge | str, amount: Amount | None) -> Decimal | None:
    """The amount, checked, as far as that goes without the journal."""
    value = None if amount is None else to_amount(amount, minimum=CENT)
    if isinstance(charge, Charge):
        if charge.type in _NO_REFUND:
            raise InvalidInput("charge", f"a {charge.type} cannot be refunded", charge.id)
        if value is not None and value > charge.amount:
            raise InvalidInput("amount", f"must be at most the charge's amount, {charge.amount}", value)
    return value
