"""Sending money requests, and settling those in doubt: read, decide, act, count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from voucher_async.api_errors import ApiError
from voucher_async.errors import Fate, JournalFailed, Proof, VoucherError
from voucher_async.outcomes import Settlement, SettlementState, StillRunning
from voucher_async.payments.beginning import send_recorded
from voucher_async.payments.brake import Brake
from voucher_async.payments.call import DRIVEN
from voucher_async.payments.contradiction import contradicted, contradiction
from voucher_async.payments.driving import Driving
from voucher_async.payments.equal_calls import EqualCalls
from voucher_async.payments.evidence import RULES, Move, obstacle
from voucher_async.payments.facts import Event, Facts, Limits
from voucher_async.payments.judging import Judge, event_of
from voucher_async.payments.lessons import Lessons
from voucher_async.payments.looking import Looking
from voucher_async.payments.machine import Machine
from voucher_async.payments.numbering import Numbering
from voucher_async.payments.pauses import Pauses, growing
from voucher_async.payments.registry import Registry
from voucher_async.payments.replies import Reply, as_not_done, event_of_reply, reply_of
from voucher_async.payments.report import Report
from voucher_async.payments.rivals import Rivals
from voucher_async.payments.sender import open_outcome
from voucher_async.payments.surplus import Surplus
from voucher_async.payments.timestamps import Timestamps
from voucher_async.payments.watch import Watch, not_done

if TYPE_CHECKING:
    import random

    from voucher_async.clock import Clock, Deadline, ServerClock
    from voucher_async.config import Settings
    from voucher_async.facts import Answer
    from voucher_async.hooks import Hooks
    from voucher_async.models import Charge
    from voucher_async.outcomes import OutcomeUnknown
    from voucher_async.payments.money_call import CallContext, MoneyCall
    from voucher_async.payments.ownership import Ownership
    from voucher_async.payments.sender import Sender
    from voucher_async.payments.surplus import Refund
    from voucher_async.sansio import Request

__all__ = ["Settler"]

_LONGEST_PAUSE: Final = 4.0
PAUSE_REFUSED: Final = 1.0  # seconds between the two looks after a refusal


class Settler:
    """One per client.

    Args:
        sender: sends the requests.
        settings: the settle window, and how long open outcomes are settled.
        clock: measures time and waits out pauses.
        server_clock: dates what is sent.
        hooks: called before a money request, and for ends that no caller receives.
        ownership: writes the records of calls.
        refund: refunds a surplus charge.
        rng: makes the URLs of looks differ; None: one of this process.

    Attributes:
        report: reports to hooks and log.
        registry: keeps open outcomes, and the ends of others.
        looking: reads lists of charges.
        lessons: the habits that normal answers have shown.
        numbering: order numbers as they are sent, and as the shop has them.
        timestamps: the server's time.
        machine: knows which steps are legal.
        judge: looks, and decides.
        equal_calls: gives turns to calls that look alike.
        pauses: waits between two looks.
        brake: refuses new calls while too many are in doubt; None without the setting.
        watch: settles calls in the background.
    """

    def __init__(
        self,
        sender: Sender,
        settings: Settings,
        *,
        clock: Clock,
        server_clock: ServerClock,
        hooks: Hooks,
        ownership: Ownership,
        refund: Refund,
        rng: random.Random | None = None,
    ) -> None:
        self.sender = sender
        self.clock = clock
        self.server_clock = server_clock
        self.hooks = hooks
        self.ownership = ownership
        self.numbering: Numbering = Numbering(settings.order_number_format)
        self.report: Report = Report(hooks, self.numbering)
        self.registry: Registry = Registry()
        self.looking: Looking = Looking(sender, server_clock, rng)
        self.lessons: Lessons = Lessons()
        self.timestamps: Timestamps = Timestamps(clock)
        self.equal_calls: EqualCalls = EqualCalls(self.registry)
        self.pauses: Pauses = Pauses(clock)
        self.settings = settings
        share = settings.brake_at
        self.brake: Brake | None = None if share is None else Brake(share, clock)
        self.machine: Machine = Machine(Limits(window=settings.settle_window, lag=settings.list_lag))
        self.judge: Judge = Judge(
            sender,
            looking=self.looking,
            registry=self.registry,
            lessons=self.lessons,
            machine=self.machine,
            settings=settings,
            clock=clock,
            rivals=Rivals(ownership),
        )
        surplus = Surplus(
            sender,
            refund,
            ownership=ownership,
            registry=self.registry,
            report=self.report,
            numbering=self.numbering,
        )
        self.watch: Watch = Watch(
            sender,
            self.judge,
            surplus,
            machine=self.machine,
            registry=self.registry,
            report=self.report,
            numbering=self.numbering,
            pauses=self.pauses,
            clock=clock,
            settings=settings,
        )

    @property
    def patience(self) -> float:
        """Seconds that a background refund may queue."""
        return self.settings.settle_for or self.settings.timeout.total

    async def perform(self, context: CallContext, money_call: MoneyCall, request: Request[Charge]) -> Charge:
        """Send a money request, and find out how it ended.

        Raises:
            OutcomeUnknown: that could not be found out in time; it is settled in the background.
            ApiError: it was refused; `looked` says whether its voucher's charges do not show it either.
            VoucherError: it was certainly not carried out; `proof` says why.
        """
        request.call_id = money_call.pending.id
        money_call.key = context.key
        with self.driving(context, money_call):
            return await self._perform(context, money_call, request)

    def driving(self, context: CallContext, money_call: MoneyCall) -> Driving:
        """Around a money call: it is under way, and whatever ends it unforeseen leaves it open.

        Raises:
            OutcomeUnknown: something unforeseen ended it.
        """
        return Driving(self, context, money_call)

    async def _perform(self, context: CallContext, money_call: MoneyCall, request: Request[Charge]) -> Charge:
        while True:
            try:
                charge = await self._send(context, money_call, request)
            except VoucherError as error:
                raise await self._sent_nothing(money_call, error) from error.__cause__
            charge = charge or await self._look_until_clear(context, money_call)
            if charge is not None:
                return self.finish(context, money_call, charge)
            money_call.repeats += 1

    def give_up(self, money_call: MoneyCall) -> None:
        """Drive a call no longer: from now on it is open."""
        if money_call.call.under_way:
            self.advance(money_call, Event.IN_DOUBT)
        if money_call.call.state in DRIVEN:
            self.advance(money_call, Event.LEFT_OPEN)
        self.registry.open(money_call)

    def advance(self, money_call: MoneyCall, event: Event, facts: Facts | None = None) -> None:
        """Note an event in the life of a call.

        Args:
            money_call: the call.
            event: the event.
            facts: the facts about it; None: it happens now, to what was sent last.

        Raises:
            ValueError: the event is not legal for the call now.
        """
        now = self.clock.monotonic()
        money_call.advance(self.machine, event, facts or Facts(now, target=money_call.call.target))

    def cut_short(self, money_call: MoneyCall) -> None:
        """Open a call that was cancelled or interrupted, unless it was cut off, and opened, before."""
        if self.registry.under_way(money_call.pending.id) is money_call:
            self.give_up(money_call)
            self.report.in_doubt(money_call, money_call.error)
            self.report.left_open(money_call, money_call.error)

    def broken_off(self, money_call: MoneyCall, error: Exception) -> OutcomeUnknown:
        """The error for a call that something unforeseen ended; it is settled in the background."""
        money_call.reason = f"the call was broken off by a {type(error).__name__}"
        return self._left_open(money_call)

    async def _send(
        self, context: CallContext, money_call: MoneyCall, request: Request[Charge]
    ) -> Charge | None:
        """The answer to a request; None when it, or one before it, is in doubt.

        Raises:
            StillRunning: another worker has the record; nothing was sent.
            VoucherError: nothing was done, and nothing was sent before.
        """
        is_only = not money_call.deliveries
        self.advance(money_call, Event.REPEATING if money_call.call.in_doubt else Event.ABOUT_TO_SEND)
        self._announce(context, money_call)
        try:
            answer = await send_recorded(self.sender, self.clock, context, money_call, request)
        except (JournalFailed, StillRunning) as error:
            self.advance(money_call, Event.NOT_SENT)
            if is_only and isinstance(error, JournalFailed):
                raise as_not_done(error, Proof.NOT_SENT) from error.__cause__
            if is_only:
                raise
            money_call.may_repeat, money_call.repeats = lambda: False, money_call.repeats - 1
            return None
        except VoucherError as error:
            self._note_failure(money_call, error, is_only=is_only)
            return None
        is_taken = self.registry.is_taken(answer.value.id, money_call.pending.id)
        problem = contradiction(money_call.pending, answer.value, self.lessons, is_taken=is_taken)
        if problem:
            self.lessons.contradicted(money_call.pending, answer.value)
            self._note_failure(money_call, contradicted(request, problem), is_only=is_only)
            return None
        money_call.succeeded = True
        if self.brake is not None and is_only:
            self.brake.note(in_doubt=False)
        self._learn(money_call, answer)
        return answer.value

    def _announce(self, context: CallContext, money_call: MoneyCall) -> None:
        """Bound the time in which the request may be carried out, and tell the hooks of it."""
        left, window = context.deadline.left(), self.settings.settle_window
        money_call.pending = attrs.evolve(
            money_call.pending,
            until=money_call.until(self.clock.monotonic(), self.clock.now(), left, window),
            sends=money_call.pending.sends + bool(money_call.repeats),
            base_url=self.settings.base_url,
            client_id=self.settings.client_id,
            echoed=self.lessons.echoes(money_call.pending),
            sent_at=self.server_clock.now() if self.hooks.wants_intents else money_call.pending.sent_at,
        )
        if self.hooks.wants_intents:
            self.hooks.intent(money_call.pending)

    def _note_failure(self, money_call: MoneyCall, error: VoucherError, *, is_only: bool) -> None:
        """Note what a request proved that was not answered well; raises when nothing was done at all."""
        reply = reply_of(error, is_only=is_only)
        self.advance(money_call, event_of_reply(reply, error, money_call.call))
        if self.brake is not None and is_only and reply is not Reply.NOT_SENT:
            self.brake.note(in_doubt=reply is Reply.UNKNOWN)
        if reply in {Reply.NOT_SENT, Reply.UNAUTHORIZED}:
            if is_only:
                raise as_not_done(error, Proof.NOT_SENT if reply is Reply.NOT_SENT else Proof.UNAUTHORIZED)
            money_call.absences = 0
        elif reply in {Reply.REFUSED, Reply.GONE, Reply.DECLINED} and isinstance(error, ApiError):
            money_call.refused(error, reply)
        else:
            money_call.doubted(error)
        is_answered = money_call.pending.answered or reply is Reply.CARRIED_OUT
        money_call.pending = attrs.evolve(
            money_call.pending,
            answered=is_answered,
            sends=max(money_call.effects, 1) if money_call.repeats else 1,
        )
        self.report.in_doubt(money_call, error)

    def _learn(self, money_call: MoneyCall, answer: Answer[Charge]) -> None:
        made = None
        if money_call.anchor is not None and not money_call.doubts:
            now, wall = self.clock.monotonic(), self.clock.now()
            latest = money_call.anchor.elapsed(now, wall)
            earliest = min(answer.sent - money_call.anchor.sent, latest)
            made = money_call.anchor.at(earliest), money_call.anchor.at(latest)
        self.lessons.learn(money_call.pending, answer.value, made)
        if not RULES[money_call.pending.operation].repeat_early:  # a repeated charge may get an older answer
            self.timestamps.note(answer.value.created_at, answer.sent)

    async def _look_until_clear(self, context: CallContext, money_call: MoneyCall) -> Charge | None:
        """The charge that was found; None when the request is to be sent again.

        Raises:
            OutcomeUnknown: the deadline passed, the caller is gone, or it cannot be told.
            VoucherError: it was certainly not carried out, or refused.
        """
        pauses = growing(_LONGEST_PAUSE)
        while obstacle(money_call.pending) is None and context.deadline.left() > 0:
            verdict = await self.judge.look(money_call, context.deadline, can_repeat=not context.abandoned)
            move, event = verdict.move, event_of(verdict.move, money_call.call)
            if context.abandoned and not money_call.is_refused:
                break
            if event is not None and event is not Event.REPEATING:  # a repeat is noted when it is sent
                self.advance(money_call, event, verdict.facts)
            if move is Move.DONE:
                return money_call.finding.ours[0]
            if move is Move.REPEAT:
                return None
            if move in {Move.NOT_DONE, Move.REFUSED}:
                failure = as_not_done(money_call.refusal or money_call.cause, verdict.proof)
                raise await self._denied(money_call, failure, verdict.proof)
            if move is Move.OPEN or money_call.hopeless:
                break
            await self._pause(money_call, next(pauses), context.deadline)
        raise self.not_clear(money_call)

    async def _pause(self, money_call: MoneyCall, pause: float, deadline: Deadline) -> None:
        """Wait between two looks at a call, for as long as is due."""
        if money_call.is_refused:
            patience = self.judge.patience(money_call)
            is_asked_twice = money_call.absences > 1 and patience is not None
            pause = max(PAUSE_REFUSED, (patience or 0.0) - money_call.quiet if is_asked_twice else 0.0)
        await self.pauses.wait_within(pause, deadline)

    def finish(self, context: CallContext, money_call: MoneyCall, charge: Charge) -> Charge:
        """Note that a call was carried out, and watch for a surplus."""
        if money_call.call.under_way:
            self.advance(money_call, Event.ANSWERED, Facts(self.clock.monotonic(), charge=charge.id))
        money_call.charge = charge
        context.finished.append(money_call)
        self.registry.take(charge.id, money_call.pending.id)
        if money_call.doubts or money_call.refusals or self.report.is_in_doubt(money_call):
            self.report.found(money_call, charge)
        is_twice = money_call.pending.reference is not None and len(money_call.finding.certain) > 1
        if money_call.effects > 1 or is_twice:
            self.watch.begin(money_call)  # another request may have an effect, or get one yet
        elif money_call.doubts or money_call.refusals:
            done = Settlement(pending=money_call.pending, state=SettlementState.DONE, charge=charge)
            self.watch.ended(money_call, done)
        return charge

    async def _sent_nothing(self, money_call: MoneyCall, error: VoucherError) -> VoucherError:
        """The error for a request that did nothing; it may be a repeat, after a doubt that was cleared."""
        if error.proof is not None and self.report.is_in_doubt(money_call):
            return await self._denied(money_call, error, error.proof)
        self.report.passed_on(money_call)  # without a proof another owner has the record
        return error

    async def _denied(self, money_call: MoneyCall, error: VoucherError, proof: Proof) -> VoucherError:
        """The error for a call that was not carried out, which is recorded before a caller is told."""
        is_for_good = proof is not Proof.REFUSED  # a REFUSED record goes on: it may be sent again
        recorder = money_call.recorder
        if recorder is not None and is_for_good:
            await recorder.failed(error, is_begun=True, pending=money_call.pending)
            if not await recorder.may_deny():
                self.report.passed_on(money_call)
                return recorder.taken_over(money_call.pending)
        self.report.refuted(money_call, proof)
        if is_for_good:
            self.watch.ended(money_call, not_done(money_call, proof))
        return error

    def not_clear(self, money_call: MoneyCall) -> VoucherError:
        """The error for a call whose outcome stays open."""
        finding = money_call.finding
        if not money_call.is_refused or money_call.refusal is None or finding.ours or finding.unclear:
            return self._left_open(money_call)
        money_call.refusal.looked, money_call.refusal.pending, money_call.refusal.fate = (
            False,
            money_call.pending,
            Fate.UNKNOWN,
        )
        self.give_up(money_call)
        if obstacle(money_call.pending) is None and not money_call.hopeless:
            self.watch.begin(money_call)
        else:
            self.report.left_open(money_call, aloud=False)
        return money_call.refusal

    def _left_open(self, money_call: MoneyCall) -> OutcomeUnknown:
        money_call.reason = obstacle(money_call.pending) or money_call.reason
        reason = f"that could not be found out ({money_call.reason}); settle it before you repeat the call"
        opened = open_outcome(money_call.cause, money_call.pending, reason)
        opened.__cause__ = money_call.cause
        money_call.pending = opened.pending
        self.give_up(money_call)
        self.report.in_doubt(money_call, money_call.cause)
        if self.watch.begin(money_call) is None:
            self.report.left_open(money_call, aloud=False)
        return opened
