"""Owning the records of money calls: one owner per client and process, with a lease in the journal."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, TypeVar

import attrs

from voucher_async.cancelling import quietly
from voucher_async.clock import uptime_of
from voucher_async.errors import JournalFailed, Proof, VoucherError
from voucher_async.forks import keep, renew_in_children
from voucher_async.masking import SecretBytes
from voucher_async.payments.call import DRIVEN, CallRecord, CallState, Parameters, new_id
from voucher_async.payments.codes import digest_of_code
from voucher_async.payments.heartbeat import Heartbeat
from voucher_async.payments.memory import MemoryJournal

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from voucher_async.clock import Clock, Deadline
    from voucher_async.models import Charge
    from voucher_async.payments.journal import Claim, Journal

__all__ = ["LEASE", "Ownership", "ask_journal", "wait_in_background"]

T = TypeVar("T")

LEASE: Final = 15.0  # seconds
_RENEWED: Final = 5.0  # seconds after which the lease is renewed
_LEAST: Final = 2.0  # seconds that a journal has for an answer, however late it is asked
_LATE: Final = 0.5  # seconds; a timer is later where the process stood still, and the journal did not

_until: ContextVar[Deadline | None] = ContextVar(
    "the deadline of the call that asks its journal", default=None
)

_logger: Final = logging.getLogger("voucher_async")


def wait_in_background() -> None:
    """Let the task that runs wait for the journal as long as that takes, whatever call has begun the task."""
    _until.set(None)


async def ask_journal(answer: Awaitable[T], deadline: Deadline | None = None) -> T:
    """Wait for a journal; an exception of it, and a deadline that passes, become `JournalFailed`.

    Args:
        answer: its answer.
        deadline: when to give up; None: that of the call that the running task belongs to.
    """
    until = deadline or _until.get()
    try:
        if until is None:
            return await answer
        return await _within(until, answer)
    except VoucherError:
        raise
    except Exception as error:
        raise JournalFailed(f"the journal failed with a {type(error).__name__}") from error


async def _within(deadline: Deadline, answer: Awaitable[T]) -> T:
    limit, loop = asyncio.timeout(None), asyncio.get_running_loop()
    due = loop.time() + max(deadline.left(), _LEAST)

    def time_is_up() -> None:
        has_stood_still = loop.time() - due > _LATE
        limit.reschedule(loop.time() + _LEAST if has_stood_still else due)

    timer = loop.call_at(due, time_is_up)
    try:
        async with limit:
            return await answer
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise JournalFailed("the journal has not answered before the call's deadline") from error
    finally:
        timer.cancel()


@attrs.frozen
class _Driven:
    """A record that this client works on.

    Attributes:
        version: the version that was written last.
        loop: the event loop of its call.
    """

    version: int
    loop: asyncio.AbstractEventLoop = attrs.field(factory=asyncio.get_running_loop)


class Ownership:
    """One per client: its identity in the journal.

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
        self._is_in_memory = isinstance(journal, MemoryJournal)
        self._renewed: float | None = None
        self._digest_key: bytes | None = None
        self._given_up: set[str] = set()
        self._driven: dict[str, _Driven] = {}
        self.heartbeat: Heartbeat = Heartbeat(self.renew, _RENEWED)
        renew_in_children(self)

    def after_fork(self) -> None:
        """Be another owner in a child: what is under way is the parent's."""
        keep(self.heartbeat, self._driven)
        self.owner, self._renewed, self.heartbeat = new_id(), None, Heartbeat(self.renew, _RENEWED)
        self._driven = {}

    def limit(self, deadline: Deadline) -> None:
        """Let the task that runs, and tasks that it begins, wait for the journal until a call's deadline.

        Args:
            deadline: of the call; it may be moved later on.
        """
        if not self._is_in_memory:  # that one answers at once
            _until.set(deadline)

    async def digest_key(self, deadline: Deadline | None = None) -> bytes:
        """The digest key of voucher codes in records, which the journal keeps.

        Args:
            deadline: when to give up; None: that of the call that the running task belongs to.
        """
        if self._digest_key is None:
            self._digest_key = SecretBytes(await ask_journal(self.journal.digest_key(), deadline))
        return self._digest_key

    async def digest(self, code: str, deadline: Deadline) -> str:
        """The digest of a voucher's code in records, made with the journal's key."""
        return digest_of_code(code, await self.digest_key(deadline))

    def new_record(self, parameters: Parameters, key: str | None, record_id: str | None = None) -> CallRecord:
        """A record that is not stored yet."""
        return CallRecord.begin(
            parameters,
            scope=self.scope,
            key=key,
            owner=self.owner,
            at=self.clock.now(),
            record_id=record_id,
        )

    async def as_own(self, record: CallRecord) -> CallRecord:
        """A record that is not stored yet, with this client as its owner, whose lease runs.

        The client may have been declared dead since it made the record: others would take that for left.

        Args:
            record: the record.

        Raises:
            JournalFailed: the lease could not be renewed.
        """
        await self.renew()
        return record if record.owner == self.owner else attrs.evolve(record, owner=self.owner)

    async def claim(self, record: CallRecord, *, durable: bool = False) -> Claim:
        """Store a new record and give it its key, if that is free.

        The claim's record is the one to go on with: its owner may be another.

        Args:
            record: the record.
            durable: wait until it is on disk.

        Raises:
            JournalFailed: it could not be stored; nothing was sent.
        """
        record = await self.as_own(record)
        former = self._driven.get(record.id)
        # before the await: this event loop may close before the journal answers
        claiming = self._driven[record.id] = _Driven(0 if former is None else former.version)
        try:
            claim = await ask_journal(self.journal.claim(record, durable=durable))
        except BaseException:
            if former is None:
                self.give_up(record.id)  # the record may have been stored although the claim failed
            self._restore(record.id, claiming, former)
            raise
        if claim.won:
            self.note(record)
        else:
            self._restore(record.id, claiming, former)
        return claim

    def _restore(self, record_id: str, claiming: _Driven, former: _Driven | None) -> None:
        """Leave a record that was there before to the call of this client that had it, if one had."""
        if self._driven.get(record_id) is not claiming:
            return  # another call of this client has written the record meanwhile
        if former is None:
            self._release(record_id)
        else:
            self._driven[record_id] = former

    async def save(self, record: CallRecord, *, durable: bool = False) -> bool:
        """Store the successor of a record of this client; False when somebody else has changed it.

        Args:
            record: the record.
            durable: wait until it is on disk.
        """
        is_taken = await ask_journal(self.journal.save(record, durable=durable))
        if is_taken:
            self.note(record)
        elif not self._is_driven_since(record):
            self._release(record.id)
        return is_taken

    def note(self, record: CallRecord) -> None:
        """Keep the lease as long as a record of this client is under way."""
        if record.state in DRIVEN:
            self._driven[record.id] = _Driven(record.version)
            self.heartbeat.hold(record.id)
        else:
            self._release(record.id)

    def _is_driven_since(self, record: CallRecord) -> bool:
        """True when another call of this client has taken a record over, and drives it."""
        driven = self._driven.get(record.id)
        return driven is not None and driven.version >= record.version

    def _release(self, record_id: str) -> None:
        self._driven.pop(record_id, None)
        self.heartbeat.release(record_id)

    def give_up(self, record_id: str) -> None:
        """Let the next caller take a record of this client over, which no call here drives any more."""
        self._given_up.add(record_id)
        self._release(record_id)

    def leave(self, record_id: str) -> None:
        """Give a record up, unless another call of this client drives it."""
        if record_id not in self._driven:
            self.give_up(record_id)

    def keep(self, record_id: str) -> None:
        """Take back that a record was given up."""
        self._given_up.discard(record_id)

    @property
    def given_up(self) -> tuple[str, ...]:
        """The ids of the records that this client gave up."""
        return tuple(self._given_up)

    async def take_from_dead(
        self, held: CallRecord, state: CallState, *, proof: Proof | None = None
    ) -> CallRecord | None:
        """Make the record of a dead owner this client's own; None when that one lives, or somebody has it.

        Args:
            held: the record as it was read; one of this client's own was given up.
            state: the state that it is in then.
            proof: the proof, for `NOT_DONE`.
        """
        await self.renew()  # without a lease of its own, who takes over is dead for others
        is_own = held.owner == self.owner
        if not is_own and not await ask_journal(self.journal.bury(held.owner)):
            return None
        return await self.take_over(held, state, "its owner is dead", proof=proof)

    async def take_over(
        self, held: CallRecord, state: CallState, why: str, *, proof: Proof | None = None
    ) -> CallRecord | None:
        """Make a record this client's own; None when somebody else has changed it meanwhile.

        Args:
            held: the record as it was read.
            state: the state that it is in then.
            why: the reason in words; one that is open and stays so keeps its steps.
            proof: the proof, for `NOT_DONE`.
        """
        now = self.clock.now()
        if state is held.state is CallState.OPEN:
            taken = held.passed_to(self.owner, now)
        else:
            changed = held.step(state, at=now, by=self.owner, why=why, proof=proof)
            taken = attrs.evolve(changed, owner=self.owner)
        driven = self._driven.get(held.id)
        if driven is not None and driven.version > held.version:
            return None  # another call of this client has written it since, and drives it
        self._driven[held.id] = _Driven(held.version)  # the heartbeat hands this record over no more
        try:
            # a database that forgot this after a crash would let the former owner go on
            is_taken = await self.save(taken, durable=True)
        except BaseException:
            self.give_up(held.id)  # the write may have been stored: the next caller goes on
            raise
        if not is_taken:
            return None  # another call may have taken the record over, perhaps one of this client
        self.keep(held.id)
        return taken

    @property
    def is_unbroken(self) -> bool:
        """True while the lease runs for certain, so that nobody can have taken over what this client owns.

        A database that crashed may have forgotten the latest renewal.
        """
        return self._renewed is not None and uptime_of(self.clock) - self._renewed < LEASE - _RENEWED

    async def renew(self) -> None:
        """Renew the lease, when it is due.

        Raises:
            JournalFailed: it could not be written.
        """
        now = uptime_of(self.clock)  # the other owners' clocks run on while this machine sleeps
        if self._renewed is not None and now - self._renewed < _RENEWED:
            return
        owner = self.owner
        if not await ask_journal(self.journal.beat(owner, LEASE)):
            if self.owner == owner:  # of many calls that find it out, the first
                self.owner = new_id()  # declared dead: the calls under way belong to other owners now
            await ask_journal(self.journal.beat(self.owner, LEASE))
        self._renewed = now
        for record_id, driven in list(self._driven.items()):
            if driven.loop.is_closed():
                await self._hand_over(record_id, driven)

    async def _hand_over(self, record_id: str, driven: _Driven) -> None:
        """Give a record whose event loop is gone an owner that is dead, so that any process takes it over."""
        is_left = True
        with contextlib.suppress(VoucherError):  # the next beat tries again
            record = await ask_journal(self.journal.get(self.scope, record_id))
            if self._driven.get(record_id) is not driven:
                return  # another call of this client has taken it over
            if record is not None and record.state in DRIVEN and record.owner == self.owner:
                why = "its event loop is gone"
                left = record.step(record.state, at=self.clock.now(), by=self.owner, why=why)
                is_left = await ask_journal(self.journal.save(attrs.evolve(left, owner=new_id())))
            if is_left and self._driven.get(record_id) is driven:
                self._release(record_id)

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
        """Tell whether a record is driven; one whose event loop is gone is not."""
        if record.owner == self.owner:
            driven = self._driven.get(record.id)
            return record.id not in self._given_up and driven is not None and not driven.loop.is_closed()
        return await ask_journal(self.journal.is_alive(record.owner))
