"""The record of a checkout: its owner, its plan of charges, and its end.

Theory of operation. The record has the idempotency key; each charge and each refund is a record of its own
(a child), so that each is settled like any other money call. Before the first charge the plan is written:
which reservations are charged, and the ids of their records. What is not in the plan was never charged.

    begun           inside its block; nothing was charged
    sent            being charged or refunded; inside its block also when all was refunded
    done            all of the plan was charged
    not done        no charge stands, and the block was left: the key is free
    open            a charge stands, or may, and the checkout was not finished

The next run with the key of an open record, or of one whose owner is dead, finishes it first (`finish`). One
that goes on after a run that was refused looks for its charges first (`late.py`).
A dead owner may wake up. It cannot begin a charge, as records with those ids exist by then; nor repeat a
refund, as the key of its record is taken.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs

from voucher_async.calls import calling, take_id
from voucher_async.cancelling import to_the_end
from voucher_async.checkout.finishing import child_of, finish
from voucher_async.checkout.late import adopt, find_late
from voucher_async.checkout.replayed import Replayed
from voucher_async.clock import Deadline
from voucher_async.errors import (
    ConfigurationError,
    Fate,
    JournalFailed,
    Proof,
    ReservationError,
    VoucherError,
)
from voucher_async.models import ChargeReservationRequest
from voucher_async.operations import CHARGE_RESERVATION
from voucher_async.outcomes import PendingOutcome, StillRunning
from voucher_async.payments.call import CHECKOUT, CallRecord, CallState, Parameters, Planned
from voucher_async.payments.joining import check_parameters
from voucher_async.payments.money_call import CallContext
from voucher_async.payments.recording import Recorder
from voucher_async.payments.replies import as_not_done

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine, Sequence

    from voucher_async.checkout.held import HeldReservation
    from voucher_async.checkout.kit import CheckoutKit
    from voucher_async.models import Charge
    from voucher_async.payments.journal import Claim

__all__ = ["CheckoutRecord"]

T = TypeVar("T")

_LEAVING: Final = 5.0  # seconds that leaving a block waits for the journal


class CheckoutRecord:
    """The record of one checkout.

    Args:
        kit: what checkouts work with.
        order_number: the order.
        currency: ISO 4217.
        key: the idempotency key.

    Attributes:
        replayed: the charges of an earlier run with the key; None where this one charges.
        call_id: the id that its record gets; None: a new one.
        record_id: the id of its record, or of the earlier run's with its key; None as long as there is none.
    """

    def __init__(self, kit: CheckoutKit, *, order_number: str, currency: str, key: str | None) -> None:
        self._kit = kit
        self._parameters = Parameters(operation=CHECKOUT, currency=currency, order_number=order_number)
        self._key = key
        self._recorder: Recorder | None = None
        self._is_inside = False
        self._is_left_over = False  # True while the charges of an earlier run are not known
        self._has_earlier = False  # True when an earlier run with the key was not carried out
        self._busy = 0
        self.replayed: Replayed | None = None
        self.call_id: str | None = None
        self.record_id: str | None = None

    @property
    def has_key(self) -> bool:
        """True when it has an idempotency key."""
        return self._key is not None

    @property
    def needs_block(self) -> bool:
        """True when it has a key, and its block, which claims the key, was not entered."""
        return self.has_key and not self._is_inside

    @property
    def is_used(self) -> bool:
        """True when another call has the key, or what an earlier run has charged is not known."""
        return self._is_left_over or self._recorder is None or self._recorder.record.state is CallState.DONE

    @property
    def record(self) -> CallRecord:
        """The record as it was written last."""
        return self._own.record

    @property
    def _own(self) -> Recorder:
        if self._recorder is None or self._recorder.record.ended:
            record = self._new_record()
            self._recorder = Recorder(self._kit.joining.ownership, record, is_stored=False)
            self.call_id, self.record_id = None, record.id
        return self._recorder

    def _new_record(self) -> CallRecord:
        record_id = self.call_id or take_id(self._kit.supervisor.settler.hooks)
        return self._kit.joining.ownership.new_record(self._parameters, self._key, record_id)

    async def enter(self) -> None:
        """Claim the key, where there is one.

        Raises:
            IdempotencyMismatch: the key was used with other parameters.
            StillRunning: another run with the key is inside its block.
            JournalFailed: the journal cannot be written.
            CheckoutFailed, OutcomeUnknown: an earlier run left charges that cannot be finished now.
        """
        self._is_inside = True
        if self._key is None:
            return
        context = CallContext(self._kit.sender.deadline(), self._pending())
        try:
            await self._kit.supervisor.run(context, self._claim)
        except BaseException:
            await self.leave()
            raise

    def _pending(self) -> PendingOutcome:
        asked = self._parameters
        return PendingOutcome(
            operation=CHARGE_RESERVATION.id, currency=asked.currency, order_number=asked.order_number
        )

    async def _claim(self, context: CallContext) -> None:
        try:
            while not await self._claim_once(context):
                _check_caller(context)
        except BaseException:
            await self.leave()
            raise

    async def _claim_once(self, context: CallContext) -> bool:
        """Claim the key; True when it was claimed, or an earlier run has charged; False: try again."""
        claim = await to_the_end(self._ask(context))
        if claim.won:
            self._has_earlier = claim.earlier is not None
            return not await self._find_late(context)
        held = claim.record
        check_parameters(self._parameters, held.parameters)
        if held.state is CallState.DONE:
            return await self._replay(held, context)
        ownership = self._kit.joining.ownership
        if held.state is CallState.OPEN:
            taking = ownership.take_over(held, CallState.SENT, "its checkout is finished first")
            return await self._finish(held, context, taking)
        if await self._kit.joining.wait_for(held, context) is None:
            return await self._finish(held, context, ownership.take_from_dead(held, _taken_in(held)))
        return False

    async def _ask(self, context: CallContext) -> Claim:
        ownership = self._kit.joining.ownership
        record = self._new_record()
        claim = await ownership.claim(record)
        if claim.won:
            self._recorder = Recorder(ownership, claim.record, is_stored=True)
            self.call_id = None
        self.record_id = claim.record.id
        context.asked = attrs.evolve(context.asked, id=claim.record.id)
        return claim

    async def _replay(self, held: CallRecord, context: CallContext) -> bool:
        self.replayed = await Replayed.read(self._kit.joining, held, context.deadline)
        if self.replayed is None:
            ownership = self._kit.joining.ownership
            await ownership.take_over(held, CallState.NOT_DONE, "all of it was taken back")
        return self.replayed is not None

    async def _finish(
        self, held: CallRecord, context: CallContext, taking: Coroutine[Any, Any, CallRecord | None]
    ) -> bool:
        """Finish an earlier run; True when nothing was charged, so that this run goes on with the record."""
        if not await to_the_end(self._take(held, taking)):
            return False
        if held.state is CallState.BEGUN:
            self._has_earlier = True  # its owner may have died before it had looked
            return not await self._find_late(context)
        await self._finish_own(context)
        return False

    async def _finish_own(self, context: CallContext) -> CallState:
        state = await finish(self._kit, self._own, context)
        self._recorder, self._is_left_over = None, False
        return state

    async def _find_late(self, context: CallContext) -> CallState | None:
        """Look for refused charges that were carried out late, and finish the run that they belong to.

        Returns:
            How that run ended; None when there is none.
        """
        has_tried = self._recorder is not None and bool(self._recorder.record.plan)
        if not (self._has_earlier or has_tried):
            return None
        found = await find_late(self._kit, self._own, context.deadline)
        if not found:
            return None
        # the key stays used until it is finished
        context.begun = self._is_left_over = self._has_earlier = True
        await to_the_end(adopt(self._kit, self._own, found))
        return await self._finish_own(context)

    async def find_late(self, context: CallContext, held: Sequence[HeldReservation]) -> None:
        """Look once more before charging; where an earlier run is charged by now, it is `replayed`.

        Args:
            context: the call.
            held: what is about to be charged, which has ended older reservations of its vouchers.

        Raises:
            IdempotencyMismatch: an earlier run has charged something else; nothing was sent.
            CheckoutFailed, OutcomeUnknown, StillRunning, JournalFailed: as `enter` says.
        """
        recorder = self._recorder
        if recorder is None or await self._find_late(context) is not CallState.DONE:
            return
        check_parameters(self._parameters, recorder.record.parameters)
        self.replayed = await Replayed.read(self._kit.joining, recorder.record, context.deadline)
        if self.replayed is not None:
            for each in held:
                self.replayed.find(each.target, each.asked)

    async def _take(self, held: CallRecord, taking: Coroutine[Any, Any, CallRecord | None]) -> bool:
        taken = await taking
        if taken is not None:
            self._recorder = Recorder(self._kit.joining.ownership, taken, is_stored=True)
            self._is_left_over = held.state is not CallState.BEGUN
        return taken is not None

    async def leave(self) -> None:
        """Free the key, unless a charge stands or is under way."""
        self._is_inside = False
        recorder = self._recorder
        # no await once all is charged: a caller cancelled in it would never receive the charges
        if recorder is not None and (self._is_left_over or not recorder.is_over):
            await to_the_end(self._release_soon(recorder))

    async def _release_soon(self, recorder: Recorder) -> None:
        """Free the key in a task of its own, whose caller waits for that: what is not written is given up."""
        ownership = self._kit.joining.ownership
        ownership.limit(Deadline(ownership.clock, _LEAVING))
        await self._release(recorder)

    async def _release(self, recorder: Recorder) -> None:
        if self._is_left_over:
            await recorder.opened(asyncio.CancelledError())
        elif not self._is_inside and not self._busy:
            await recorder.released("its block was left, and nothing of it is charged")

    async def during(self, charging: Awaitable[T]) -> T:
        """Charge; when the block is left meanwhile, the end of charging ends the record.

        Raises:
            StillRunning: nothing was charged, and another worker may have taken the checkout over.
        """
        self._busy += 1
        try:
            return await charging
        except VoucherError as error:
            if error.proof is not None or isinstance(error, ReservationError):
                await self.check_denial(error)
            raise
        finally:
            self._busy -= 1
            if self._recorder is not None:
                await self._release(self._recorder)

    async def check_denial(self, error: VoucherError) -> None:
        """Refuse to say that nothing was charged once another worker may have taken the checkout over.

        Args:
            error: what is to be said.

        Raises:
            StillRunning: the other worker goes on with it, and may have charged.
        """
        recorder = self._recorder
        if recorder is None:
            return
        with contextlib.suppress(VoucherError):  # without a lease that runs it is not said, either
            await self._kit.joining.ownership.renew()
        await recorder.check_denial(error, None)

    async def plan(self, held: Sequence[HeldReservation]) -> tuple[Planned, ...]:
        """Write the plan of charges.

        Raises:
            JournalFailed: it could not be written.
            StillRunning: another worker has taken the checkout over.
        """
        plan = tuple(
            Planned(target=each.target, asked=each.asked, reservation=each.reservation) for each in held
        )
        try:
            await self._own.planned(plan)
        except JournalFailed as error:
            raise as_not_done(error, Proof.NOT_SENT) from error.__cause__
        return plan

    async def charge(self, context: CallContext, planned: Planned) -> Charge:
        """Charge one voucher of the plan; its record is a child of this one."""
        ownership, asked = self._kit.joining.ownership, self._parameters
        recorder = Recorder(ownership, child_of(ownership, self.record, planned), is_stored=False)
        with calling(
            self._kit.supervisor.settler.hooks,
            "reservations.charge",
            id=recorder.id,
            order_number=asked.order_number,
            amount=planned.reservation.amount,
            currency=asked.currency,
        ):
            try:
                charge = await self._kit.reservations.charge_by(
                    context,
                    planned.reservation,
                    ChargeReservationRequest(order_number=asked.order_number or ""),
                    currency=asked.currency,
                    recorder=recorder,
                )
            except BaseException as error:
                sent = context.money_call
                is_own = sent is not None and sent.recorder is recorder
                await recorder.raised(error, sent.pending if sent is not None and is_own else None)
                raise
            # to the checkout: its own record says whether its caller was told
            await recorder.done(charge, told=True)
            return charge

    async def check_own(self, error: Exception) -> None:
        """Refuse to refund once another worker has taken the checkout over.

        Args:
            error: the reason why the checkout fails.

        Raises:
            StillRunning: the other worker finishes it.
        """
        if not await self._own.holds():
            taken = StillRunning(
                "another worker has taken the checkout over, and finishes it: ask again with its key",
                pending=attrs.evolve(self._pending(), id=self.record.id),
            )
            taken.fate = Fate.UNKNOWN
            raise taken from error

    async def done(self, *, told: bool) -> None:
        """Note that all was charged.

        Args:
            told: whether a caller is there to receive the charges.
        """
        await self._own.done(None, told=told)

    async def opened(self, error: BaseException) -> None:
        """Note that a charge stands, or may, and that the checkout is not finished."""
        await self._own.opened(error)


def _taken_in(held: CallRecord) -> CallState:
    """The state of a dead owner's record once it was taken over."""
    return CallState.BEGUN if held.state is CallState.BEGUN else CallState.SENT


def _check_caller(context: CallContext) -> None:
    """Begin no further charge once the caller is gone."""
    context.begun = False
    if context.abandoned:
        raise ConfigurationError("the checkout was cancelled before it began")
