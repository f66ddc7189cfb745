"""One money call: its requests, the knowledge about them, and its callers."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Self

import attrs

from voucher_async.api_errors import ApiError, RateLimited
from voucher_async.errors import VoucherError
from voucher_async.events import Happened
from voucher_async.models import Charge
from voucher_async.outcomes import PendingOutcome, Settlement
from voucher_async.payments.call import CallRecord
from voucher_async.payments.evidence import Finding
from voucher_async.payments.facts import OPERATIONS, Call, CallState, Event, Facts, Operation
from voucher_async.payments.recording import Recorder
from voucher_async.payments.replies import Reply

if TYPE_CHECKING:
    from voucher_async.clock import Deadline
    from voucher_async.payments.machine import Machine

__all__ = ["Anchor", "CallContext", "MoneyCall"]

_NOTHING_FOUND: Final = Finding()
_REPEATS: Final = 2
_SLACK: Final = 2.0  # seconds that the difference of two times in whole seconds may be off


def _operation_of(pending: PendingOutcome) -> Operation:
    return OPERATIONS.get(pending.operation) or Operation(pending.operation)


def _begun(pending: PendingOutcome) -> Call:
    return Call(_operation_of(pending), CallState.BEGUN, "", target=pending.reservation_id)


def _never() -> bool:
    return False


def _nowhere() -> float | None:
    return None


@attrs.frozen
class Anchor:
    """A timestamp of the server, and the local time of the request that it answered.

    Attributes:
        stamp: the server's; aware.
        sent: monotonic time in seconds when the request went out.
        wall: the wall clock then; aware. It counts the time that a machine sleeps, the other does not.
    """

    stamp: dt.datetime
    sent: float
    wall: dt.datetime

    def elapsed(self, now: float, wall: dt.datetime) -> float:
        """Seconds since then, by the clock that counted more."""
        return max(now - self.sent, (wall - self.wall).total_seconds())

    def at(self, seconds: float) -> dt.datetime:
        """The server's time so many seconds later."""
        return self.stamp + dt.timedelta(seconds=seconds)


