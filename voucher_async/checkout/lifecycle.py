"""Reserve, then charge: in one call, or as a checkout."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import attrs

from voucher_async.api_errors import ApiError
from voucher_async.calls import calling
from voucher_async.checkout.checkout import Checkout
from voucher_async.checkout.kit import CheckoutKit
from voucher_async.checkout.turns import in_turn
from voucher_async.errors import Fate, Proof, ReservationExpired, ReservationSuperseded, VoucherError
from voucher_async.models import ChargeReservationRequest, CreateReservationRequest, Reservation
from voucher_async.money import CENT
from voucher_async.outcomes import ChargeRefunded, PendingOutcome
from voucher_async.payments.call import REDEEM, Parameters
from voucher_async.payments.codes import digest_of_code
from voucher_async.payments.fence import look_behind
from voucher_async.payments.joining import Ask
from voucher_async.payments.keys import check_key
from voucher_async.payments.replies import as_not_done, without_proof
from voucher_async.sansio import Request
from voucher_async.statuses import DECLINED

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from voucher_async.clock import Deadline
    from voucher_async.config import Timeout
    from voucher_async.models import Charge
    from voucher_async.money import Amount
    from voucher_async.payments.money_call import CallContext
    from voucher_async.payments.reservations import Entry

__all__ = ["Lifecycle"]


@attrs.frozen
class _Payment:
    """A `redeem`, checked.

    Attributes:
        request: reserves the amount.
        turn: the voucher's key in the lock.
        order: the order it pays for.
        currency: ISO 4217.
        cent: reserves a cent, which tells the voucher; None where nobody looks before a charge.
    """

    request: Request[Reservation]
    turn: str
    order: ChargeReservationRequest
    currency: str
    cent: Request[Reservation] | None


class Lifecycle(CheckoutKit):
    """Pays by voucher, in one call or as a checkout."""

    async def redeem(
        self,
        *,
        code: str,
        amount: Amount,
        currency: str,
        order_number: str,
        pin: str | None = None,
        idempotency_key: str | None = None,
        join: bool = True,
        timeout: float | Timeout | None = None,
    ) -> Charge:
        """Reserve and charge; documented at `VoucherClient.redeem`."""
        with calling(
            self.supervisor.settler.hooks,
            "redeem",
            order_number=order_number,
            key=idempotency_key,
            amount=amount,
            currency=currency,
        ):
            key = check_key(idempotency_key)
            deadline = self.sender.deadline(timeout)
            body = CreateReservationRequest(code=code, amount=amount, currency=currency, pin=pin)
            order = ChargeReservationRequest(order_number=order_number)
            request, value = self.reservations.request(body), body.amount
            digest_key = await self.joining.ownership.digest_key(deadline)
            target = digest_of_code(code, digest_key)
            alike = (target, value, currency, order_number) if join and key is None else None
            ask = Ask(
                parameters=Parameters(
                    operation=REDEEM,
                    amount=value,
                    currency=currency,
                    order_number=order_number,
                    target=target,
                ),
                key=key,
                join=None if alike is None else (*alike, digest_of_code(pin, digest_key) if pin else ""),
            )
            cent: Request[Reservation] | None = None
            if self.supervisor.settler.settings.look_before_charge:
                cent = self.reservations.request(attrs.evolve(body, amount=CENT))
            payment = _Payment(request, self.key(code, digest_key), order, currency, cent)

            def call(context: CallContext) -> Awaitable[Charge]:
                context.key = None if alike is None else tuple(map(str, alike))
                return self._pay(context, payment)

            return await self.joining.charge(ask, deadline, call)

    async def _pay(self, context: CallContext, payment: _Payment) -> Charge:
        await self.supervisor.settle_earlier(context)
        async with in_turn(self.lock, (payment.turn,), context.deadline, last=True):
            charged = await self._recalled(context)
            if charged is not None:
                return charged
            try:
                reservation, entry = await self._reserve(payment.request, context.deadline)
            except ApiError as refusal:
                # the dead owner's charge may have emptied the voucher; without a fence a look may take long
                found = await self._confirmed(context, None)
                found = found or await self._lost(context, payment, refusal)
                if found is not None:
                    return found
                raise
            found = await self._made_before(context, reservation, entry.answered)
            if found is not None:
                return found
            try:
                return await self._charge(context, payment, reservation)
            except ApiError as refusal:
                return await self._charge_once_more(context, payment, refusal)

    async def _made_before(
        self, context: CallContext, reservation: Reservation, since: float | None
    ) -> Charge | None:
        """The charge of an earlier call for this payment; None when there is none, and never will be.

        Raises:
            OutcomeUnknown: the deadline passed before that was known.
            ChargeRefunded: it was made by a call whose record is lost, and taken back.
        """
        is_unknown = context.fenced is None
        if is_unknown:
            if not self.supervisor.settler.settings.look_before_charge:
                return None
            context.fenced = self._unknown(context, reservation)
        found = await self._confirmed(context, since)
        if found is not None and is_unknown:
            await self._check_stands(context, found)
        return found

    async def _lost(self, context: CallContext, payment: _Payment, refusal: ApiError) -> Charge | None:
        """The charge of a lost record, which may have left too little on the voucher for its amount.

        Where not even a cent can be reserved, nobody can look, and the refusal proves nothing any more.
        """
        if payment.cent is None:
            return None
        try:
            reservation, entry = await self._reserve(payment.cent, context.deadline)
        except VoucherError:
            without_proof(refusal)
            return None
        return await self._made_before(context, reservation, entry.answered)

    def _unknown(self, context: CallContext, reservation: Reservation) -> PendingOutcome:
        """The call whose record may be lost; of any time, and of this client."""
        settler = self.supervisor.settler
        lost = attrs.evolve(
            context.pending,
            voucher_id=reservation.voucher_id,
            client_id=settler.settings.client_id,
            base_url=settler.settings.base_url,
            echoed=True,  # entries of other orders are that: what is not found is charged, as without a look
        )
        return settler.numbering.formatted(lost)

    async def _check_stands(self, context: CallContext, found: Charge) -> None:
        """Refuse to hand out the charge of a lost record that was taken back; its key stays used.

        Raises:
            ChargeRefunded: it was.
        """
        refunds = await self.joining.replay.seen_refunds(found, context.deadline)
        if not refunds:
            return
        if context.recorder is not None:
            await context.recorder.done(found, told=True, why="it was charged, and taken back, before")
        for refund in refunds:
            await self.joining.ownership.note_refund(refund, of=found.id)
        raise ChargeRefunded(
            "this payment was charged, and taken back, by a call of which the journal knew nothing",
            charge=found,
            refunds=refunds,
        )

    async def _confirmed(self, context: CallContext, since: float | None) -> Charge | None:
        """The charge of a dead owner for this payment; None when there is none, and never will be.

        Raises:
            OutcomeUnknown: the deadline passed before that was known.
        """
        if context.fenced is None:
            return None
        found = await self.joining.replay.look_behind(context.fenced, since, context)
        context.fenced = None
        return found

    async def _charge(self, context: CallContext, payment: _Payment, reservation: Reservation) -> Charge:
        return await self.reservations.charge_by(
            context, reservation, payment.order, currency=payment.currency
        )

    async def _charge_once_more(self, context: CallContext, payment: _Payment, refusal: ApiError) -> Charge:
        """Charge a new reservation after a refusal, once: another client's may have ended the first one.

        The new one is a fence: from now on the server refuses every delivery for the old one, so that a look
        proves whether that one was charged.
        """
        money_call, has_looked = context.money_call, refusal.proof is Proof.REFUSED
        if money_call is None or not has_looked or refusal.status in DECLINED or context.abandoned:
            raise refusal
        reservation: Reservation | None = None
        with contextlib.suppress(VoucherError):
            reservation, _ = await self.reservations.make(payment.request, context.deadline)
        reservation_id = None if reservation is None else reservation.id
        found = await look_behind(self.supervisor.settler, context, money_call, refusal, reservation_id)
        if found is not None:
            return found
        if reservation is None or context.abandoned:
            raise refusal
        try:
            return await self._charge(context, payment, reservation)
        except (ReservationExpired, ReservationSuperseded) as error:
            raise refusal from error  # the repeat was not sent: report the refusal of the first charge

    async def _recalled(self, context: CallContext) -> Charge | None:
        """The charge of an earlier equal payment of which nobody was told, unless it was refunded.

        Raises:
            OutcomeUnknown: the outcome of the earlier payment is open.
        """
        charged = self.supervisor.recall(context)
        if charged is not None and await self.joining.replay.seen_refunds(charged, context.deadline):
            self.supervisor.settler.registry.delivered(charged.id)
            context.recalled = charged = None
        return charged

    async def _reserve(self, request: Request[Reservation], deadline: Deadline) -> tuple[Reservation, Entry]:
        try:
            return await self.reservations.make(request, deadline)
        except VoucherError as error:
            if error.fate is Fate.UNKNOWN:
                error.fate = Fate.NOT_SENT  # a reservation may exist; the charge was not begun
            as_not_done(error, Proof.NOT_SENT)
            raise

    def checkout(self, *, order_number: str, currency: str, idempotency_key: str | None = None) -> Checkout:
        """A checkout; documented at `VoucherClient.checkout`."""
        key = check_key(idempotency_key)
        ChargeReservationRequest(order_number=order_number)
        return Checkout(self, order_number=order_number, currency=currency, key=key)
