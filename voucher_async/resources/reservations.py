"""Reservations: holding an amount, and charging it (contract: operations 11 and 12)."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

from voucher_async.calls import calling
from voucher_async.clock import Deadline
from voucher_async.config import Timeout
from voucher_async.errors import VoucherError
from voucher_async.masking import conceal, known
from voucher_async.models import (
    Charge,
    ChargeReservationRequest,
    CreateReservationRequest,
    Reservation,
)
from voucher_async.money import Amount
from voucher_async.operations import CREATE_RESERVATION
from voucher_async.outcomes import Settlement
from voucher_async.payments.by_record import by_record
from voucher_async.payments.call import CallState
from voucher_async.payments.joining import Ask, Joining
from voucher_async.payments.keys import check_key
from voucher_async.payments.kinds import charge_call, charge_pending, id_of, parameters_of
from voucher_async.payments.money_call import CallContext
from voucher_async.payments.numbering import Numbering
from voucher_async.payments.recording import Recorder
from voucher_async.payments.reservations import Entry, ReservationTracker
from voucher_async.payments.sender import Sender
from voucher_async.payments.settle import Settler
from voucher_async.resources.absent import absent
from voucher_async.sansio import Request, build

__all__ = ["Reservations"]


class Reservations:
    """`client.reservations`.

    Args:
        sender: sends the requests.
        tracker: keeps this client's reservations.
        settler: sends money calls, and settles them.
        joining: idempotency keys.
    """

    def __init__(
        self, sender: Sender, tracker: ReservationTracker, settler: Settler, joining: Joining
    ) -> None:
        self._sender = sender
        self._settler = settler
        self._joining = joining
        self.tracker = tracker
        self.numbering: Numbering = settler.numbering

    async def create(
        self,
        *,
        code: str,
        amount: Amount,
        currency: str,
        pin: str | None = None,
        timeout: float | Timeout | None = None,
    ) -> Reservation:
        """Reserve an amount of a voucher for 30 minutes (`createReservation`, scope `use`).

        It replaces an older reservation of the voucher, whoever made it. A reservation cannot be released.

        Args:
            code: the voucher's code, at most 255 characters.
            amount: how much, in currency units, at least 0.01.
            currency: ISO 4217; must be the voucher's.
            pin: an extra check for printed vouchers, at most 255 characters.
            timeout: seconds for the whole call, or a `Timeout`.

        Raises:
            InvalidInput: refused before anything was sent.
            ApiError: refused by the server, for example because the voucher does not hold that much.
            TransportError: no answer, also after repeating it; a reservation may exist, unused it lapses.
        """
        code, pin = conceal(code), conceal(pin)
        with calling(self._settler.hooks, "reservations.create", amount=amount, currency=currency):
            body = CreateReservationRequest(code=code, amount=amount, currency=currency, pin=pin)
            request = self.request(body)
            with known(code, pin):
                reservation, _ = await self.make(request, self._sender.deadline(timeout), currency)
            return reservation

    def request(self, body: CreateReservationRequest) -> Request[Reservation]:
        """The request of `create`, not sent yet."""
        secrets = body.code, body.pin
        return build(CREATE_RESERVATION, body, secrets=secrets, check=partial(self._objection, body.amount))

    def _objection(self, amount: Decimal, reservation: Reservation) -> str | None:
        """The reason why a reservation is not the one that was asked for; None when it is."""
        if reservation.amount != amount:
            return f"{amount} was to be reserved, {reservation.amount} was"
        if self.tracker.knows(reservation.id):
            return "this reservation was made before: the answer belongs to another request"
        return None

    async def make(
        self, request: Request[Reservation], deadline: Deadline, currency: str | None = None
    ) -> tuple[Reservation, Entry]:
        """Send a request of `request`, and track the reservation."""
        answer = await self._sender.send(request, deadline)
        anchor = self._settler.timestamps.note(answer.value.created_at, answer.sent)
        return answer.value, self.tracker.note(answer, anchor, currency)

    async def charge(
        self,
        reservation: Reservation | str,
        *,
        order_number: str,
        idempotency_key: str | None = None,
        timeout: float | Timeout | None = None,
    ) -> Charge:
        """Charge a reservation, its whole amount (`chargeReservation`, scope `use`).

        An equal call that is under way is joined.

        Args:
            reservation: the reservation, or its id.
            order_number: the order it pays for.
            idempotency_key: a repeated call with it returns the same charge; 1 to 255 printable characters.
            timeout: seconds for the whole call, or a `Timeout`.

        Returns:
            The charge.

        Raises:
            InvalidInput: refused before anything was sent.
            IdempotencyMismatch, ChargeRefunded, StillRunning, JournalFailed: as `VoucherClient.redeem` says.
            ReservationExpired: less than the safety margin is left; nothing was sent.
            ReservationSuperseded: a newer reservation of this client replaced it; nothing was sent.
            ReservationAlreadyCharged: this client has charged it; nothing was sent.
            OutcomeUnknown: it may or may not have been charged; see `VoucherClient.settle`. From then on this
                client refuses to charge the reservation, with the same `pending`, and sends nothing.
            ApiError: refused by the server; `looked` says whether the voucher's charges were read and do not
                show it either.
            TransportError: nothing was charged; `proof` says how that is known.
        """
        with calling(
            self._settler.hooks, "reservations.charge", order_number=order_number, key=idempotency_key
        ):
            key = check_key(idempotency_key)
            body = ChargeReservationRequest(order_number=order_number)
            reservation_id = id_of(reservation)
            ask = Ask(
                parameters=parameters_of(charge_pending(reservation_id, order_number), reservation_id),
                key=key,
                join=(reservation_id, order_number),
                pending=charge_pending(reservation, order_number),
            )

            def call(context: CallContext) -> Awaitable[Charge]:
                return self.charge_by(context, reservation, body, currency=None)

            return await self._joining.charge(ask, self._sender.deadline(timeout), call)

    async def charge_by(
        self,
        context: CallContext,
        reservation: Reservation | str,
        body: ChargeReservationRequest,
        *,
        currency: str | None,
        recorder: Recorder | None = None,
    ) -> Charge:
        """The same as `charge`, inside a call that is already running.

        Args:
            context: the call.
            reservation: the reservation, or its id.
            body: the order it pays for.
            currency: ISO 4217, where it is known.
            recorder: writes the charge's own record, where the call has several; None takes the call's.
        """
        recorder = recorder or context.recorder
        reservation_id = id_of(reservation)
        if self.tracker.in_doubt(reservation_id) is not None:
            await self._hear(reservation_id, recorder)
        money_call, request = charge_call(
            self.numbering, self.tracker, reservation, body, currency=currency, recorder=recorder
        )
        with self.tracker.charging(reservation_id, money_call):
            return self.numbering.own(await self._settler.perform(context, money_call, request))

    if not TYPE_CHECKING:
        __getattr__ = absent

    async def _hear(self, reservation_id: str, recorder: Recorder | None) -> None:
        """Read from its record how a reservation's charge in doubt ended."""
        pending = self.tracker.in_doubt(reservation_id)
        if pending is None:
            return
        if recorder is not None and recorder.id == pending.id and recorder.record.state is CallState.BEGUN:
            self.tracker.goes_on(reservation_id)
            return
        at_once = Deadline(self._settler.clock, 0.0)
        with contextlib.suppress(VoucherError):  # raised while the call is under way
            told = await by_record(self._joining.ownership, pending, at_once, self._settler.pauses)
            is_latest = self.tracker.in_doubt(reservation_id) is pending
            if isinstance(told, Settlement) and is_latest:  # False when another call has charged it since
                self.tracker.heard(reservation_id, told)
