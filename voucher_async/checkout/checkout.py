"""One order paid with one or more vouchers: all are charged, or none."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractContextManager
from decimal import Decimal
from types import TracebackType
from typing import Self

from voucher_async.calls import OpenCall, calling, opened
from voucher_async.cancelling import to_the_end
from voucher_async.checkout.held import HeldReservation
from voucher_async.checkout.kit import CheckoutKit
from voucher_async.checkout.partial import reserve_partially
from voucher_async.checkout.recorded import CheckoutRecord
from voucher_async.checkout.renewal import keep_alive
from voucher_async.checkout.turns import in_turn
from voucher_async.checkout.undo import failure_of, undo
from voucher_async.config import Timeout
from voucher_async.errors import ConfigurationError, VoucherError
from voucher_async.masking import conceal, known
from voucher_async.models import Charge, CreateReservationRequest, Reservation
from voucher_async.money import CENT, Amount, to_amount, total
from voucher_async.operations import CHARGE_RESERVATION
from voucher_async.outcomes import HeldOutcome, HeldState, OutcomeUnknown, PendingOutcome
from voucher_async.payments.call import Planned
from voucher_async.payments.codes import digest_of_code
from voucher_async.payments.kinds import charge_pending
from voucher_async.payments.money_call import CallContext
from voucher_async.sansio import Request

__all__ = ["Checkout"]


class Checkout:
    """One order. Made by `VoucherClient.checkout`, used as `async with`.

    Leaving the block without `charge`, or with an exception, charges nothing; the reservations lapse.

    Args:
        kit: what checkouts work with.
        order_number: the order.
        currency: ISO 4217.
        key: the idempotency key.
    """

    def __init__(self, kit: CheckoutKit, *, order_number: str, currency: str, key: str | None = None) -> None:
        self._kit = kit
        self._hooks = kit.supervisor.settler.hooks
        self._key = key
        self._call: OpenCall | None = None
        self._told = {"order_number": order_number, "currency": currency}
        self._record = CheckoutRecord(kit, order_number=order_number, currency=currency, key=key)
        self._held: list[HeldReservation] = []
        self._secrets: tuple[str | None, ...] = ()
        self._renewals: dict[HeldReservation, asyncio.Task[None]] = {}
        self._charges: tuple[Charge, ...] | None = None
        self._charging = 0
        self._broken: VoucherError | None = None
        self._entered = False
        self._left = False
        self.order_number = order_number
        self.currency = currency

    async def __aenter__(self) -> Self:
        self._call = call = opened(self._hooks, "checkout", key=self._key, **self._told)
        self._record.call_id = None if call is None else call.take_id()
        try:
            await self._record.enter()
        except BaseException as error:
            self._end_call(error)
            raise
        self._entered = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left = True
        try:
            try:
                await self._stop_renewals()
            finally:
                await self._record.leave()
        except BaseException as failure:
            error = failure
            raise
        finally:
            self._end_call(error)

    def _end_call(self, error: BaseException | None) -> None:
        """Tell the hooks, once, how the block was left."""
        call, self._call = self._call, None
        if call is not None:
            note = self._record.record_id
            call.record_id = None if note == call.id else note
            call.ended(error)

    def _part(self, name: str, amount: object = None) -> AbstractContextManager[object]:
        """Around a call that is part of this one."""
        return calling(self._hooks, name, parent=self._call, amount=amount, **self._told)

    @property
    def held(self) -> tuple[HeldReservation, ...]:
        """The reservations, in the order they were made."""
        return tuple(self._held)

    @property
    def reserved(self) -> Decimal:
        """The sum that all reservations hold, in currency units; the rest is to be paid otherwise."""
        return total(held.amount for held in self._held)

    async def reserve(
        self,
        *,
        code: str,
        amount: Amount,
        pin: str | None = None,
        allow_partial: bool = False,
        renew: bool = False,
        timeout: float | Timeout | None = None,
    ) -> HeldReservation:
        """Hold an amount of a voucher for this order.

        Reserving a voucher of this checkout again replaces its earlier reservation: the API keeps one.

        Args:
            code: the voucher's code.
            amount: how much, in currency units, at least 0.01.
            pin: an extra check for printed vouchers.
            allow_partial: hold less when the voucher holds less; see `held.amount` and `held.missing`. One
                request when the voucher covers the amount, up to five when it does not, and the scope `read`
                is needed for it: the API cannot look a voucher up by its code. A wrong code or pin is tried
                twice. Another reservation of the voucher is replaced even when nothing can be held.
            renew: make the reservation anew before it ends, as long as this block runs.
            timeout: seconds for the whole call, or a `Timeout`.

        Raises:
            InvalidInput: refused before anything was sent.
            ApiError: refused by the server, for example because the voucher does not hold that much.
            TransportError: no answer; a reservation may exist, unused it lapses.
            OutcomeUnknown, CheckoutFailed: an earlier `charge` left a charge standing, or in doubt.
            StillRunning: nothing was reserved, and another worker may have taken the checkout over.
            IdempotencyMismatch: an earlier run with the key has charged other vouchers, or reserved another
                amount; nothing was sent.
            JournalFailed: the journal cannot be read; nothing was sent.
            ConfigurationError: the checkout is over, or has a key and its `async with` block was not entered.
        """
        code, pin = conceal(code), conceal(pin)
        self._secrets += (code, pin)
        with known(*self._secrets), self._part("checkout.reserve", amount):
            self._check_open()
            if renew and not self._entered:
                raise ConfigurationError("renew needs the checkout's `async with` block, whose end ends it")
            deadline = self._kit.sender.deadline(timeout)
            asked = to_amount(amount, minimum=CENT)

            def request_for(value: Decimal) -> Request[Reservation]:
                body = CreateReservationRequest(code=code, amount=value, currency=self.currency, pin=pin)
                return self._kit.reservations.request(body)

            request = request_for(asked)
            digest_key = await self._kit.joining.ownership.digest_key(deadline)
            key, target = self._kit.key(code, digest_key), digest_of_code(code, digest_key)
            if self._record.replayed is not None:
                return self._show(self._record.replayed.find(target, asked))
            try:
                async with in_turn(self._kit.lock, (key,), deadline):
                    if allow_partial:
                        made, request = await reserve_partially(
                            self._kit.sender, self._kit.reservations, request_for, asked, deadline
                        )
                    else:
                        made = await self._kit.reservations.make(request, deadline)
            except VoucherError as error:
                await self._record.check_denial(error)
                raise
            self._check_open()  # it may have been charged meanwhile: this reservation then lapses
            held = HeldReservation(
                made,
                asked=asked,
                request=request,
                key=key,
                target=target,
                tracker=self._kit.reservations.tracker,
            )
            self._hold(held)
            if renew:
                self._renewals[held] = asyncio.create_task(keep_alive(self._kit, held, self.order_number))
            return held

    def _hold(self, held: HeldReservation) -> None:
        for replaced in [old for old in self._held if old.voucher_id == held.voucher_id]:
            self._held.remove(replaced)
            self._stop_renewal(replaced)
        self._held.append(held)

    def _show(self, held: HeldReservation) -> HeldReservation:
        """Show what an earlier run with the key has charged."""
        self._check_open()
        if held not in self._held:
            self._held.append(held)
        return held

    async def charge(self, *, timeout: float | Timeout | None = None) -> tuple[Charge, ...]:
        """Charge every reservation: all, or none.

        When a later voucher fails, the earlier ones are refunded, and `timeout` does not limit that. A second
        call returns the same charges and sends nothing, as does one after an earlier run with the same
        idempotency key, whatever this run has reserved. When the caller is cancelled meanwhile, the charge
        under way is finished; if others are still to be charged everything is refunded then, otherwise the
        charges stand. The hooks receive which.

        Args:
            timeout: seconds for charging, or a `Timeout`.

        Returns:
            The charges, in the order of the reservations.

        Raises:
            ReservationExpired: one of them cannot be charged any more; nothing was sent.
            ReservationSuperseded: a newer reservation of this client replaced one; nothing was sent.
            ReservationAlreadyCharged: one was charged outside this checkout; nothing was sent.
            CheckoutFailed: one was refused; `outcomes` has the outcome of each. When every charge was
                refunded, the vouchers may be reserved anew, and charged.
            CheckoutUnknown: the same, and at least one outcome is open.
            OutcomeUnknown: an earlier `charge` was cancelled on its way, or another charge of one of the
                reservations is open. Nothing was sent.
            CallTimeout: another call had a voucher's turn until the deadline; nothing was sent.
            TooManyInDoubt: the brake is on; nothing was sent.
            StillRunning: nothing was charged, and another worker may have taken the checkout over.
            ChargeRefunded: an earlier run with the key has charged, and one of its charges was refunded.
            IdempotencyMismatch: a charge of an earlier run that was refused was carried out by a copy since,
                and is of something else than this run has reserved; nothing was sent.
            JournalFailed: the journal cannot be written; nothing was sent.
            ConfigurationError: the checkout is over, or has a key and its `async with` block was not entered.
        """
        with known(*self._secrets), self._part("checkout.charge"):
            if self._charges is not None:
                return self._charges
            self._check_left()
            if self._record.replayed is not None:
                self._charges = await self._record.replayed.charges()
                return self._charges
            if not self._charging:
                self._check_broken()  # before waiting for a turn, as a time-out there says "nothing was sent"
            deadline = self._kit.sender.deadline(timeout)
            self._charging += 1  # from here on no reservation is added: all of them are charged, or none
            asked = PendingOutcome(
                operation=CHARGE_RESERVATION.id, order_number=self.order_number, currency=self.currency
            )
            context = CallContext(deadline, asked)
            context.is_alone = not self._record.has_key
            return await self._kit.supervisor.run(context, self._charge_until_known, self._end_charging)

    def _end_charging(self, _: object) -> None:
        self._charging -= 1

    async def _charge_until_known(self, context: CallContext) -> tuple[Charge, ...]:
        return await self._record.during(self._charge_in_turn(context))

    async def _charge_in_turn(self, context: CallContext) -> tuple[Charge, ...]:
        keys = (held.key for held in self._held)
        async with in_turn(self._kit.lock, keys, context.deadline, last=True):
            self._check_broken()
            if self._charges is None:
                if (brake := self._kit.supervisor.settler.brake) is not None:
                    brake.check()
                for held in self._held:
                    self._kit.reservations.tracker.check(held.reservation)
                await self._find_late(context)
                replayed = self._record.replayed
                self._charges = await (self._charge_all(context) if replayed is None else replayed.charges())
        return self._charges

    async def _find_late(self, context: CallContext) -> None:
        try:
            await self._record.find_late(context, self._held)
        except VoucherError as error:
            self._broken = error if self._record.is_used else None
            raise

    async def _charge_all(self, context: CallContext) -> tuple[Charge, ...]:
        if not self._held:
            return ()
        plan = await self._record.plan(self._held)
        try:
            charges = await self._charge_plan(context, plan)
        except BaseException as error:
            if self._broken is not None:
                await self._record.opened(error)
            raise
        self._broken = None
        await self._stop_renewals()
        await self._record.done(told=not context.abandoned)
        return charges

    async def _charge_plan(self, context: CallContext, plan: Sequence[Planned]) -> tuple[Charge, ...]:
        charges: list[Charge] = []
        for planned in plan:
            # until the outcome of this charge is known, charging the order again is refused
            self._broken = self._cut_short(planned.reservation)
            try:
                charges.append(await self._charge_one(context, planned))
            except VoucherError as error:
                context.undoing = True
                await self._record.check_own(error)
                outcomes = await undo(self._kit, self._record.record, charges, error)
                failure = failure_of(error, outcomes)
                self._broken = failure if _moved_money(outcomes) else None
                raise failure from error
        return tuple(charges)

    async def _charge_one(self, context: CallContext, planned: Planned) -> Charge:
        if context.abandoned:
            raise ConfigurationError("the checkout was cancelled before this voucher was charged")
        return await self._record.charge(context, planned)

    def _cut_short(self, reservation: Reservation) -> OutcomeUnknown:
        pending = charge_pending(reservation, self.order_number)
        return OutcomeUnknown(
            "the checkout was cut short while it charged: look for its charges before you pay this order "
            "again",
            pending=self._kit.reservations.numbering.formatted(pending),
        )

    def _check_broken(self) -> None:
        if self._broken is not None:
            raise self._broken

    def _check_left(self) -> None:
        if self._left:
            raise ConfigurationError("the checkout is over: its `async with` block was left")
        if self._record.needs_block:
            raise ConfigurationError("an idempotency key is claimed at the checkout's `async with`")

    def _check_open(self) -> None:
        self._check_left()
        if self._charges is not None or self._charging:
            raise ConfigurationError("the checkout is over: it was charged, or is just being charged")
        self._check_broken()

    def _stop_renewal(self, held: HeldReservation) -> None:
        task = self._renewals.get(held)
        if task is not None:
            task.cancel()

    async def _stop_renewals(self) -> None:
        tasks, self._renewals = list(self._renewals.values()), {}
        if tasks:
            await to_the_end(_end(tasks))


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _moved_money(outcomes: Sequence[HeldOutcome]) -> bool:
    return any(outcome.state in {HeldState.CHARGED, HeldState.UNKNOWN} for outcome in outcomes)
