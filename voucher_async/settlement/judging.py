"""One look at what became of a call that moves money, and the step that follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from voucher_async.errors import (
    AuthenticationError,
    ConfigurationError,
    Conflict,
    MissingScope,
    NotFound,
    Proof,
    ValidationFailed,
    VoucherError,
)
from voucher_async.operations import CREATE_VOUCHER
from voucher_async.payments.balance import adds_up
from voucher_async.payments.evidence import LOOKS, RULES, Evidence, Finding, Move, decide, find
from voucher_async.payments.replies import brief
from voucher_async.settlement.looking import Look, Looking, find_voucher, is_what_was_asked

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from voucher_async.clock import Clock, Deadline
    from voucher_async.config import Settings
    from voucher_async.models import Charge
    from voucher_async.payments.lessons import Lessons
    from voucher_async.pending import PendingOutcome
    from voucher_async.settlement.archive import Archive
    from voucher_async.settlement.beside import Beside
    from voucher_async.settlement.case import Case
    from voucher_async.settlement.sender import Sender

__all__ = ["Judge"]

_FINAL = (AuthenticationError, Conflict, NotFound, ValidationFailed)


class Judge:
    """One per client: looks, and decides by the rules of `voucher_async.payments.evidence`.

    Args:
        sender: sends the requests.
        looking: reads lists of charges.
        archive: knows whose charge is whose.
        lessons: what normal answers have shown.
        settings: the settle window and the lag of lists.
        clock: measures time.
        beside: knows whose charge is whose in other processes.
    """

    def __init__(
        self,
        sender: Sender,
        *,
        looking: Looking,
        archive: Archive,
        lessons: Lessons,
        settings: Settings,
        clock: Clock,
        beside: Beside | None = None,
    ) -> None:
        self._sender = sender
        self._looking = looking
        self._archive = archive
        self._lessons = lessons
        self._settings = settings
        self._clock = clock
        self._beside = beside

    async def look(self, case: Case, deadline: Deadline, *, can_repeat: bool = False) -> tuple[Move, Proof]:
        """Look once, and decide.

        Args:
            case: the call; what was found is noted there.
            deadline: when to give up.
            can_repeat: whether its caller still waits, so that it may be sent again.

        Returns:
            The step, and for a call that was not carried out the proof.
        """
        began = self._clock.monotonic()
        case.quiet = began - case.last
        try:
            if case.pending.operation == CREATE_VOUCHER.id:
                return await self._look_for_voucher(case, deadline)
            since = None if RULES[case.pending.operation].needs_known else case.pending.since
            look = await self._looking.read(case.pending.voucher_id or "", deadline, since)
            finding, rivals = await self._found(case, look.charges)
            can_repeat = can_repeat and self._has_time(case, deadline)
            evidence = self._weigh(case, look, finding, began=began, can_repeat=can_repeat, rivals=rivals)
            if look.all and _is_absent(case.finding) and evidence.needs_balance:
                evidence = attrs.evolve(evidence, balanced=await self._is_balanced(case, look, deadline))
        except VoucherError as error:
            if _is_nowhere(case, error):
                return self._nowhere(case)
            case.reason = f"looking for it failed ({brief(error)})"
            is_final = case.is_refused and isinstance(error, _FINAL)
            case.hopeless = is_final or isinstance(error, (MissingScope, ConfigurationError))
            return Move.WAIT, Proof.ABSENT
        move = decide(RULES[case.pending.operation], evidence)
        _explain(case, move, evidence)
        return move, Proof.REFUSED if move is Move.REFUSED else evidence.absence or Proof.REFUSED

    def _nowhere(self, case: Case) -> tuple[Move, Proof]:
        """The voucher of a call that was refused as not found is not there."""
        case.absences += 1
        case.reason = "its voucher is not there"
        return Move.REFUSED if case.absences >= LOOKS else Move.WAIT, Proof.REFUSED

    async def _found(self, case: Case, charges: Sequence[Charge]) -> tuple[Finding, int]:
        """The entries that may be a call's, and how many calls of other processes they may be of as well."""
        case.widen(self._clock.monotonic(), self._clock.now())
        finding = self._find(case, charges)
        if self._beside is None:
            return finding, 0
        taken = await self._beside.taken(case, finding)
        if taken:
            finding = self._find(case, [charge for charge in charges if charge.id not in taken])
        return finding, await self._beside.rivals(case, finding)

    def _weigh(
        self, case: Case, look: Look, finding: Finding, *, began: float, can_repeat: bool, rivals: int
    ) -> Evidence:
        case.finding = finding
        case.absences = 0 if case.finding.certain else case.absences + 1
        fence = case.fence()
        return Evidence(
            finding=case.finding,
            sends=case.deliveries + self._archive.surplus_beside(case),
            absences=case.absences,
            quiet=case.quiet,
            window=self._settings.settle_window,
            lag=self._settings.list_lag,
            fenced=None if fence is None else began - fence,
            whole=look.whole and _shows_what_was_there(case.pending, look),
            rivals=self._archive.rivals(case) + rivals,
            confusable=self._archive.is_confusable(case),
            repeatable=can_repeat and case.repeatable,
            told=case.charge is not None,
            refused=case.is_refused,
            repeat_refused=case.repeat_refused,
            gone=case.gone,
            answered=case.pending.answered,
            patience=self.patience(case),
            marked=case.pending.reference is not None,
        )

    def _has_time(self, case: Case, deadline: Deadline) -> bool:
        """Whether a declined request could be sent again before the deadline."""
        return (self.patience(case) or 0.0) - case.quiet < deadline.left()

    def patience(self, case: Case) -> float | None:
        """Seconds to wait before a declined request is sent again; None for one that is never."""
        patience = case.patience
        if patience is None or RULES[case.pending.operation].repeat_early:
            return patience
        return max(patience, self._settings.list_lag)  # the first delivery would show by then

    def _find(self, case: Case, charges: Iterable[Charge]) -> Finding:
        pending_id = case.pending.id
        free = [charge for charge in charges if not self._archive.is_taken(charge.id, pending_id)]
        finding = find(case.pending, free, self._lessons)
        told = case.charge
        if told is None:
            return finding
        # what the caller was told comes first, whether the list shows it yet or not
        others = [charge for charge in finding.certain if charge.id != told.id]
        return Finding(
            certain=(told, *others),
            recognised=tuple(charge for charge in finding.recognised if charge.id != told.id),
            unclear=tuple(charge for charge in finding.unclear if charge.id != told.id),
            misfits=finding.misfits,
        )

    async def _is_balanced(self, case: Case, look: Look, deadline: Deadline) -> bool | None:
        """Whether charges and balance of the voucher add up; None where the balance may not be read."""
        try:
            voucher = await find_voucher(self._sender, case.pending, deadline)
        except MissingScope:
            return None
        return voucher is not None and not voucher.is_copy and adds_up(voucher.value, look.charges)

    async def _look_for_voucher(self, case: Case, deadline: Deadline) -> tuple[Move, Proof]:
        pending = case.pending
        answer = await find_voucher(self._sender, pending, deadline)
        if answer is None:
            is_lost = case.quiet >= self._settings.settle_window and not pending.answered
            return Move.NOT_DONE if is_lost else Move.WAIT, Proof.NO_VOUCHER
        voucher = answer.value
        is_ours = is_what_was_asked(voucher, pending)
        is_older = pending.since is not None and voucher.created_at < pending.since
        if is_ours and not is_older:
            return Move.DONE, Proof.NO_VOUCHER
        if not is_ours and (is_older or pending.sent_at is None) and not pending.answered:
            return Move.NOT_DONE, Proof.OTHER_VOUCHER
        case.reason = "the voucher with this id was there before, or is not quite what was asked for"
        return Move.OPEN, Proof.OTHER_VOUCHER


