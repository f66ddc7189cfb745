"""Writing the records of money calls: claimed, about to be sent, ended."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

import attrs

from voucher_async.cancelling import quietly
from voucher_async.errors import JournalFailed, Proof, VoucherError
from voucher_async.outcomes import SettlementState, StillRunning
from voucher_async.payments.call import CallRecord, CallState
from voucher_async.payments.facts import call_of
from voucher_async.payments.failures import failure_of, words_of
from voucher_async.payments.machine import Machine
from voucher_async.payments.ownership import Ownership, ask_journal

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from voucher_async.models import Charge
    from voucher_async.outcomes import PendingOutcome, Settlement
    from voucher_async.payments.call import Parameters, Planned

__all__ = ["Recorder"]

_MACHINE: Final = Machine()  # for rules without durations

_logger: Final = logging.getLogger("voucher_async")


class Recorder:
    """Writes the record of one money call.

    Args:
        ownership: who writes.
        record: the record.
        is_stored: it was claimed; else the first write stores it.

    Attributes:
        record: the record as it was written last.
        is_lost: somebody else has taken the record over, or changed it.
        is_asked_about: somebody was told its `PendingOutcome`, so its end is written in any case.
    """

    def __init__(self, ownership: Ownership, record: CallRecord, *, is_stored: bool) -> None:
        self._ownership = ownership
        self._is_stored = is_stored
        self._writing = asyncio.Lock()
        self._in_doubt: CallRecord | None = None  # the record of a write whose answer was lost
        self._end_known = False  # True once the end is decided, written or not
        self.record: CallRecord = record
        self.is_lost: bool = False
        self.is_asked_about: bool = False

    @property
    def id(self) -> str:
        """The id of the record, and of its `PendingOutcome`."""
        return self.record.id

    @property
    def is_own(self) -> bool:
        """True when the record is this client's; it may write the end of another's, too."""
        return self.record.owner == self._ownership.owner

    @property
    def is_over(self) -> bool:
        """True when its end is known, and was written, or could not be."""
        return self._end_known

    async def sent(self, pending: PendingOutcome) -> None:
        """Note durably that a request that moves money is about to be sent.

        Raises:
            JournalFailed: that could not be written; send nothing.
            StillRunning: the record has another owner now; send nothing.
        """
        if not await self._send(pending=pending, voucher_id=pending.voucher_id):
            raise self.taken_over(pending)

    async def planned(self, plan: Sequence[Planned]) -> None:
        """Note durably what a checkout is about to charge.

        Raises:
            JournalFailed: that could not be written; send nothing.
            StillRunning: the record has another owner now; send nothing.
        """
        if not await self._send(plan=tuple(plan)):
            raise self.taken_over(None)

    async def holds(self) -> bool:
        """Tell whether this client still has the record: noted, so who takes it over comes after that."""
        try:
            return await self._send()
        except JournalFailed:
            return True  # an unreachable journal has not said that the record was taken over

    def taken_over(self, pending: PendingOutcome | None) -> StillRunning:
        """The error for who has lost the record: whoever has it may have moved money since.

        Args:
            pending: what is known of the call.
        """
        return StillRunning(
            "the call was taken over by another worker, which goes on with it: ask again with the same key",
            pending=pending or self.record.view,
        )

    async def _send(self, **changes: Any) -> bool:
        self._end_known = False
        async with self._writing:
            if self._in_doubt is not None:
                await self._catch_up(self._in_doubt)
            now = self._ownership.clock.now()
            return await self._write(CallState.SENT, now, durable=True, sent_at=now, **changes)

    async def _catch_up(self, lost: CallRecord) -> None:
        """Find out whether a write was stored whose answer was lost, and go on from there."""
        stored = await ask_journal(self._ownership.journal.get(lost.scope, lost.id))
        self._in_doubt = None
        if stored == lost:
            self._is_stored, self.record = True, lost
            self._ownership.keep(lost.id)
            self._ownership.note(lost)

    async def _write(
        self, state: CallState, now: dt.datetime, *, durable: bool = False, **changes: Any
    ) -> bool:
        ownership, is_stored = self._ownership, self._is_stored
        if not is_stored:
            self.record = await ownership.as_own(self.record)
        version = None if is_stored else 1
        changed = self.record.step(state, at=now, by=ownership.owner, version=version, **changes)
        try:
            if is_stored:
                is_taken = await ownership.save(changed, durable=durable)
            else:
                claim = await ownership.claim(changed, durable=durable)
                is_taken, changed = claim.won, claim.record if claim.won else changed
        except JournalFailed:
            self._in_doubt = changed
            raise
        if is_taken:
            self._is_stored, self.record = True, changed
        self.is_lost = not is_taken
        return is_taken

    async def may_deny(self) -> bool:
        """True when "not done" may be told: the machine's word, by what is written of the record."""
        call = call_of(self.record)._replace(state=CallState.NOT_DONE)
        is_written = await self._is_denied() if self.is_lost else self._is_nobody_elses
        return _MACHINE.may_tell(call, is_written=is_written)

    @property
    def _is_nobody_elses(self) -> bool:
        """True when it is written, or nobody can have taken over the record; another owner's must say so."""
        if not self._is_stored and self._in_doubt is None:
            return True  # never stored: no other owner has read it
        is_safe = self.is_own and (self.record.key is None or self._ownership.is_unbroken)
        return is_safe or self.record.state is CallState.NOT_DONE

    async def _is_denied(self) -> bool:
        """Tell whether the journal says "not done" of the record, and nobody has paid with the key since."""
        journal, record = self._ownership.journal, self.record
        try:
            stored = await ask_journal(journal.get(record.scope, record.id))
            holder = (
                stored if record.key is None else await ask_journal(journal.find(record.scope, record.key))
            )
        except VoucherError:
            return False
        return all(each is not None and each.state is CallState.NOT_DONE for each in (stored, holder))

    async def done(self, charge: Charge | None, *, told: bool, why: str | None = None) -> None:
        """Note that it was carried out."""
        await self._end(CallState.DONE, charge=charge, told=told, why=why)

    async def found_for(self, parameters: Parameters, charge: Charge) -> None:
        """Note that an earlier call with the key was carried out, with parameters of its own."""
        self.record = attrs.evolve(self.record, parameters=parameters)
        await self.done(charge, told=False, why="an earlier call with the key was carried out after all")

    async def failed(self, error: BaseException, *, is_begun: bool, pending: PendingOutcome | None) -> None:
        """Note how a call ended that raised an error.

        Args:
            error: what it raised.
            is_begun: a request that moves money may have been sent.
            pending: what is known of it.
        """
        left = getattr(error, "pending", None)
        proof = getattr(error, "proof", None)
        if left is None and (proof is not None or not is_begun):
            await self._end(
                CallState.NOT_DONE,
                proof=proof or Proof.NOT_SENT,
                failure=failure_of(error),
                why=words_of(error),
            )
        else:
            await self._end(CallState.OPEN, pending=left or pending, why=words_of(error))

    async def raised(self, error: BaseException, pending: PendingOutcome | None) -> None:
        """Note how a call ended that raised an error.

        Args:
            error: what it raised.
            pending: what is known of the request that moves money; None where none was begun.

        Raises:
            StillRunning: it would be told as not done, and somebody else has the record.
        """
        if isinstance(error, GeneratorExit):
            return  # the coroutine is being discarded with its event loop: nothing can be awaited
        await self.failed(error, is_begun=pending is not None, pending=pending)
        if getattr(error, "proof", None) is not None:
            await self.check_denial(error, pending)

    async def check_denial(self, error: BaseException, pending: PendingOutcome | None) -> None:
        """Refuse to tell as not done what somebody else goes on with.

        Args:
            error: what is to be told.
            pending: what is known of the call.

        Raises:
            StillRunning: somebody else has the record, and may have charged.
        """
        if not await self.may_deny():
            raise self.taken_over(pending) from error

    async def opened(self, error: BaseException) -> None:
        """Note that a call has moved money, or may have, and that it is not finished."""
        if not self._end_known:
            left = getattr(error, "pending", None)
            await self._end(CallState.OPEN, pending=left or self.record.pending, why=words_of(error))

    async def released(self, why: str) -> None:
        """Note that a call that is not finished charged nothing, or took all back: its key is free."""
        if not self._end_known:
            proof = Proof.NOT_SENT if self.record.state is CallState.BEGUN else None
            await self._end(CallState.NOT_DONE, proof=proof, why=why)

    async def settled(self, settlement: Settlement) -> None:
        """Note what was found out about a call that was open."""
        if settlement.state is SettlementState.DONE:
            await self._end(CallState.DONE, charge=settlement.charge, why="found")
        else:
            await self._end(CallState.NOT_DONE, proof=settlement.proof, why="looked for")

    async def _end(
        self, state: CallState, *, why: str | None, proof: Proof | None = None, **changes: Any
    ) -> None:
        """Write an end; what was answered stands whether that can be written or not."""
        self._end_known = True
        async with self._writing:
            try:
                try:
                    await self._write_end(state, why=why, proof=proof, **changes)
                except VoucherError:  # the answer may have been lost: read the record back, and write again
                    await self._write_end(state, why=why, proof=proof, **changes)
            except VoucherError as error:
                words = "the end of %s %s is not in the journal: %s"
                quietly(_logger.error, words, *self._what, error, extra=self.record.named)
                self._ownership.give_up(self.id)

    async def _write_end(self, state: CallState, **changes: Any) -> None:
        if self._in_doubt is not None:
            await self._catch_up(self._in_doubt)
        if self.is_lost:
            return  # the record's new owner writes its end
        if self.record.state is CallState.DONE or (self.record.ended and state is not CallState.DONE):
            return
        if not self._is_stored and state is CallState.NOT_DONE and not self.is_asked_about:
            return  # nothing was sent, and no record was stored
        if not await self._write(state, self._ownership.clock.now(), **changes):
            words = "somebody else has written the end of %s %s"
            quietly(_logger.warning, words, *self._what, extra=self.record.named)
            self._ownership.leave(self.id)  # it may be a write of this client that was taken for lost

    @property
    def _what(self) -> tuple[str, str]:
        return self.record.parameters.operation, self.record.id
