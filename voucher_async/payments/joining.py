"""One payment, asked for more than once: idempotency keys, and equal calls under way that join.

Theory of operation. Within a client the first caller of a key (or of an equal `redeem` without one) begins a
call, the others wait for the same. Between clients and processes the journal lets one win the key; the others
look at its record until it has ended. What a later caller gets depends on the state of the record alone:

    begun, sent     its owner lives: wait for the end, `StillRunning` at the caller's own deadline
                    its owner is dead: take it over
    open            settle it; else the same open outcome
    done            the same charge, read once more when it is older than a minute: `ChargeRefunded` where
                    all of it was taken back
    not done        the key is free: a new record; who waited for it gets its refusal

The order of waiting is key, then turn: nobody waits for a key inside a turn.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Awaitable, Callable, Collection, Hashable
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

import attrs

from voucher_async.calls import note_record, take_id
from voucher_async.cancelling import goes_on, quietly
from voucher_async.clock import Deadline
from voucher_async.errors import CallTimeout, Fate, IdempotencyMismatch, JournalFailed, VoucherError
from voucher_async.forks import keep, renew_in_children
from voucher_async.models import Charge
from voucher_async.operations import CREATE_VOUCHER
from voucher_async.outcomes import PendingOutcome, StillRunning
from voucher_async.payments.call import DRIVEN, CallRecord, CallState, Parameters
from voucher_async.payments.facts import Asked, Event, Facts, Step, call_of
from voucher_async.payments.joined import as_joined
from voucher_async.payments.money_call import CallContext
from voucher_async.payments.ownership import ask_journal
from voucher_async.payments.recording import Recorder
from voucher_async.payments.replaying import Replay, behind, raise_refunded, raise_refusal
from voucher_async.payments.running import Running

if TYPE_CHECKING:
    from voucher_async.payments.journal import Claim
    from voucher_async.payments.machine import Machine
    from voucher_async.payments.ownership import Ownership
    from voucher_async.payments.supervisor import Supervisor

__all__ = ["Ask", "Joining", "Work", "check_parameters"]

T = TypeVar("T")

_FIRST_POLL: Final = 0.02  # seconds
_LONGEST_POLL: Final = 0.25
_RUNNING: Final = frozenset({Step.WAIT, Step.STILL_RUNNING})
_ENDS: Final = frozenset({Step.MISMATCH, Step.REFUSAL, Step.REPLAY, Step.REFUNDED})

_logger: Final = logging.getLogger("voucher_async")


@attrs.frozen(kw_only=True)
class Ask:
    """The call that a caller asks for.

    Attributes:
        parameters: what a second call with the same key has to agree in.
        key: the idempotency key.
        join: equal for calls under way that are one payment without a key; None joins nothing.
        pending: what is known of the call before it begins; None: what its record tells.
    """

    parameters: Parameters
    key: str | None = None
    join: Hashable | None = None
    pending: PendingOutcome | None = None

    @property
    def record_id(self) -> str | None:
        """The id that its record gets; None: a new one."""
        return None if self.pending is None else self.pending.id

    @property
    def meets(self) -> Hashable | None:
        """The place where callers of the same payment meet."""
        if self.key is not None:
            return "key", self.key
        return None if self.join is None else ("join", self.join)


@attrs.frozen
class Work(Generic[T]):
    """The way a call is done, and done again.

    Attributes:
        call: does it.
        hand_out: gives the answer of one that is done, from its record.
        settle: the answer of one that was open; None when it was not carried out, or somebody else goes on.
    """

    call: Callable[[CallContext], Awaitable[T]]
    hand_out: Callable[[CallRecord, Deadline], Awaitable[T]]
    settle: Callable[[CallRecord, CallContext], Awaitable[T | None]]


@attrs.define(eq=False)
class _Met:
    """A call under way, its record as it began, and what its callers agree in."""

    ask: Ask
    record: CallRecord
    running: Running[Any]


class Joining:
    """One per client.

    Args:
        supervisor: runs calls.
        ownership: who writes their records.
        replay: hands out what was done before.
    """

    def __init__(self, supervisor: Supervisor, ownership: Ownership, replay: Replay) -> None:
        self.ownership: Ownership = ownership
        self._supervisor = supervisor
        self.replay: Replay = replay
        self._met: dict[Hashable, _Met] = {}
        renew_in_children(self)

    @property
    def _machine(self) -> Machine:
        return self._supervisor.settler.machine

    def after_fork(self) -> None:
        """Leave the calls under way to the parent."""
        keep(self._met)
        self._met = {}

    def charge(
        self, ask: Ask, deadline: Deadline, call: Callable[[CallContext], Awaitable[Charge]]
    ) -> Awaitable[Charge]:
        """Run a money call whose answer is a charge, or wait for an equal one; otherwise as `run`."""

        async def settle(record: CallRecord, context: CallContext) -> Charge | None:
            return await self.replay.settle(record, context.deadline)

        return self.run(ask, deadline, Work(call, self.replay.hand_out, settle))

    async def run(self, ask: Ask, deadline: Deadline, work: Work[T]) -> T:
        """Run a money call, or wait for an equal one.

        Args:
            ask: what is asked for.
            deadline: this caller's.
            work: how it is done.

        Raises:
            IdempotencyMismatch: the key was used with other parameters.
            ChargeRefunded: the key's charge was taken back.
            StillRunning: another caller's call with the key is under way.
            JournalFailed: the journal cannot be written; nothing was sent.
            VoucherError: as the call raises it.
        """
        while True:
            await self._supervisor.check_open(is_alone=ask.key is None)
            met = self._met_by(ask)
            if met is None:
                return await self._supervisor.wait(self._begin(ask, deadline, work), deadline)
            check_parameters(ask.parameters, met.ask.parameters)
            quietly(_logger.info, "an equal %s is under way: joined it", ask.parameters.operation)
            try:
                answer = as_joined(cast("T", await self._supervisor.wait(met.running, deadline)))
            except VoucherError as error:
                if not _ended_its_owner(error) or deadline.left() <= 0:
                    note_record(self._supervisor.settler.hooks, met.record.id)
                    raise copy.copy(error) from error.__cause__
            else:
                note_record(self._supervisor.settler.hooks, met.record.id)
                return answer

    def _met_by(self, ask: Ask) -> _Met | None:
        """The call under way that is the payment of this caller, too: it has the key, or joins without."""
        met = None if ask.meets is None else self._met.get(ask.meets)
        if met is None or not goes_on(met.running.task) or met.running.context.is_cut_short:
            return None
        is_same = not met.ask.parameters.differences(ask.parameters)
        joins = ask.key is not None or self._machine.joins(call_of(met.record), is_same=is_same)
        return met if joins else None

    def _begin(self, ask: Ask, deadline: Deadline, work: Work[T]) -> Running[T]:
        record_id = take_id(self._supervisor.settler.hooks)
        if record_id is not None and ask.pending is not None:
            ask = attrs.evolve(ask, pending=attrs.evolve(ask.pending, id=record_id))
        record = self.ownership.new_record(ask.parameters, ask.key, record_id or ask.record_id)
        where = ask.meets

        def drive(context: CallContext) -> Awaitable[T]:
            if ask.key is None:
                recorder = Recorder(self.ownership, record, is_stored=False)
                return self.own(context, recorder, self._braked(ask, work.call))
            return self._keyed(context, ask, record, work)

        def ended(_: object) -> None:
            met = self._met.get(where)
            if met is not None and met.running is running:
                del self._met[where]

        context = CallContext(deadline, ask.pending or record)
        context.is_alone = ask.key is None
        running = self._supervisor.begin(context, drive, ended)
        if where is not None:
            self._met[where] = _Met(ask, record, running)
        return running

    async def own(
        self, context: CallContext, recorder: Recorder, call: Callable[[CallContext], Awaitable[T]]
    ) -> T:
        """Run a call as the owner of its record, and write how it ended."""
        context.recorder = recorder
        recorder.is_asked_about = context.is_asked_about
        try:
            answer = await call(context)
        except BaseException as error:
            await recorder.raised(error, context.pending if context.begun else context.fenced)
            raise
        charge = self._supervisor.settler.numbering.own(answer) if isinstance(answer, Charge) else None
        if context.recalled is not None:  # the call that made the charge has its own record
            await self.ownership.acknowledge(context.recalled)
        else:
            await recorder.done(charge, told=not context.abandoned)
        return answer if charge is None else cast("T", charge)

    async def _keyed(self, context: CallContext, ask: Ask, record: CallRecord, work: Work[T]) -> T:
        """Run a call as the owner of its key, or give what the owner's record has for who asks again."""
        past: set[Step] = set()
        held: CallRecord | None = None
        while True:
            if held is None:
                claim = await self.ownership.claim(record)
                if claim.won:
                    return await self._own_claimed(context, ask, claim, work)
                held = claim.record
            context.asked = attrs.evolve(held.pending or context.asked, id=held.id)
            note_record(self._supervisor.settler.hooks, held.id)
            step = await self._step_for(held, context, ask.parameters, past)
            past.add(step)
            if step in _ENDS:
                return await self._given(step, ask, held, context, work)
            if step is Step.SETTLE:
                settled = await work.settle(held, context)
                if settled is not None:
                    return settled
                held = None
            elif step is Step.TAKE_OVER:
                held = await self._take_over(held)  # None: its lease was renewed, or another owner has it
                if held is not None and held.state is not CallState.OPEN:
                    return await self._go_on(held, context, work)
            elif step in _RUNNING:
                held = await self.wait_for(held, context)
            else:  # the key is free, or the charge is too old to be returned unread
                is_read = step is Step.READ_FIRST
                held = await self.replay.read_again(held, context.deadline) if is_read else None

    async def _step_for(
        self,
        held: CallRecord,
        context: CallContext,
        asks: Parameters | None = None,
        past: Collection[Step] = (),
    ) -> Step:
        """The machine's answer to who asks for a record, after earlier answers.

        Args:
            held: the record.
            context: the call that asks.
            asks: its parameters; None where they are compared already.
            past: the earlier answers.
        """
        facts = Asked(
            is_same=asks is None or not held.parameters.differences(asks),
            is_alive=held.state not in DRIVEN or await self.ownership.is_alive(held),
            is_late=context.deadline.left() <= 0 or context.abandoned,
            age=self.replay.age(held),
            has_waited=not _RUNNING.isdisjoint(past),
            has_read=Step.READ_FIRST in past,
        )
        return self._machine.next_for(call_of(held), facts)

    async def _given(self, step: Step, ask: Ask, held: CallRecord, context: CallContext, work: Work[T]) -> T:
        if step is Step.MISMATCH:
            check_parameters(ask.parameters, held.parameters)
        if step is Step.REFUSAL:
            raise_refusal(held)
        if step is Step.REFUNDED:
            raise_refunded(held)
        return await work.hand_out(held, context.deadline)

    async def _own_claimed(self, context: CallContext, ask: Ask, claim: Claim, work: Work[T]) -> T:
        record = claim.record
        note_record(self._supervisor.settler.hooks, record.id)
        context.asked = ask.pending or record
        recorder = Recorder(self.ownership, record, is_stored=True)
        call = work.call if claim.earlier is None else self._after(record, work)
        return await self.own(context, recorder, self._braked(ask, call))

    def _braked(
        self, ask: Ask, call: Callable[[CallContext], Awaitable[T]]
    ) -> Callable[[CallContext], Awaitable[T]]:
        """The call, unless the brake is on: one that is new and moves money."""
        brake = self._supervisor.settler.brake
        if brake is None or ask.parameters.operation == CREATE_VOUCHER.id:
            return call

        async def check_first(context: CallContext) -> T:
            brake.check()
            return await call(context)

        return check_first

    def _after(self, record: CallRecord, work: Work[T]) -> Callable[[CallContext], Awaitable[T]]:
        """The call, after one more look for earlier ones with its key that were not carried out."""

        async def look_first(context: CallContext) -> T:
            found = await self.replay.find_late(record, context)
            return await work.call(context) if found is None else cast("T", found)

        return look_first

    async def wait_for(self, held: CallRecord, context: CallContext) -> CallRecord | None:
        """The record once it has ended or is open; None when its owner is dead.

        Raises:
            StillRunning: the deadline passed before.
            ConfigurationError: the client was closed before.
        """
        pause = _FIRST_POLL
        while (step := await self._step_for(held, context)) in _RUNNING:
            await self._supervisor.check_open()  # in a closed client pauses end at once
            if step is Step.STILL_RUNNING:
                raise StillRunning(
                    "a call with this idempotency key is under way elsewhere: ask again with the same key",
                    pending=context.pending,
                )
            await self._supervisor.settler.pauses.wait_within(pause, context.deadline)
            pause = min(pause * 2, _LONGEST_POLL)
            now = await ask_journal(self.ownership.journal.get(held.scope, held.id))
            if now is None:
                raise JournalFailed(
                    "the record of a call under way is gone from the journal; nothing was sent"
                )
            held = now
        return None if step is Step.TAKE_OVER else held

    async def _take_over(self, held: CallRecord) -> CallRecord | None:
        """Make the record of a dead owner this client's; None when it cannot be taken.

        A redeem goes on by itself, behind a new reservation. Anything else that may have been carried out is
        open then, and settled like whatever is.
        """
        facts = Facts(self.ownership.clock.monotonic(), owner=self.ownership.owner)
        taken = self._machine.advance(call_of(held), Event.TAKEN_OVER, facts)
        if taken.in_doubt and not taken.operation.reserves:
            taken = self._machine.advance(taken, Event.LEFT_OPEN, facts)
        return await self.ownership.take_from_dead(held, taken.state)

    async def _go_on(self, taken: CallRecord, context: CallContext, work: Work[T]) -> T:
        """Go on with a call that was taken over.

        Nothing that moves money was sent where the record is only begun: its owner, should it wake up, cannot
        write that it is about to send. Else reserving anew comes first: that ends what the dead owner may
        still be sending.
        """
        if taken.state is CallState.SENT:
            context.fenced = taken.view
            call = behind(work.call)
        else:
            call = self._after(taken, work)
        return await self.own(context, Recorder(self.ownership, taken, is_stored=True), call)


def check_parameters(asked: Parameters, held: Parameters) -> None:
    """Refuse a key that was used for something else.

    Raises:
        IdempotencyMismatch: what differs is named, not its value.
    """
    differences = held.differences(asked)
    if differences:
        raise IdempotencyMismatch(
            f"the idempotency key was used with another {', another '.join(differences)}; nothing was sent",
            differences=differences,
        )


def _ended_its_owner(error: VoucherError) -> bool:
    """True when what ended a call was about its first caller alone: its time was up, nothing was sent."""
    return isinstance(error, CallTimeout) and error.fate is Fate.NOT_SENT