@attrs.define(eq=False, kw_only=True)
class MoneyCall:
    """One money request, from before it is sent until its outcome is known.

    `doubts`, `refusals` and `succeeded` count requests beside the flags of `call`, for a list is weighed by
    how many entries may be ours. A flag says what may be done next, and a proof clears it; a count stays,
    but for that of refusals: whoever goes on after a refusal is not refused any more.

    Attributes:
        pending: the facts, as callers and hooks get them.
        call: its state, as `voucher_async.payments.machine` has it; times are monotonic.
        foreign: it is of another process, and only looked at.
        anchor: a timestamp of the server to reckon from.
        may_repeat: whether sending again is still allowed.
        fence: monotonic time in seconds since when its reservation has ended; None as long as it may live.
        on_end: told how it ended, once.
        recorder: writes its record; None for one of another process that is only looked at.
        doubts: how many requests may have been carried out although no answer said so.
        succeeded: whether a request was answered with the charge.
        refusals: how many requests were refused; a proxy may have delivered each of them before.
        repeats: how many requests followed the first.
        absences: how many looks in a row have found nothing since the last request.
        widened: seconds that `pending.until` was moved because clocks disagree.
        quiet: seconds from the end of the last request to the beginning of the last look.
        finding: what the last look found.
        charge: the charge that its caller got, or will get.
        error: the reason why the first request is in doubt.
        refusal: the refusal of the last refused one.
        repeat_refused: a later request was refused by the API itself.
        reason: why it is still open, in words.
        hopeless: looking again will not help.
        task: settles it in the background.
        running: the task of the call itself, once its caller is gone.
        over: a future, done when the call is over.
        key: identifies equal payments; None for a call that joins none.
        taken_back: what became of each surplus charge: its refund, or None when that could not be had.
        refunding: the refund of a surplus charge that is in doubt, by its pending id.
        tries: how often refunding a surplus has failed.
        heard: the kinds of events that hooks got.
        logged: the kinds that were logged.
    """

    pending: PendingOutcome
    call: Call = attrs.Factory(lambda self: _begun(self.pending), takes_self=True)
    foreign: bool = False
    anchor: Anchor | None = None
    may_repeat: Callable[[], bool] = _never
    fence: Callable[[], float | None] = _nowhere
    on_end: Callable[[Settlement], None] | None = None
    recorder: Recorder | None = None
    doubts: int = 0
    succeeded: bool = False
    refusals: int = 0
    repeats: int = 0
    absences: int = 0
    widened: float = 0.0
    quiet: float = 0.0
    finding: Finding = _NOTHING_FOUND
    charge: Charge | None = None
    error: VoucherError | None = None
    refusal: ApiError | None = None
    repeat_refused: bool = False
    reason: str = "its answer was lost"
    hopeless: bool = False
    task: asyncio.Task[None] | None = None
    running: asyncio.Task[object] | None = None
    over: asyncio.Future[None] | None = None
    key: tuple[str, ...] | None = None
    taken_back: dict[str, Charge | None] = attrs.Factory(dict[str, Charge | None])
    refunding: dict[str, str] = attrs.Factory(dict[str, str])
    tries: int = 0
    heard: frozenset[Happened] = frozenset()
    logged: frozenset[Happened] = frozenset()

    @classmethod
    def taken_up(cls, pending: PendingOutcome, ended_at: float, **changes: Any) -> Self:
        """The call of another client or process: its requests are in doubt.

        Args:
            pending: the call.
            ended_at: monotonic time in seconds when its last request had ended at the latest.
            changes: other attributes.
        """
        call = Call(
            _operation_of(pending),
            CallState.OPEN,
            "",
            target=pending.reservation_id,
            sent_to=pending.reservation_id,
            doubts=True,
            answered=pending.answered,
            ended_at=ended_at,
        )
        return cls(pending=pending, call=call, foreign=True, doubts=max(pending.sends, 1), **changes)

    @classmethod
    def left_behind(cls, pending: PendingOutcome, ended_at: float, *, fenced_at: float | None) -> Self:
        """A call that a dead owner may have sent, or may yet: in doubt, driven by whoever has its record now.

        Args:
            pending: what it may have sent.
            ended_at: monotonic time in seconds when its last request had ended at the latest.
            fenced_at: monotonic time since when the server refuses its requests; None where nothing fences.
        """
        left = cls.taken_up(pending, ended_at)
        left.call = left.call._replace(state=CallState.SENT, target=None, fenced_at=fenced_at)
        return left

    @classmethod
    def inherited(cls, pending: PendingOutcome, ended_at: float, *, is_refused: bool) -> Self:
        """An earlier call for the same payment, to be looked for before money is asked for anew.

        Args:
            pending: the earlier call.
            ended_at: monotonic time in seconds when its last request had ended at the latest.
            is_refused: it ended by a refusal; else by a proof that lasts.
        """
        call = Call(
            _operation_of(pending),
            CallState.BEGUN,
            "",
            sent_to=pending.reservation_id,
            inherited=is_refused,
            ended_at=ended_at,
        )
        return cls(pending=pending, call=call, foreign=True, doubts=max(pending.sends, 1))

    def advance(self, machine: Machine, event: Event, facts: Facts) -> None:
        """Note an event.

        Raises:
            ValueError: it is not legal for the call now.
        """
        self.call = machine.advance(self.call, event, facts)
        if event in {Event.CLEARED, Event.CLAIMED} and self.refusals:
            # the refused requests are over; from now on they count like any other earlier request
            self.refusals, self.repeat_refused = 0, False
            self.doubts = max(self.doubts, int(event is Event.CLAIMED))

    def record_by(self, recorder: Recorder | None) -> None:
        """Have it recorded: its `PendingOutcome` is a view of the record, and has its id."""
        self.recorder = recorder
        if recorder is not None:
            self.pending = attrs.evolve(self.pending, id=recorder.id)

    def until(self, now: float, wall: dt.datetime, left: float, window: float) -> dt.datetime | None:
        """The moment until which the request that is sent now can be carried out, by the server's timestamps.

        Args:
            now: monotonic time in seconds.
            wall: the wall clock; aware.
            left: seconds that the request may take.
            window: seconds within which it is carried out afterwards.
        """
        if self.anchor is None:
            return self.pending.until
        return self.anchor.at(self.anchor.elapsed(now, wall) + max(left, 0.0) + window + _SLACK)

    def widen(self, now: float, wall: dt.datetime) -> None:
        """Move the end of the time window by what the clocks disagree: the machine slept, or one was set."""
        if self.anchor is None or self.pending.until is None:
            return
        apart = self.anchor.elapsed(now, wall) - (now - self.anchor.sent)
        if apart > self.widened + _SLACK:
            more = dt.timedelta(seconds=apart - self.widened)
            self.widened = apart
            self.pending = attrs.evolve(self.pending, until=self.pending.until + more)

    def doubted(self, error: VoucherError | None) -> None:
        """A request may have been carried out: its answer was lost, or not waited for."""
        self.doubts += 1
        self.absences = 0
        self.error = self.error or error

    def refused(self, error: ApiError, reply: Reply) -> None:
        """A delivery was refused; that says nothing about those before it."""
        self.refusals += 1
        self.absences = 0
        self.refusal = error
        if (self.repeats or self.doubts) and reply is not Reply.DECLINED:
            self.repeat_refused = True

    @property
    def last(self) -> float:
        """Monotonic time in seconds when the last request ended."""
        return self.call.ended_at or 0.0

    def fenced(self) -> float | None:
        """Monotonic time in seconds since when the server refuses every request of it, as far as is known."""
        known = [moment for moment in (self.call.fenced_at, self.fence()) if moment is not None]
        return min(known, default=None)

    @property
    def is_cut_off(self) -> bool:
        """True when the event loop of its call is gone, so that nobody goes on with it."""
        return self.over is not None and self.over.get_loop().is_closed()

    @property
    def is_stopped(self) -> bool:
        """True when nobody goes on with its call now: its event loop is gone, or does not run."""
        return self.over is not None and not self.over.get_loop().is_running()

    @property
    def is_refused(self) -> bool:
        """True when all that was sent was refused."""
        return self.refusals > 0 and not self.doubts and not self.succeeded

    @property
    def patience(self) -> float | None:
        """Seconds to wait before a declined request is sent again; None for a refusal that is final."""
        return (self.refusal.retry_after or 1.0) if isinstance(self.refusal, RateLimited) else None

    @property
    def repeatable(self) -> bool:
        """True when the request may be sent again, as far as the call itself goes."""
        return not self.repeat_refused and self.repeats < _REPEATS and self.may_repeat()

    def may_grow(self, window: float) -> bool:
        """True when another of the requests may be carried out yet, or was after the look began.

        Args:
            window: seconds within which a request is carried out.
        """
        missing = self.effects > max(len(self.finding.certain), 1)
        return missing and self.quiet < window

    @property
    def cause(self) -> VoucherError:
        """The reason why it is in doubt, as an error."""
        return self.error or self.refusal or VoucherError(self.reason)

    @property
    def effects(self) -> int:
        """Number of requests that may have been carried out, refused ones left aside."""
        return self.doubts + self.succeeded

    @property
    def deliveries(self) -> int:
        """Number of requests that may have been carried out; a proxy may have delivered a refused one twice.

        Beside one whose answer was lost a refused one is taken for what it says.
        """
        return self.effects or self.refusals


