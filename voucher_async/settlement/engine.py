"""Sending what moves money, and finding out what became of it: read, decide, act, count."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import attrs

from voucher_async.cancelling import goes_on
from voucher_async.errors import ApiError, Fate, JournalFailed, Proof, VoucherError
from voucher_async.payments.contradiction import contradicted, contradiction
from voucher_async.payments.evidence import RULES, Move, obstacle
from voucher_async.payments.lessons import Lessons
from voucher_async.payments.numbering import Numbering
from voucher_async.payments.replies import Reply, as_not_done, reply_of
from voucher_async.payments.report import Report
from voucher_async.pending import Settlement, SettlementState
from voucher_async.settlement.archive import Archive
from voucher_async.settlement.beginning import send_recorded
from voucher_async.settlement.beside import Beside
from voucher_async.settlement.judging import Judge
from voucher_async.settlement.lines import Lines
from voucher_async.settlement.looking import Looking
from voucher_async.settlement.pauses import Pauses
from voucher_async.settlement.sender import open_outcome
from voucher_async.settlement.stamps import Stamps
from voucher_async.settlement.surplus import take_back

if TYPE_CHECKING:
    import random

    from voucher_async.clock import Clock, Deadline, ServerClock
    from voucher_async.config import Settings
    from voucher_async.errors import OutcomeUnknown
    from voucher_async.hooks import Hooks
    from voucher_async.models import Charge
    from voucher_async.sansio import Answer, Request
    from voucher_async.settlement.case import Case, Flow
    from voucher_async.settlement.recording import Ownership
    from voucher_async.settlement.sender import Sender

__all__ = ["Engine"]

_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 4.0
_LONGEST_PAUSE_BEHIND: Final = 8.0  # in the background
PAUSE_REFUSED: Final = 1.0  # between the two looks after a refusal


class Engine:
    """One per client.

    Args:
        sender: sends the requests.
        settings: the settle window, and how long things are looked after.
        clock: measures time and waits out pauses.
        server_clock: dates what is sent.
        hooks: told before money moves, and what became of it when nobody waits for that.
        ownership: who writes the records of calls.
        rng: where the URLs of looks get their differences from; None: of this process.

    Attributes:
        report: tells hooks and log what became of money.
        archive: what is open, and what was.
        looking: reads lists of charges.
        lessons: what normal answers have shown.
        numbering: order numbers as they are sent, and as the shop has them.
        stamps: what time it is by the server.
        judge: looks, and decides.
        lines: where calls that look alike wait for each other.
        pauses: between two looks.
        watches: what looks after cases in the background.
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
        rng: random.Random | None = None,
    ) -> None:
        self.sender = sender
        self.clock = clock
        self.server_clock = server_clock
        self.hooks = hooks
        self.ownership = ownership
        self.numbering: Numbering = Numbering(settings.order_number_format)
        self.report: Report = Report(hooks, self.numbering)
        self.archive: Archive = Archive()
        self.looking: Looking = Looking(sender, server_clock, rng)
        self.lessons: Lessons = Lessons()
        self.stamps: Stamps = Stamps(clock)
        self.lines: Lines = Lines(self.archive)
        self.pauses: Pauses = Pauses(clock)
        self.watches: set[asyncio.Task[None]] = set()
        self.settings = settings
        self.judge: Judge = Judge(
            sender,
            looking=self.looking,
            archive=self.archive,
            lessons=self.lessons,
            settings=settings,
            clock=clock,
            beside=Beside(ownership),
        )

    @property
    def patience(self) -> float:
        """How long a background refund may queue, in seconds."""
        return self.settings.settle_for or self.settings.timeout.total

    async def perform(self, flow: Flow, case: Case, request: Request[Charge]) -> Charge:
        """Send a request that moves money, and find out what became of it.

        Raises:
            OutcomeUnknown: that could not be found out in time; it is looked after in the background.
            ApiError: it was refused; `looked` says whether its voucher's charges do not show it either.
            VoucherError: it was certainly not carried out; `proof` says why.
        """
        flow.begun = True
        flow.case = case
        request.call_id = case.pending.id
        case.key = flow.key
        case.over = over = asyncio.get_running_loop().create_future()
        self.archive.begin(case)
        if case.pending.charge_id is not None:
            self.archive.delivered(case.pending.charge_id)  # who refunds a charge knows of it
        try:
            return await self._perform(flow, case, request)
        except VoucherError:
            raise
        except Exception as error:
            raise self._broken_off(case, error) from error
        except BaseException:
            self.archive.open(case)  # cancelled, interrupted, or its loop is gone: nobody goes on with it
            self.report.in_doubt(case, case.error)
            self.report.left_open(case, case.error)
            raise
        finally:
            self.archive.end(case)
            if not over.done() and not over.get_loop().is_closed():
                over.set_result(None)

    async def _perform(self, flow: Flow, case: Case, request: Request[Charge]) -> Charge:
        while True:
            charge = await self._send(flow, case, request) or await self._look_until_clear(flow, case)
            if charge is not None:
                return self.finish(flow, case, charge)
            case.repeats += 1

    def open_what_was_cut_off(self) -> None:
        """Take the calls for open whose event loop is gone; their requests may have been carried out."""
        for case in self.archive.cut_off():
            case.doubted(None, self.clock.monotonic())
            self.archive.open(case)
            self.archive.end(case)
            self.report.in_doubt(case, None)
            self.report.left_open(case)

    def _broken_off(self, case: Case, error: Exception) -> OutcomeUnknown:
        """The error for a call that something unforeseen ended; it is looked after in the background."""
        case.reason = f"the call was broken off by a {type(error).__name__}"
        return self._left_open(case)

    async def _send(self, flow: Flow, case: Case, request: Request[Charge]) -> Charge | None:
        """The answer to a request; None when it, or one before it, is in doubt.

        Raises:
            VoucherError: nothing was done, and nothing was sent before.
        """
        is_only = not case.deliveries
        self._announce(flow, case)
        try:
            answer = await send_recorded(self.sender, self.clock, flow, case, request)
        except JournalFailed as error:
            if is_only:
                raise as_not_done(error, Proof.NOT_SENT) from error.__cause__
            case.may_repeat, case.repeats = lambda: False, case.repeats - 1
            return None
        except VoucherError as error:
            self._note_failure(case, error, is_only=is_only)
            return None
        is_taken = self.archive.is_taken(answer.value.id, case.pending.id)
        problem = contradiction(case.pending, answer.value, self.lessons, is_taken=is_taken)
        if problem:
            self._note_failure(case, contradicted(request, problem), is_only=is_only)
            return None
        case.answered = True
        self._learn(case, answer)
        return answer.value

    def _announce(self, flow: Flow, case: Case) -> None:
        """Bound the time in which the request may be carried out, and tell the hooks of it."""
        left, window = flow.deadline.left(), self.settings.settle_window
        case.pending = attrs.evolve(
            case.pending,
            until=case.until(self.clock.monotonic(), self.clock.now(), left, window),
            sends=case.pending.sends + bool(case.repeats),
            base_url=self.settings.base_url,
            client_id=self.settings.client_id,
            sent_at=self.server_clock.now() if self.hooks.wants_intents else case.pending.sent_at,
        )
        if self.hooks.wants_intents:
            self.hooks.intent(case.pending)

    def _note_failure(self, case: Case, error: VoucherError, *, is_only: bool) -> None:
        """Note what a request proved that was not answered well; raises when nothing was done at all."""
        now = self.clock.monotonic()
        reply = reply_of(error, is_only=is_only)
        if reply in {Reply.NOT_SENT, Reply.UNAUTHORIZED}:
            if is_only:
                raise as_not_done(error, Proof.NOT_SENT if reply is Reply.NOT_SENT else Proof.UNAUTHORIZED)
            case.absences = 0
        elif reply in {Reply.REFUSED, Reply.GONE, Reply.DECLINED} and isinstance(error, ApiError):
            case.refused(error, reply, now)
        else:
            case.doubted(error, now)
        is_answered = case.pending.answered or reply is Reply.CARRIED_OUT
        case.pending = attrs.evolve(
            case.pending, answered=is_answered, sends=max(case.effects, 1) if case.repeats else 1
        )
        self.report.in_doubt(case, error)

    def _learn(self, case: Case, answer: Answer[Charge]) -> None:
        made = None
        if case.anchor is not None and not case.doubts:
            now, wall = self.clock.monotonic(), self.clock.now()
            latest = case.anchor.elapsed(now, wall)
            earliest = min(answer.sent - case.anchor.sent, latest)
            made = case.anchor.at(earliest), case.anchor.at(latest)
        self.lessons.learn(case.pending, answer.value, made)
        if not RULES[case.pending.operation].repeat_early:  # else it may be answered with an older one
            self.stamps.note(answer.value.created_at, answer.sent)

    async def _look_until_clear(self, flow: Flow, case: Case) -> Charge | None:
        """What was found; None when the request is to be sent again.

        Raises:
            OutcomeUnknown: the deadline passed, the caller is gone, or it cannot be told.
            VoucherError: it was certainly not carried out, or refused.
        """
        pause = _PAUSE
        while obstacle(case.pending) is None and flow.deadline.left() > 0:
            move, proof = await self.judge.look(case, flow.deadline, can_repeat=not flow.abandoned)
            if flow.abandoned and not case.is_refused:
                break
            if move is Move.DONE:
                return case.finding.ours[0]
            if move is Move.REPEAT:
                return None
            if move in {Move.NOT_DONE, Move.REFUSED}:
                raise self._ended_without(case, proof)
            if move is Move.OPEN or case.hopeless:
                break
            await self.pause(case, pause, flow.deadline)
            pause = min(pause * 2, _LONGEST_PAUSE)
        raise self.not_clear(case)

    async def pause(self, case: Case, pause: float, deadline: Deadline) -> None:
        """Wait between two looks at a case, for as long as is due."""
        if case.is_refused:
            patience = self.judge.patience(case)
            is_asked_twice = case.absences > 1 and patience is not None
            pause = max(PAUSE_REFUSED, (patience or 0.0) - case.quiet if is_asked_twice else 0.0)
        await self.pauses.wait(min(pause, max(deadline.left(), 0.0)))

    def finish(self, flow: Flow, case: Case, charge: Charge) -> Charge:
        """Note that a call was carried out, and look after what may have been once too often."""
        case.charge = charge
        flow.finished.append(case)
        self.archive.take(charge.id, case.pending.id)
        if case.doubts or case.refusals:
            self.report.found(case, charge)
        is_twice = case.pending.reference is not None and len(case.finding.certain) > 1
        if case.effects > 1 or is_twice:
            self.watch(case)  # another of the requests may have arrived, or may yet
        elif case.doubts or case.refusals:
            self._ended(case, Settlement(pending=case.pending, state=SettlementState.DONE, charge=charge))
        return charge

    def _ended_without(self, case: Case, proof: Proof) -> VoucherError:
        """The error for a call that was not carried out."""
        self.report.refuted(case, proof)
        if proof is Proof.REFUSED:
            return as_not_done(case.cause, proof)  # it may be sent again: nothing is settled for good
        self._ended(case, _not_done(case, proof))
        return as_not_done(case.refusal or case.cause, proof)

    def not_clear(self, case: Case) -> VoucherError:
        """The error for a call of which it could not be found out whether it was carried out."""
        finding = case.finding
        if not case.is_refused or case.refusal is None or finding.ours or finding.unclear:
            return self._left_open(case)
        case.refusal.looked, case.refusal.pending, case.refusal.fate = False, case.pending, Fate.UNKNOWN
        if obstacle(case.pending) is None and not case.hopeless:
            self.watch(case)
        else:
            self.report.left_open(case, aloud=False)
        return case.refusal

    def _left_open(self, case: Case) -> OutcomeUnknown:
        case.reason = obstacle(case.pending) or case.reason
        reason = f"that could not be found out ({case.reason}); settle it before you repeat the call"
        opened = open_outcome(case.cause, case.pending, reason)
        opened.__cause__ = case.cause
        case.pending = opened.pending
        self.report.in_doubt(case, case.cause)
        if self.watch(case) is None:
            self.report.left_open(case, aloud=False)
        return opened

    def watch(self, case: Case) -> asyncio.Task[None] | None:
        """Look after a case in the background until it is clear; None when looking cannot help."""
        self.archive.open(case)
        if obstacle(case.pending):
            return None
        task = case.task
        if task is None or not goes_on(task):
            case.hopeless = False
            case.task = task = asyncio.create_task(self._look_after(case))
            self.watches.add(task)
            task.add_done_callback(self.watches.discard)
        return task

    async def _look_after(self, case: Case) -> None:
        ends = self.clock.monotonic() + self.settings.settle_for
        pause = _PAUSE
        try:
            while not await self._is_clear(case):
                if case.hopeless or self.clock.monotonic() >= ends:
                    self.report.left_open(case, case.error)
                    return
                await self.pauses.wait(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_BEHIND)
        finally:
            case.task = None

    async def _is_clear(self, case: Case) -> bool:
        deadline = self.sender.deadline()
        move, proof = await self.judge.look(case, deadline)
        if move in {Move.NOT_DONE, Move.REFUSED}:
            await self._ended_behind(case, _not_done(case, proof), aloud=True)
            return True
        if move is not Move.DONE or case.may_grow(self.settings.settle_window):
            return False
        found = case.finding.ours
        refunds = await take_back(self, case, found[1:], deadline) if found[1:] else ()
        if refunds is None:
            return False
        settlement = Settlement(
            pending=case.pending,
            state=SettlementState.DONE,
            charge=found[0] if found else None,
            surplus=found[1:],
            refunds=refunds,
        )
        await self._ended_behind(case, settlement, aloud=case.charge is None)
        return True

    async def _ended_behind(self, case: Case, settlement: Settlement, *, aloud: bool) -> None:
        """A call ended in the background."""
        self._ended(case, settlement, aloud=aloud)
        if case.recorder is not None and case.charge is None:
            await case.recorder.settled(self.numbering.own_settlement(settlement))

    def _ended(self, case: Case, settlement: Settlement, *, aloud: bool = False) -> None:
        self.archive.settled(settlement)
        if case.on_end is not None:
            case.on_end(settlement)
        if aloud:
            self.archive.deliver_later(case.key, settlement.charge)
            self.report.ended(case, settlement, behind=True)


def _not_done(case: Case, proof: Proof) -> Settlement:
    return Settlement(pending=case.pending, state=SettlementState.NOT_DONE, proof=proof)
