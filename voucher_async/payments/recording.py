"""Writing the records of money calls: claimed, about to be sent, ended."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs

from voucher_async.cancelling import quietly
from voucher_async.errors import JournalFailed, Proof, VoucherError
from voucher_async.forks import keep, renew_in_children
from voucher_async.payments.call import CallRecord, CallState, Parameters, new_id
from voucher_async.payments.codes import spelled
from voucher_async.payments.failures import failure_of, words_of
from voucher_async.payments.heartbeat import Heartbeat
from voucher_async.pending import SettlementState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from voucher_async.clock import Clock
    from voucher_async.models import Charge
    from voucher_async.payments.call import Planned
    from voucher_async.payments.journal import Claim, Journal
    from voucher_async.pending import PendingOutcome, Settlement

__all__ = ["Ownership", "Recorder", "ask_journal", "noted"]

T = TypeVar("T")

LEASE: Final = 15.0  # seconds
_RENEWED: Final = 5.0  # seconds after which the lease is renewed
_UNDER_WAY: Final = frozenset({CallState.BEGUN, CallState.SENT})

_logger: Final = logging.getLogger("voucher_async")


async def ask_journal(answer: Awaitable[T]) -> T:
    """Wait for a journal; whatever it raises becomes `JournalFailed`, which says that nothing was sent."""
    try:
        return await answer
    except VoucherError:
        raise
    except Exception as error:
        raise JournalFailed(f"the journal failed with a {type(error).__name__}; nothing was sent") from error


class Ownership:
    """One per client: who it is in its journal.

    Args:
        journal: where the records are.
        scope: whose records they are.
        clock: dates what is written, and measures the lease.

    Attributes:
        journal: where the records are.
        scope: whose records they are.
        clock: dates what is written.
        owner: this client in this process.
        heartbeat: keeps it alive for others while its calls are under way.
    """

    def __init__(self, journal: Journal, scope: str, clock: Clock) -> None:
        self.journal: Journal = journal
        self.scope: str = scope
        self.clock: Clock = clock
        self.owner: str = new_id()
        self._renewed: float | None = None
        self._digest_key: bytes | None = None
        self._given_up: set[str] = set()
        self.heartbeat: Heartbeat = Heartbeat(self._renew, _RENEWED)
        renew_in_children(self)

    def after_fork(self) -> None:
        """Be another owner in a child: what is under way is the parent's."""
        keep(self.heartbeat)
        self.owner, self._renewed, self.heartbeat = new_id(), None, Heartbeat(self._renew, _RENEWED)

    async def digest(self, code: str) -> str:
        """Stands for a voucher's code in records; it tells nothing to who has not the journal's key."""
        if self._digest_key is None:
            self._digest_key = await ask_journal(self.journal.digest_key())
        return digest_of(code, self._digest_key)

    def new_record(self, parameters: Parameters, key: str | None) -> CallRecord:
        """A record that is not stored yet."""
        return CallRecord.begin(parameters, scope=self.scope, key=key, owner=self.owner, at=self.clock.now())

    async def claim(self, record: CallRecord, *, durable: bool = False) -> Claim:
        """Store a new record and give it its key, if that is free.

        Args:
            record: the record.
            durable: wait until it is on disk.

        Raises:
            JournalFailed: it could not be stored; nothing was sent.
        """
        await self._renew()
        try:
            claim = await ask_journal(self.journal.claim(record, durable=durable))
        except BaseException:
            self.give_up(record.id)  # it may be stored all the same
            raise
        if claim.won:
            self.note(record)
        return claim

    async def save(self, record: CallRecord, *, durable: bool = False) -> bool:
        """Store the successor of a record of this client; False when somebody else has changed it.

        Args:
            record: the record.
            durable: wait until it is on disk.
        """
        is_taken = await ask_journal(self.journal.save(record, durable=durable))
        self.note(record) if is_taken else self.heartbeat.release(record.id)
        return is_taken

    def note(self, record: CallRecord) -> None:
        """Keep the lease as long as a record of this client is under way."""
        if record.state in _UNDER_WAY:
            self.heartbeat.hold(record.id)
        else:
            self.heartbeat.release(record.id)

    def give_up(self, record_id: str) -> None:
        """Let whoever asks next take a record of this client over: nobody here works on it any more."""
        self._given_up.add(record_id)
        self.heartbeat.release(record_id)

    def keep(self, record_id: str) -> None:
        """Take back that a record was given up."""
        self._given_up.discard(record_id)

    async def take_over(self, held: CallRecord, state: CallState, why: str) -> CallRecord | None:
        """Make a record this client's own; None when somebody else has changed it meanwhile.

        Args:
            held: the record as it was read.
            state: the state that it is in then.
            why: the reason in words.
        """
        taken = attrs.evolve(held.step(state, at=self.clock.now(), by=self.owner, why=why), owner=self.owner)
        try:
            is_taken = await self.save(taken)
        except BaseException:
            self.give_up(held.id)  # it may be taken all the same: whoever asks next goes on
            raise
        if not is_taken:
            return None  # by another call of this client, perhaps, which works on it
        self.keep(held.id)
        return taken

    async def _renew(self) -> None:
        now = self.clock.monotonic()
        if self._renewed is not None and now - self._renewed < _RENEWED:
            return
        if not await ask_journal(self.journal.beat(self.owner, LEASE)):
            self.owner = new_id()  # declared dead: what was under way is not this client's any more
            await ask_journal(self.journal.beat(self.owner, LEASE))
        self._renewed = now

    async def note_refund(self, refund: Charge, *, of: str | None) -> None:
        """Note on the record of a charge that it was refunded; what was refunded stands if that fails."""
        if of is None:
            return
        try:
            await self._note_refund(refund, of)
        except VoucherError as error:
            quietly(_logger.error, "the refund of charge %s is not in the journal: %s", of, error)

    async def _note_refund(self, refund: Charge, of: str) -> None:
        journal = self.journal
        record_id = await ask_journal(journal.owner_of(self.scope, of))
        while record_id is not None:
            record = await ask_journal(journal.get(self.scope, record_id))
            if record is None or refund.id in {each.id for each in record.refunds}:
                return
            refunds = (*record.refunds, refund)
            now = self.clock.now()
            changed = record.step(record.state, at=now, by=self.owner, why="refunded", refunds=refunds)
            if await ask_journal(journal.save(changed)):
                return

    async def acknowledge(self, charge: Charge) -> None:
        """Note that somebody was told of a charge; it stands if that fails."""
        try:
            record_id = await ask_journal(self.journal.owner_of(self.scope, charge.id))
            if record_id is not None:
                await ask_journal(self.journal.acknowledge(self.scope, record_id))
        except VoucherError as error:
            quietly(
                _logger.error, "that somebody knows of charge %s is not in the journal: %s", charge.id, error
            )

    async def is_alive(self, record: CallRecord) -> bool:
        """Whether somebody works on a record."""
        if record.owner == self.owner:
            return record.id not in self._given_up
        return await ask_journal(self.journal.is_alive(record.owner))


