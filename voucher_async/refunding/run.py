"""One run of the refund of an order: find what it took, split what is missing, give it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voucher_async.api_errors import ApiError
from voucher_async.checkout.turns import in_turn
from voucher_async.errors import InvalidInput, Proof, VoucherError
from voucher_async.money import ZERO, difference
from voucher_async.order_refunds import OrderRefundFailed, OrderRefundUnknown, RefundOutcome, RefundState
from voucher_async.outcomes import OutcomeUnknown, StillRunning
from voucher_async.payments.replies import as_not_done
from voucher_async.refunding.finding import Finder, settled
from voucher_async.refunding.parts import Parts, given_by, order_refund_of, outcomes_of, proof_of, weakest
from voucher_async.refunding.standing import Share, Standing, shares_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from decimal import Decimal

    from voucher_async.checkout.kit import CheckoutKit
    from voucher_async.models import Charge
    from voucher_async.order_refunds import OrderRefund
    from voucher_async.outcomes import PendingOutcome
    from voucher_async.payments.call import CallRecord
    from voucher_async.payments.money_call import CallContext
    from voucher_async.payments.recording import Recorder

__all__ = ["Run"]


class Run:
    """One run of the refund of an order, whose record is this client's own.

    Args:
        kit: refunds, and settles.
        recover: ends what a dead worker left.
        recorder: writes its record.
        context: the call.
        vouchers: vouchers that may have paid for the order.
        is_resumed: an earlier run may have given something back.
    """

    def __init__(
        self,
        kit: CheckoutKit,
        recover: Callable[[CallRecord], Awaitable[CallRecord | None]],
        recorder: Recorder,
        context: CallContext,
        vouchers: Sequence[str],
        *,
        is_resumed: bool = False,
    ) -> None:
        self._kit = kit
        self._recover = recover
        self._recorder = recorder
        self._context = context
        self._vouchers = vouchers
        self._is_resumed = is_resumed
        self._parts = Parts(kit, recorder)
        self._order_number = recorder.record.parameters.order_number or ""
        self._earlier: tuple[RefundOutcome, ...] = ()
        self._is_unread = is_resumed  # True while nobody knows what earlier runs gave back
        self._proof: Proof | None = None  # of what earlier runs sent, and was not carried out
        self._outcomes: list[RefundOutcome] = []

    async def run(self) -> OrderRefund:
        """Give back what is missing.

        Raises:
            OrderRefundFailed: not all could be given back.
            VoucherError: nothing was given back by this refund, in no run.
        """
        try:
            digest_key = await self._kit.joining.ownership.digest_key(self._context.deadline)
            turn = self._kit.key(f"refunds of order {self._order_number}", digest_key)
            async with in_turn(self._kit.lock, (turn,), self._context.deadline):
                return await self._give_back()
        except (OrderRefundFailed, StillRunning):
            raise
        except VoucherError as error:
            if not (self._is_resumed or self._context.begun or isinstance(error, OutcomeUnknown)):
                raise
            raise self._failed(error) from error

    async def _give_back(self) -> OrderRefund:
        await self.ended_parts()
        self._is_unread = True  # a copy of a refused part may have been carried out
        await self._parts.find_late(self._context)
        parts = await self._parts.read()
        given, asked = given_by(parts), self._recorder.record.parameters.amount
        self._earlier, self._is_unread, self._proof = outcomes_of(parts), False, proof_of(parts)
        if self._earlier:
            self._is_resumed = self._context.begun = True
        missing = None if asked is None else difference(asked, given)
        if missing is None or missing > ZERO:
            standing = await self._find()
            self._check(standing, missing)
            await self._refund(shares_of(standing.refundable, missing))
        return order_refund_of(self._order_number, (*self._earlier, *self._outcomes))

    async def _find(self) -> Standing:
        finder = Finder(
            self._kit,
            self._recover,
            order_number=self._order_number,
            voucher_ids=self._vouchers,
            own=self._recorder.id,
            deadline=self._context.deadline,
        )
        try:
            return await finder.find()
        except OrderRefundFailed as error:
            raise self._failed(error) from error

    async def ended_parts(self) -> Sequence[CallRecord]:
        """The parts of earlier runs, all of them ended.

        Raises:
            OrderRefundUnknown: one is open.
        """
        if not self._is_resumed:
            return ()
        await self._parts.fence()
        for part in await self._parts.read():
            await settled(self._kit, part, self._context.deadline)
        parts = await self._parts.read()
        self._earlier, self._is_unread = outcomes_of(parts), False
        open_part = next((each for each in parts if not each.ended), None)
        if open_part is not None:
            raise OrderRefundUnknown(
                "an earlier refund of this order and key is open, so nothing more was refunded",
                outcomes=self._earlier,
                pending=open_part.view,
            )
        return parts

    def _check(self, standing: Standing, missing: Decimal | None) -> None:
        """Refuse to begin what cannot be given back."""
        before = {each.currency for each in self._earlier if each.state is RefundState.REFUNDED}
        other = next((each.currency for each in standing.refundable if before - {each.currency}), None)
        if other is not None:
            words = f"was given back in {' and '.join(sorted(before))}, and {other} is left: use another key"
            raise InvalidInput("order_number", words, self._order_number)
        if missing is not None and missing > standing.left:
            raise InvalidInput(
                "amount", f"must be at most what is left of the order, {standing.left}", missing
            )
        if standing.certain < (standing.left if missing is None else missing):
            unclear = difference(standing.left, standing.certain)
            raise self._failed(
                VoucherError(
                    f"{standing.left} is left of the order; of {unclear} nobody can tell of which charge, as "
                    "one of several on one voucher was refunded elsewhere: refund these charges one by one"
                )
            )

    async def _refund(self, shares: Sequence[Share]) -> None:
        first: VoucherError | None = None
        for share in shares:
            error = await self._refund_one(share)
            first = first or error
            if error is not None and not _is_refused(error):  # a refusal is about this charge alone
                break
        if first is not None:
            rest = shares[len(self._outcomes) :]
            self._outcomes += (_outcome(each, RefundState.NOT_REFUNDED) for each in rest)
            raise self._failed(first) from first

    async def _refund_one(self, share: Share) -> VoucherError | None:
        """Refund one share, and note its outcome; returns the error, if it failed.

        Raises:
            StillRunning: another worker goes on with the refund.
        """
        if self._context.abandoned:
            return VoucherError("its caller has left, so nothing more is begun")
        self._context.begun = True
        try:
            made = await self._parts.send(share, self._context.deadline)
        except StillRunning:
            raise self._recorder.taken_over(None) from None
        except VoucherError as error:
            state = RefundState.NOT_REFUNDED if _open_in(error) is None else RefundState.UNKNOWN
            self._outcomes.append(_outcome(share, state, error=error))
            return error
        self._outcomes.append(_outcome(share, RefundState.REFUNDED, refund=made))
        return None

    def _failed(self, error: VoucherError) -> OrderRefundFailed:
        """The error of a run that did not give back all; with a proof only where nothing was given back."""
        told = (*self._earlier, *self._outcomes)
        states = [each.state for each in told]
        counts = [f"{states.count(state)} {state}" for state in RefundState if state in states]
        nothing = "what was given back before is not known now" if self._is_unread else "nothing was begun"
        words = ", ".join(counts) or nothing
        words = f"the order was not refunded as asked for ({words}): {error.args[0]}"
        pending = next(filter(None, map(_open_in, (*(each.error for each in told), error))), None)
        if pending is not None:
            return OrderRefundUnknown(words, outcomes=told, pending=pending, facts=error.facts)
        open_calls = error.open_calls if isinstance(error, OrderRefundFailed) else ()
        failed = OrderRefundFailed(words, outcomes=told, open_calls=open_calls, facts=error.facts)
        if self._is_unread or RefundState.REFUNDED in states:
            return failed  # a proof would free the key
        as_not_done(failed, weakest(self._proof, error.proof) or Proof.NOT_SENT)
        return failed


def _outcome(
    share: Share, state: RefundState, *, refund: Charge | None = None, error: VoucherError | None = None
) -> RefundOutcome:
    return RefundOutcome(
        charge_id=share.charge.id,
        voucher_id=share.charge.voucher_id,
        amount=share.amount,
        currency=share.currency,
        state=state,
        refund=refund,
        error=error,
    )


def _open_in(error: Exception | None) -> PendingOutcome | None:
    """The open outcome of an error, also of a refusal after which no look could be made."""
    return error.pending if isinstance(error, (OutcomeUnknown, ApiError)) else None


def _is_refused(error: VoucherError) -> bool:
    """True for a refusal that says nothing about the other charges."""
    return isinstance(error, ApiError) and error.pending is None and error.proof is Proof.REFUSED