def _is_nowhere(case: Case, error: VoucherError) -> bool:
    """Whether the voucher of a refused call has never been there, by the API's own word each time."""
    is_unseen = case.pending.reservation_id is None and case.pending.charge_id is None
    both = (case.refusal, error)
    is_said = all(isinstance(each, NotFound) and each.has_envelope for each in both)
    return is_said and is_unseen and case.pending.known is None and case.is_refused


def _shows_what_was_there(pending: PendingOutcome, look: Look) -> bool:
    """Whether a list shows what is known to have been there before: else it is older than that."""
    before = {*(pending.known or ()), *filter(None, (pending.charge_id,))}
    return not look.all or before <= {charge.id for charge in look.charges}


def _is_absent(finding: Finding) -> bool:
    return not (finding.certain or finding.recognised or finding.unclear)


def _explain(case: Case, move: Move, evidence: Evidence) -> None:
    """Note why it is still open."""
    finding = case.finding
    if move is Move.OPEN or finding.recognised or finding.unclear:
        case.reason = "what was found may belong to another call"
        if len(finding.certain) > evidence.sends:
            case.reason = "more was found than was sent: another call's, or delivered twice on the way"
    elif move is Move.WAIT:
        found = "what was found may belong to an equal call beside it"
        case.reason = found if finding.certain else _reason_of_absence(evidence)


def _reason_of_absence(evidence: Evidence) -> str:
    if evidence.answered:
        return "the answer says that something was done, and the list does not show it"
    if not evidence.whole:
        return "the list may be a copy, or incomplete"
    if evidence.balanced is False or (evidence.finding.misfits and not evidence.balanced):
        return "the voucher's balance does not fit its charges"
    return "it may still be on its way"