def digest_of(code: str, key: bytes) -> str:
    """A keyed digest of a voucher's code without case, spaces and separators, which servers ignore."""
    # no part of the code may be left in this frame
    return hashlib.blake2b(spelled(code), key=key, digest_size=16).hexdigest()


class Recorder:
    """Writes the record of one money call.

    Args:
        ownership: who writes.
        record: the record.
        is_stored: it was claimed; else the first write stores it.

    Attributes:
        record: the record as it was written last.
        is_asked_about: somebody was told its `PendingOutcome`, so its end is written in any case.
    """

    def __init__(self, ownership: Ownership, record: CallRecord, *, is_stored: bool) -> None:
        self._ownership = ownership
        self._is_stored = is_stored
        self._writing = asyncio.Lock()
        self._in_doubt: CallRecord | None = None  # a write whose answer was lost
        self._end_known = False  # whether or not it could be written
        self.record: CallRecord = record
        self.is_asked_about: bool = False

    @property
    def id(self) -> str:
        """The id of the record, and of its `PendingOutcome`."""
        return self.record.id

    async def sent(self, pending: PendingOutcome) -> None:
        """Note durably that a request that moves money is about to be sent.

        Raises:
            JournalFailed: that could not be written, or the record has another owner now; send nothing.
        """
        await self._sending(pending=pending, voucher_id=pending.voucher_id)

    async def planned(self, plan: Sequence[Planned]) -> None:
        """Note durably what a checkout is about to charge.

        Raises:
            JournalFailed: that could not be written, or the record has another owner now; send nothing.
        """
        await self._sending(plan=tuple(plan))

    async def holds(self) -> bool:
        """Whether the record is still this client's: noted, so that who takes it over comes after that."""
        try:
            return await self._send()
        except JournalFailed:
            return True  # who cannot be asked has not said no

    async def _sending(self, **changes: Any) -> None:
        if not await self._send(**changes):
            raise JournalFailed(
                "the record of this call was taken over, or changed by somebody else; nothing was sent"
            )

    async def _send(self, **changes: Any) -> bool:
        self._end_known = False
        async with self._writing:
            await self._catch_up()
            now, owner = self._ownership.clock.now(), self._ownership.owner
            changed = self.record.step(CallState.SENT, at=now, by=owner, sent_at=now, **changes)
            return await self._write(changed, durable=True)

    async def _catch_up(self) -> None:
        """Find out whether a write was stored whose answer was lost, and go on from there."""
        lost = self._in_doubt
        if lost is None:
            return
        stored = await ask_journal(self._ownership.journal.get(lost.scope, lost.id))
        self._in_doubt = None
        if stored == lost:
            self._is_stored, self.record = True, lost
            self._ownership.keep(lost.id)
            self._ownership.note(lost)

    async def _write(self, changed: CallRecord, *, durable: bool = False) -> bool:
        if not self._is_stored:
            changed = attrs.evolve(changed, version=1)
        try:
            is_taken = await self._store(changed, durable=durable)
        except JournalFailed:
            self._in_doubt = changed
            raise
        if is_taken:
            self._is_stored, self.record = True, changed
        return is_taken

    async def _store(self, changed: CallRecord, *, durable: bool) -> bool:
        if self._is_stored:
            return await self._ownership.save(changed, durable=durable)
        return (await self._ownership.claim(changed, durable=durable)).won

    async def done(self, charge: Charge | None, *, told: bool, why: str | None = None) -> None:
        """Note that it was carried out."""
        await self._end(CallState.DONE, charge=charge, told=told, why=why)

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
            failure = await self._try_end(state, why=why, proof=proof, **changes)
            if failure is not None:  # the answer may have been lost: it is read back, and written again
                failure = await self._try_end(state, why=why, proof=proof, **changes)
        if failure is not None:
            quietly(_logger.error, "the end of %s %s is not in the journal: %s", *self._what, failure)
            self._ownership.give_up(self.id)

    async def _try_end(self, state: CallState, **changes: Any) -> VoucherError | None:
        try:
            await self._write_end(state, **changes)
        except VoucherError as error:
            return error
        return None

    async def _write_end(self, state: CallState, **changes: Any) -> None:
        await self._catch_up()
        if self.record.state is CallState.DONE or (self.record.ended and state is CallState.OPEN):
            return
        if not self._is_stored and state is CallState.NOT_DONE and not self.is_asked_about:
            return  # nothing was sent, and nobody claimed anything
        now, owner = self._ownership.clock.now(), self._ownership.owner
        if not await self._write(self.record.step(state, at=now, by=owner, **changes)):
            quietly(_logger.warning, "somebody else has written the end of %s %s", *self._what)

    @property
    def _what(self) -> tuple[str, str]:
        return self.record.parameters.operation, self.record.id


async def noted(recorder: Recorder, call: Awaitable[T], sent: Callable[[], PendingOutcome | None]) -> T:
    """Wait for a call, and note how it ended should it raise an error.

    Args:
        recorder: writes the record of the call.
        call: the call.
        sent: what is known of the request that moves money; None where none was begun.
    """
    try:
        return await call
    except BaseException as error:
        pending = sent()
        await recorder.failed(error, is_begun=pending is not None, pending=pending)
        raise
