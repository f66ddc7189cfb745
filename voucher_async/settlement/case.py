"""One call that moves money: what was sent, what is known of it, and who waits for it."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import attrs

from voucher_async.errors import Fate, RateLimited, VoucherError
from voucher_async.models import Charge
from voucher_async.pending import PendingOutcome, Settlement
from voucher_async.settlement.rules import Finding

if TYPE_CHECKING:
    from voucher_async.clock import Deadline

__all__ = ["Case", "Flow"]

_REPEATS: Final = 2
_SLACK: Final = 2.0  # seconds that stamps with a resolution of one second may be off, rounded up


def _never() -> bool:
    return False


@attrs.define(eq=False, kw_only=True)
class Case:
    """One request that moves money, from before it is sent until what became of it is known.

    Attributes:
        pending: the facts, as they are handed out.
        foreign: it is of another process, and only looked at.
        anchor: a stamp of the server, and the monotonic time in seconds when the request for it went out.
        may_repeat: whether the state of things still allows to send the request again.
        on_end: told how it ended, once.
        doubts: how many requests may have been carried out although no answer said so.
        answered: whether a request was answered with the charge.
        repeats: how many requests followed the first.
        absences: how many looks in a row have found nothing.
        last: monotonic time in seconds when the last request in doubt ended.
        quiet: seconds from `last` to the beginning of the last look.
        finding: what the last look found.
        charge: what the caller was told, or will be.
        error: why the first request is in doubt.
        refusal: why a later one was refused.
        reason: why it is still open, in words.
        hopeless: looking again will not help.
        task: looks after it in the background.
        running: the task of the call itself, once its caller is gone.
        over: done when the call is over.
        key: what tells equal payments; None for a call that does not ask.
        taken_back: what became of each surplus charge: its refund, or None when that could not be had.
        refunding: the refund of a surplus charge that is in doubt, by its pending id.
        tries: how often refunding a surplus has failed.
        is_told: the hooks were told what became of it.
    """

    pending: PendingOutcome
    foreign: bool = False
    anchor: tuple[dt.datetime, float] | None = None
    may_repeat: Callable[[], bool] = _never
    on_end: Callable[[Settlement], None] | None = None
    doubts: int = 0
    answered: bool = False
    repeats: int = 0
    absences: int = 0
    last: float = 0.0
    quiet: float = 0.0
    finding: Finding = attrs.Factory(Finding)
    charge: Charge | None = None
    error: VoucherError | None = None
    refusal: VoucherError | None = None
    reason: str = "its answer was lost"
    hopeless: bool = False
    task: asyncio.Task[None] | None = None
    running: asyncio.Task[object] | None = None
    over: asyncio.Future[None] | None = None
    key: tuple[str, ...] | None = None
    taken_back: dict[str, Charge | None] = attrs.Factory(dict[str, Charge | None])
    refunding: dict[str, str] = attrs.Factory(dict[str, str])
    tries: int = 0
    is_told: bool = False

    def bound(self, now: float, left: float, window: float) -> None:
        """Note until when the request that is sent now can be carried out, by the server's stamps.

        Args:
            now: monotonic time in seconds.
            left: seconds that the request may take.
            window: seconds within which it is carried out afterwards.
        """
        if self.anchor is not None:
            stamp, sent = self.anchor
            seconds = now - sent + max(left, 0.0) + window + _SLACK
            self.pending = attrs.evolve(self.pending, until=stamp + dt.timedelta(seconds=seconds))

    def doubted(self, error: VoucherError | None, now: float) -> None:
        """A request may have been carried out: its answer was lost, or not waited for."""
        self.doubts += 1
        self.absences = 0
        self.last = now
        self.error = self.error or error

    def refused(self, error: VoucherError) -> None:
        """A repeated request was certainly not carried out; that says nothing about those before it."""
        self.absences = 0
        if error.fate is Fate.ANSWERED and not isinstance(error, RateLimited):
            self.refusal = error

    @property
    def repeatable(self) -> bool:
        """Whether the request may be sent again, as far as the case itself goes."""
        return self.refusal is None and self.repeats < _REPEATS and self.may_repeat()

    @property
    def cause(self) -> VoucherError:
        """Why it is in doubt."""
        return self.error or VoucherError(self.reason)

    @property
    def effects(self) -> int:
        """How many requests can have been carried out."""
        return self.doubts + self.answered


class Flow:
    """A call that may move money, run by a task of its own so that it outlives its caller.

    Args:
        deadline: when to give up.

    Attributes:
        deadline: when to give up.
        begun: money may be moving: from here on it is finished, whatever happens to the caller.
        abandoned: the caller is gone: nothing new is begun.
        case: what is being sent.
        finished: what was carried out.
        key: what tells equal payments; None for a call that does not ask.
        recalled: what an earlier call charged, which this one is about to return.
        undoing: what was carried out is being taken back, and that is told one by one.
    """

    __slots__ = ("abandoned", "begun", "case", "deadline", "finished", "key", "recalled", "undoing")

    def __init__(self, deadline: Deadline) -> None:
        self.deadline: Deadline = deadline
        self.begun: bool = False
        self.abandoned: bool = False
        self.case: Case | None = None
        self.finished: list[Case] = []
        self.key: tuple[str, ...] | None = None
        self.recalled: Charge | None = None
        self.undoing: bool = False
