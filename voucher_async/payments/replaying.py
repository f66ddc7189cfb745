"""Answers for repeated calls with an idempotency key: the earlier charge, or the open outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import attrs

from voucher_async import api_errors, errors
from voucher_async.api_errors import ApiError
from voucher_async.errors import Fate, IdempotencyMismatch, Proof, TransportError, VoucherError
from voucher_async.operations import CHARGE_RESERVATION, CREATE_VOUCHER, REFUND_CHARGE
from voucher_async.outcomes import ChargeRefunded, OutcomeUnknown, PendingOutcome, SettlementState
from voucher_async.payments.call import CHECKOUT, REFUND_ORDER, CallState
from voucher_async.payments.erasing import is_digest
from voucher_async.payments.facts import Asked, Step, call_of
from voucher_async.payments.fence import Confirmed, confirm
from voucher_async.payments.joined import as_joined
from voucher_async.payments.known import earlier_of, parts_of
from voucher_async.payments.money_call import MoneyCall
from voucher_async.payments.recording import Recorder
from voucher_async.payments.replies import as_not_done
from voucher_async.payments.taken_back import refunds_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from voucher_async.clock import Deadline
    from voucher_async.models import Charge
    from voucher_async.outcomes import Settlement
    from voucher_async.payments.call import CallRecord, Failure, Parameters
    from voucher_async.payments.money_call import CallContext
    from voucher_async.payments.ownership import Ownership
    from voucher_async.payments.supervisor import Supervisor

__all__ = ["Replay", "behind", "raise_refunded", "raise_refusal"]

T = TypeVar("T")

_PARTS: Final = {CHECKOUT: CHARGE_RESERVATION.id, REFUND_ORDER: REFUND_CHARGE.id}


class Replay:
    """One per client.

    Args:
        supervisor: settles, and reads.
        ownership: writes records.
    """

    def __init__(self, supervisor: Supervisor, ownership: Ownership) -> None:
        self._supervisor = supervisor
        self._ownership = ownership

    async def hand_out(self, record: CallRecord, _: Deadline) -> Charge:
        """The charge of a call that was carried out, and was not taken back.

        Raises:
            OutcomeUnknown: its record does not have the charge.
        """
        charge = record.charge
        if charge is None:
            raise OutcomeUnknown(
                "the call with this idempotency key was carried out, and its charge is not known here",
                pending=record.view,
            )
        if not record.told:
            await self._ownership.acknowledge(charge)
        return as_joined(charge)

    def age(self, record: CallRecord) -> float:
        """Seconds since a record was written."""
        return (self._ownership.clock.now() - record.changed_at).total_seconds()

    async def read_again(self, record: CallRecord, deadline: Deadline) -> CallRecord:
        """The record of a charge, with the refunds that its voucher's list shows to take all of it back."""
        refunds = () if record.charge is None else await self.seen_refunds(record.charge, deadline)
        return attrs.evolve(record, refunds=refunds) if refunds else record

    async def taken_back_by(self, record: CallRecord, deadline: Deadline) -> tuple[Charge, ...]:
        """The refunds that took all of a call's charge back; an older one's are read, too.

        Args:
            record: the call, which is done.
            deadline: for the read.
        """
        machine, asked = self._supervisor.settler.machine, Asked(age=self.age(record))
        step = machine.next_for(call_of(record), asked)
        if step is Step.READ_FIRST:
            record = await self.read_again(record, deadline)
            step = machine.next_for(call_of(record), asked._replace(has_read=True))
        return record.refunds if step is Step.REFUNDED else ()

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
            OutcomeUnknown: it stays open, for now or for good: the same `pending` as before.
        """
        settlement = await self._settle(record, deadline)
        return None if settlement.charge is None else as_joined(settlement.charge)

    async def settle_state(self, record: CallRecord, deadline: Deadline) -> bool:
        """Tell whether a call that was open was carried out; otherwise as `settle`."""
        return (await self._settle(record, deadline)).state is SettlementState.DONE

    async def _settle(self, record: CallRecord, deadline: Deadline) -> Settlement:
        pending = record.view
        recorder = Recorder(self._ownership, record, is_stored=True)
        if record.owner != self._ownership.owner:
            self._supervisor.settler.registry.reopen(pending.id)  # what this client knows is out of date
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

    async def doubtful(self, record: CallRecord) -> list[CallRecord]:
        """The records of earlier calls with the key that were not carried out, which is to be confirmed.

        All of them: one that came between and sent nothing has taken the doubt over, not away. Of a checkout
        or the refund of an order they are its parts, unless the record is of its kind: that looks for them
        itself.
        """
        found: list[CallRecord] = []
        for each in await earlier_of(self._ownership, record):
            operation = each.parameters.operation
            if operation in _PARTS and operation != record.parameters.operation:
                parts = await parts_of(self._ownership, record, each.id)
                found += [part for part in parts if part.parameters.operation == _PARTS[operation]]
            else:
                found.append(each)
        return list(filter(self.may_be_late, found))

    async def find_late(self, record: CallRecord, context: CallContext) -> Charge | None:
        """The charge of an earlier call with the key of a new record, which was not carried out so far.

        Raises:
            IdempotencyMismatch: it is the charge of other parameters; the record is that of this charge now.
            OutcomeUnknown: that cannot be told, or not in time.
        """
        for earlier in await self.doubtful(record):
            found = await self.look_again(earlier, context)
            if found is not None:
                assert context.recorder is not None  # noqa: S101 - a call with a key has a record
                await self.check_late(found, earlier.parameters, context.recorder)
                return found
        return None

    async def check_late(self, found: Charge, paid: Parameters, recorder: Recorder) -> None:
        """Give a key to an earlier call that was carried out late, where that has other parameters.

        Args:
            found: its charge.
            paid: its parameters.
            recorder: writes the record that has the key.

        Raises:
            IdempotencyMismatch: it has.
        """
        differences = paid.differences(recorder.record.parameters)
        if not differences:
            return
        await recorder.found_for(paid, found)
        if recorder.record.state is not CallState.DONE:
            self._supervisor.settler.registry.let_go(found.id)  # the key's next caller finds it again
        raise IdempotencyMismatch(
            f"an earlier call with this idempotency key and another {', another '.join(differences)} was "
            f"carried out after it was refused: its charge is {found.id}; nothing was sent for this one",
            differences=differences,
        )

    def may_be_late(self, earlier: CallRecord) -> bool:
        """True when a request of a call that was not carried out may be carried out yet, or not have shown.

        A refusal answers one delivery: a copy that a proxy made may come at any time.
        """
        is_by_id = earlier.parameters.operation == CREATE_VOUCHER.id  # the server creates an id once
        if is_by_id or earlier.sent_at is None or earlier.pending is None or earlier.voucher_id is None:
            return False
        age = (self._ownership.clock.now() - earlier.sent_at).total_seconds()
        window = self._supervisor.settler.machine.limits.window
        return earlier.state is CallState.NOT_DONE and (earlier.proof is Proof.REFUSED or age < window)

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
        if is_digest(pending.order_number):
            pending = attrs.evolve(pending, order_number=None)
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


def raise_refunded(record: CallRecord) -> None:
    """Raise that the charge of a call was taken back.

    Raises:
        ChargeRefunded: with the charge and its refunds.
    """
    if record.charge is not None:
        raise ChargeRefunded(
            "the charge of this idempotency key was made and taken back; the key stays used: "
            "pay again with another key",
            charge=record.charge,
            refunds=record.refunds,
        )


def raise_refusal(record: CallRecord) -> None:
    """Raise what ended a call that others waited for, unless that was about its owner alone.

    Raises:
        VoucherError: a copy of its caller's error.
    """
    if record.failure is not None:
        error = _error_of(record.failure)
        raise error if record.proof is None else as_not_done(error, record.proof)


def _error_of(failure: Failure) -> VoucherError:
    home = api_errors if failure.kind in api_errors.__all__ else errors
    kind: type[Any] = getattr(home, failure.kind, VoucherError)
    if issubclass(kind, ApiError) and failure.status is not None:
        error: ApiError = kind(
            failure.message, status=failure.status, code=failure.code, retry_after=failure.retry_after
        )
        error.has_envelope, error.fate = True, Fate.ANSWERED
        return error
    if issubclass(kind, TransportError):
        return cast("VoucherError", kind(failure.message, fate=Fate.NOT_DONE))
    return VoucherError(failure.message)


def behind(call: Callable[[CallContext], Awaitable[T]]) -> Callable[[CallContext], Awaitable[T]]:
    """The call of a dead owner: whatever ends it before it is known what that one did leaves it open."""

    async def confirm_first(context: CallContext) -> T:
        try:
            return await call(context)
        except VoucherError as error:
            if context.fenced is None or isinstance(error, OutcomeUnknown):
                raise
            raise OutcomeUnknown(
                f"what a dead worker sent for this payment is not clear ({error.args[0]}); no more was sent: "
                "ask again with the same key",
                pending=context.fenced,
            ) from error

    return confirm_first