class CallContext:
    """A call that may move money, run by a task of its own so that it outlives its caller.

    Args:
        deadline: when to give up.
        asked: what is known of it before it begins; or its record, which tells no less than that.

    Attributes:
        deadline: when to give up.
        recorder: writes its record; None for a call that is part of another.
        is_asked_about: somebody was told its `PendingOutcome`, and it goes on.
        fenced: what a dead owner of the same call may have sent; a new reservation comes before the look.
        begun: money may be moving: from here on it is finished, whatever happens to the caller.
        abandoned: the caller is gone: nothing new is begun.
        money_call: what is being sent.
        finished: what was carried out.
        is_alone: True where no other call may move the same money: a new one without an idempotency key.
        key: identifies equal payments; None for a call that joins none.
        recalled: the charge of an earlier call, which this one is about to return.
        undoing: its charges are being refunded, and each refund is reported.
    """

    __slots__ = (
        "_asked",
        "abandoned",
        "begun",
        "deadline",
        "fenced",
        "finished",
        "is_alone",
        "is_asked_about",
        "key",
        "money_call",
        "recalled",
        "recorder",
        "undoing",
    )

    def __init__(self, deadline: Deadline, asked: PendingOutcome | CallRecord) -> None:
        self.deadline: Deadline = deadline
        self._asked: PendingOutcome | CallRecord = asked
        self.recorder: Recorder | None = None
        self.is_asked_about: bool = False
        self.is_alone: bool = False
        self.fenced: PendingOutcome | None = None
        self.begun: bool = False
        self.abandoned: bool = False
        self.money_call: MoneyCall | None = None
        self.finished: list[MoneyCall] = []
        self.key: tuple[str, ...] | None = None
        self.recalled: Charge | None = None
        self.undoing: bool = False

    @property
    def id(self) -> str:
        """The id of its record."""
        return self._asked.id

    @property
    def asked(self) -> PendingOutcome:
        """The facts known of it before it begins."""
        return self._asked.view if isinstance(self._asked, CallRecord) else self._asked

    @asked.setter
    def asked(self, asked: PendingOutcome | CallRecord) -> None:
        self._asked = asked

    @property
    def is_cut_short(self) -> bool:
        """True when the last caller left before money was asked for: it ends, with nothing sent."""
        return self.abandoned and not self.begun

    def handed_out(self) -> PendingOutcome:
        """The facts for somebody who leaves, and asks again what became of it."""
        self.is_asked_about = True
        if self.recorder is not None:
            self.recorder.is_asked_about = True
        return self.pending

    @property
    def pending(self) -> PendingOutcome:
        """The facts known of it now."""
        return self.asked if self.money_call is None else self.money_call.pending
