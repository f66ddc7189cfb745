"""Answers for those who ask again with an idempotency key: what was done before, and what is open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import attrs

from voucher_async import errors
from voucher_async.errors import (
    ApiError,
    ChargeRefunded,
    Fate,
    OutcomeUnknown,
    Proof,
    TransportError,
    VoucherError,
)
from voucher_async.operations import CHARGE_RESERVATION
from voucher_async.payments.call import REDEEM, CallRecord, CallState, Failure
from voucher_async.payments.facts import Limits
from voucher_async.payments.fence import Confirmed, confirm
from voucher_async.payments.joined import as_joined
from voucher_async.payments.money_call import MoneyCall
from voucher_async.payments.recording import Recorder
from voucher_async.payments.replies import as_not_done
from voucher_async.payments.taken_back import covers, refunds_of
from voucher_async.pending import PendingOutcome, SettlementState

if TYPE_CHECKING:
    from voucher_async.clock import Deadline
    from voucher_async.models import Charge
    from voucher_async.payments.money_call import CallContext
    from voucher_async.payments.ownership import Ownership
    from voucher_async.payments.supervisor import Supervisor
    from voucher_async.pending import Settlement

__all__ = ["Replay", "raise_refusal"]

_FRESH: Final = Limits().fresh


class Replay:
    """One per client.

    Args:
        supervisor: settles, and reads.
        ownership: who writes records.
    """

    def __init__(self, supervisor: Supervisor, ownership: Ownership) -> None:
        self._supervisor = supervisor
        self._ownership = ownership

    async def hand_out(self, record: CallRecord, deadline: Deadline) -> Charge:
        """The charge of a call that was carried out.

        Args:
            record: the call.
            deadline: for the read.

        Raises:
            ChargeRefunded: all of it was taken back.
        """
        charge = record.charge
        if charge is None:
            raise OutcomeUnknown(
                "the call with this idempotency key was carried out, and its charge is not known here",
                pending=record.view,
            )
        refunds = await self.taken_back_by(record, charge, deadline)
        if refunds:
            raise ChargeRefunded(
                "the charge of this idempotency key was made and taken back; the key stays used: "
                "pay again with another key",
                charge=charge,
                refunds=refunds,
            )
        if not record.told:
            await self._ownership.acknowledge(charge)
        return as_joined(charge)

    async def taken_back_by(
        self, record: CallRecord, charge: Charge, deadline: Deadline
    ) -> tuple[Charge, ...]:
        """The refunds that took all of a call's charge back; an older one's are read, too.

        Args:
            record: the call.
            charge: what it made.
            deadline: for the read.
        """
        if not _can_be_refunded(record):
            return ()
        if covers(charge, record.refunds):
            return record.refunds
        return await self.seen_refunds(charge, deadline) if self._is_old(record) else ()

    def _is_old(self, record: CallRecord) -> bool:
        return (self._ownership.clock.now() - record.changed_at).total_seconds() > _FRESH

    async def seen_refunds(self, charge: Charge, deadline: Deadline) -> tuple[Charge, ...]:
        """The refunds that take all of a charge back, by its voucher's list; a read that fails shows none."""
        try:
            look = await self._supervisor.settler.looking.read(charge.voucher_id, deadline)
        except VoucherError:
            return ()
        own = self._supervisor.settler.numbering.own
        return refunds_of(own(charge), list(map(own, look.charges))) if look.all else ()

    async def settle(self, record: CallRecord, deadline: Deadline) -> Charge | None:
        """The charge of a call that was open; None when it was not carried out.

        Raises:
            OutcomeUnknown: it cannot be told, or not yet: the same `pending` as before.
        """
        settlement = await self._settle(record, deadline)
        return None if settlement.charge is None else as_joined(settlement.charge)

    async def settle_state(self, record: CallRecord, deadline: Deadline) -> bool:
        """Whether a call that was open was carried out; otherwise as `settle`."""
        return (await self._settle(record, deadline)).state is SettlementState.DONE

    async def _settle(self, record: CallRecord, deadline: Deadline) -> Settlement:
        pending = record.view
        recorder = Recorder(self._ownership, record, is_stored=True)
        try:
            settlement = await self._supervisor.settle(pending, deadline, recorder)
        except OutcomeUnknown as error:
            raise OutcomeUnknown(
                f"an earlier call with this idempotency key is open, so nothing was sent: {error.args[0]}",
                pending=pending,
            ) from error
        settlement = self._supervisor.settler.numbering.own_settlement(settlement)
        await recorder.settled(settlement)
        return settlement

    async def look_again(self, earlier: CallRecord, context: CallContext) -> Charge | None:
        """Look for an earlier call with the same key, which was not carried out by what is known.

        Returns:
            Its charge, should it be there all the same; None when it is not.

        Raises:
            OutcomeUnknown: that cannot be told, or not in time.
        """
        clock = self._ownership.clock
        ago = max((clock.now() - earlier.changed_at).total_seconds(), 0.0)
        pending = attrs.evolve(earlier.view, id=context.pending.id)
        is_refused = earlier.proof in {Proof.REFUSED, None}
        money_call = MoneyCall.inherited(pending, clock.monotonic() - ago, is_refused=is_refused)
        words = "an earlier call with this idempotency key was not carried out by what was known, and that"
        return await self._confirmed(context, money_call, f"{words} could not be confirmed")

    async def look_behind(
        self, fenced: PendingOutcome, since: float | None, context: CallContext
    ) -> Charge | None:
        """Look for what a dead owner may have charged, after a new reservation has ended its own.

        Args:
            fenced: what it may have sent.
            since: monotonic time in seconds when the new reservation was answered; None when it was refused.
            context: the call that goes on.

        Returns:
            The charge; None when it was not made, and cannot be made any more.

        Raises:
            OutcomeUnknown: that cannot be told in time.
        """
        limits = self._supervisor.settler.machine.limits
        ended_at = self._ownership.clock.monotonic() + limits.begin if since is None else since
        money_call = MoneyCall.left_behind(fenced, ended_at, fenced_at=since)
        words = "what a dead worker sent for this payment is not clear"
        return await self._confirmed(context, money_call, words)

    async def _confirmed(self, context: CallContext, money_call: MoneyCall, words: str) -> Charge | None:
        confirmed = await confirm(self._supervisor.settler, context, money_call)
        if confirmed is Confirmed.UNCLEAR:
            raise OutcomeUnknown(
                f"{words} ({money_call.reason}); no more was sent", pending=money_call.pending
            )
        if confirmed is Confirmed.CLEARED:
            return None
        return self._supervisor.settler.finish(context, money_call, money_call.finding.ours[0])


def _can_be_refunded(record: CallRecord) -> bool:
    return record.parameters.operation in {REDEEM, CHARGE_RESERVATION.id}


def raise_refusal(record: CallRecord) -> None:
    """Raise what ended a call that others waited for, unless that was about its owner alone.

    Raises:
        VoucherError: a copy of what its caller was told.
    """
    if record.state is CallState.NOT_DONE and record.failure is not None:
        error = _error_of(record.failure)
        raise error if record.proof is None else as_not_done(error, record.proof)


def _error_of(failure: Failure) -> VoucherError:
    kind: type[Any] = getattr(errors, failure.kind, VoucherError)
    if issubclass(kind, ApiError) and failure.status is not None:
        error: ApiError = kind(
            failure.message, status=failure.status, code=failure.code, retry_after=failure.retry_after
        )
        error.has_envelope, error.fate = True, Fate.ANSWERED
        return error
    if issubclass(kind, TransportError):
        return cast("VoucherError", kind(failure.message, fate=Fate.NOT_DONE))
    return VoucherError(failure.message)
