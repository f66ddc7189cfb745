"""One look for the effect of a money call, and the step that follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import attrs

from voucher_async.api_errors import AuthenticationError, Conflict, MissingScope, NotFound, ValidationFailed
from voucher_async.clock import Clock
from voucher_async.config import Settings
from voucher_async.errors import ConfigurationError, Proof, VoucherError
from voucher_async.operations import CREATE_VOUCHER
from voucher_async.payments.balance import adds_up
from voucher_async.payments.evidence import LOOKS, RULES, Evidence, Finding, Move, decide, find
from voucher_async.payments.facts import Call, CallState, Event, Facts
from voucher_async.payments.lessons import Lessons
from voucher_async.payments.looking import (
    Look,
    Looking,
    find_voucher,
    is_what_was_asked,
    voucher_request,
)
from voucher_async.payments.machine import Machine
from voucher_async.payments.registry import Registry
from voucher_async.payments.replies import brief, is_missing
from voucher_async.payments.rivals import Rivals
from voucher_async.payments.sender import Sender

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from voucher_async.clock import Deadline
    from voucher_async.models import Charge
    from voucher_async.outcomes import PendingOutcome
    from voucher_async.payments.money_call import MoneyCall

__all__ = ["Judge", "Verdict", "event_of"]

_FINAL: Final = (AuthenticationError, Conflict, NotFound, ValidationFailed)
_EVENTS: Final = {Move.DONE: Event.FOUND, Move.NOT_DONE: Event.ABSENT, Move.REFUSED: Event.ABSENT}


class Verdict(NamedTuple):
    """The step that follows a look.

    Attributes:
        move: the step.
        facts: the facts about it, for the machine.
        is_absent: a list that is whole shows nothing of the call.
    """

    move: Move
    facts: Facts
    is_absent: bool = False

    @property
    def proof(self) -> Proof:
        """The proof that a call was not carried out."""
        return self.facts.proof or Proof.REFUSED


@attrs.define(eq=False, repr=False)
class Judge:
    """One per client: looks, and decides by the rules of `voucher_async.payments.evidence`.

    Args:
        sender: sends the requests.
        looking: reads lists of charges.
        registry: knows which call each charge belongs to.
        lessons: the habits that normal answers have shown.
        machine: knows which steps are legal.
        settings: the settle window and the lag of lists.
        clock: measures time.
        rivals: knows the same of calls of other processes.
    """

    sender: Sender
    looking: Looking
    registry: Registry
    lessons: Lessons
    machine: Machine
    settings: Settings
    clock: Clock
    rivals: Rivals | None = None

    async def look(self, money_call: MoneyCall, deadline: Deadline, *, can_repeat: bool = False) -> Verdict:
        """Look once, and decide; a step that the machine does not allow yet becomes `WAIT`.

        Args:
            money_call: the call; what was found is noted there.
            deadline: when to give up.
            can_repeat: whether its caller still waits, so that it may be sent again.
        """
        facts = Facts(self.clock.monotonic(), target=money_call.call.target)
        money_call.quiet = facts.now - money_call.last
        try:
            if money_call.pending.operation == CREATE_VOUCHER.id:
                verdict = await self._look_for_voucher(money_call, facts, deadline)
            else:
                verdict = await self._look_at_charges(money_call, facts, deadline, can_repeat=can_repeat)
        except VoucherError as error:
            if not _is_nowhere(money_call, error):
                return _failed(money_call, error, facts)
            verdict = _nowhere(money_call, facts)
        return verdict if self._is_legal(money_call, verdict) else verdict._replace(move=Move.WAIT)

    def _is_legal(self, money_call: MoneyCall, verdict: Verdict) -> bool:
        call = money_call.call
        event = event_of(verdict.move, call)
        if event is None:
            return True
        if call.state is CallState.DONE:
            return event is Event.FOUND  # of a call that is done, only the surplus is looked for
        return self.machine.may(call, event, verdict.facts)

    async def _look_at_charges(
        self, money_call: MoneyCall, facts: Facts, deadline: Deadline, *, can_repeat: bool
    ) -> Verdict:
        since = None if RULES[money_call.pending.operation].needs_known else money_call.pending.since
        look = await self.looking.read(money_call.pending.voucher_id or "", deadline, since)
        finding, rivals = await self._found(money_call, look.charges)
        can_repeat = can_repeat and self._has_time(money_call, deadline)
        evidence = self._weigh(
            money_call, look, finding, began=facts.now, can_repeat=can_repeat, rivals=rivals
        )
        is_behind = money_call.call.inherited or money_call.call.fenced_at is not None
        is_asked_for = evidence.needs_balance or is_behind
        if look.all and _is_absent(money_call.finding) and is_asked_for:
            evidence = attrs.evolve(evidence, balanced=await self._is_balanced(money_call, look, deadline))
        move = decide(RULES[money_call.pending.operation], evidence)
        _explain(money_call, move, evidence)
        proof = Proof.REFUSED if move is Move.REFUSED else evidence.absence
        is_absent = evidence.whole and _is_absent(evidence.finding)
        return Verdict(move, _facts_of(facts, money_call, evidence, proof), is_absent and _fits(evidence))

    async def _found(self, money_call: MoneyCall, charges: Sequence[Charge]) -> tuple[Finding, int]:
        """The entries that may be a call's, and how many calls of other processes they may be of as well."""
        money_call.widen(self.clock.monotonic(), self.clock.now())
        finding = self._find(money_call, charges)
        if self.rivals is None:
            return finding, 0
        taken = await self.rivals.taken(money_call, finding)
        if taken:
            finding = self._find(money_call, [charge for charge in charges if charge.id not in taken])
        return finding, await self.rivals.rivals(money_call, finding)

    def _weigh(
        self,
        money_call: MoneyCall,
        look: Look,
        finding: Finding,
        *,
        began: float,
        can_repeat: bool,
        rivals: int,
    ) -> Evidence:
        money_call.finding = finding
        money_call.absences = 0 if money_call.finding.certain else money_call.absences + 1
        fence = money_call.fenced()
        # a recognisable entry may be that of any call of another process which looks alike
        confusable = not finding.certain and rivals > 0
        if not confusable:
            confusable = self.registry.is_confusable(money_call, of_any_kind=finding.is_of_any_kind)
        return Evidence(
            finding=money_call.finding,
            sends=money_call.deliveries + self.registry.surplus_beside(money_call),
            absences=money_call.absences,
            quiet=money_call.quiet,
            window=self.settings.settle_window,
            lag=self.settings.list_lag,
            fenced=None if fence is None else began - fence,
            whole=look.whole and _shows_what_was_there(money_call.pending, look),
            rivals=self.registry.rivals(money_call) + rivals,
            confusable=confusable,
            repeatable=can_repeat and money_call.repeatable,
            told=money_call.charge is not None,
            refused=money_call.is_refused,
            repeat_refused=money_call.repeat_refused,
            gone=money_call.call.fenced_at is not None,
            answered=money_call.pending.answered,
            patience=self.patience(money_call),
            marked=money_call.pending.reference is not None,
        )

    def _has_time(self, money_call: MoneyCall, deadline: Deadline) -> bool:
        """True when a declined request could be sent again before the deadline."""
        return (self.patience(money_call) or 0.0) - money_call.quiet < deadline.left()

    def patience(self, money_call: MoneyCall) -> float | None:
        """Seconds to wait before a declined request is sent again; None for one that is never."""
        patience = money_call.patience
        if patience is None or RULES[money_call.pending.operation].repeat_early:
            return patience
        return max(patience, self.settings.list_lag)  # by then the list shows what the first delivery did

    def _find(self, money_call: MoneyCall, charges: Iterable[Charge]) -> Finding:
        pending_id = money_call.pending.id
        free = [charge for charge in charges if not self.registry.is_taken(charge.id, pending_id)]
        finding = find(money_call.pending, free, self.lessons)
        told = money_call.charge
        if told is None:
            return finding
        # the charge that the caller got comes first, whether the list shows it yet or not
        others = [charge for charge in finding.certain if charge.id != told.id]
        return Finding(
            certain=(told, *others),
            recognised=tuple(charge for charge in finding.recognised if charge.id != told.id),
            unclear=tuple(charge for charge in finding.unclear if charge.id != told.id),
            misfits=finding.misfits,
        )

    async def _is_balanced(self, money_call: MoneyCall, look: Look, deadline: Deadline) -> bool | None:
        """Tell whether charges and balance of the voucher add up; None where they cannot be compared."""
        if self.lessons.wrong_amounts or _is_smaller_than_its_refund(money_call.pending, look.charges):
            return None
        try:
            voucher = await find_voucher(self.sender, money_call.pending, deadline)
        except MissingScope:
            return None
        if voucher is None or voucher.is_copy:
            return False
        fenced_at, voucher_id = money_call.call.fenced_at, money_call.pending.voucher_id or ""
        # money is asked for behind a fence: a balance cached a second ago may lack the last charge
        is_new = self.looking.is_new(voucher_id, voucher)
        if not is_new or (fenced_at is not None and not self.looking.is_after(fenced_at, voucher)):
            return False
        return adds_up(voucher.value, look.charges)

    async def _look_for_voucher(self, money_call: MoneyCall, facts: Facts, deadline: Deadline) -> Verdict:
        pending = money_call.pending
        facts = facts._replace(proof=Proof.NO_VOUCHER)
        request = voucher_request(pending)
        try:
            answer = await self.sender.send(request, deadline)
        except NotFound as error:
            if not is_missing(error):
                raise
            if self.looking.is_absent_now(request.path, error):
                return Verdict(Move.NOT_DONE, facts)  # the machine checks that the window is over
            money_call.reason = "that its voucher is not there may be a copy of an older answer"
            return Verdict(Move.WAIT, facts)
        voucher = answer.value
        is_ours = is_what_was_asked(voucher, pending)
        is_older = pending.since is not None and voucher.created_at < pending.since
        if is_ours and not is_older:
            return Verdict(Move.DONE, facts._replace(charge=voucher.id))
        if not is_ours and (is_older or pending.sent_at is None) and not pending.answered:
            return Verdict(Move.NOT_DONE, facts._replace(proof=Proof.OTHER_VOUCHER))
        money_call.reason = "the voucher with this id was there before, or is not quite what was asked for"
        return Verdict(Move.OPEN, facts._replace(proof=Proof.OTHER_VOUCHER))


def event_of(move: Move, call: Call) -> Event | None:
    """The event in the life of a call that a step after a look is; None for none."""
    if move is Move.REPEAT:
        return Event.REPEATING if call.operation.once else Event.CLEARED
    return _EVENTS.get(move)


def _facts_of(facts: Facts, money_call: MoneyCall, evidence: Evidence, proof: Proof | None) -> Facts:
    found = evidence.finding
    return facts._replace(
        charge=found.ours[0].id if found.ours else None,
        proof=proof or (Proof.REFUSED if money_call.is_refused else None),
        is_balanced=evidence.balanced is True,
        rivals=evidence.rivals if found.certain else int(evidence.confusable),
        expired_at=money_call.fence(),
    )


def _failed(money_call: MoneyCall, error: VoucherError, facts: Facts) -> Verdict:
    money_call.reason = f"looking for it failed ({brief(error)})"
    is_final = money_call.is_refused and isinstance(error, _FINAL)
    money_call.hopeless = is_final or isinstance(error, (MissingScope, ConfigurationError))
    return Verdict(Move.WAIT, facts)


def _nowhere(money_call: MoneyCall, facts: Facts) -> Verdict:
    """The step for a call that was refused as not found: its voucher is not there, and has no charges."""
    money_call.absences += 1
    money_call.reason = "its voucher is not there"
    move = Move.REFUSED if money_call.absences >= LOOKS else Move.WAIT
    return Verdict(move, facts._replace(proof=Proof.REFUSED, is_balanced=True))


def _is_nowhere(money_call: MoneyCall, error: VoucherError) -> bool:
    """True when the voucher of a refused call has never been there, by the API's own word each time."""
    is_unseen = money_call.pending.reservation_id is None and money_call.pending.charge_id is None
    is_said = is_missing(money_call.refusal) and is_missing(error)
    return is_said and is_unseen and money_call.pending.known is None and money_call.is_refused


def _shows_what_was_there(pending: PendingOutcome, look: Look) -> bool:
    """True when a list shows what is known to have been there before: else it is older than that."""
    before = {*(pending.known or ()), *filter(None, (pending.charge_id,))}
    return not look.all or before <= {charge.id for charge in look.charges}


def _is_smaller_than_its_refund(pending: PendingOutcome, charges: Iterable[Charge]) -> bool:
    """True when the amounts shown cannot be right: the charge is smaller than what is taken back of it."""
    wanted = pending.amount or 0
    return any(charge.id == pending.charge_id and charge.amount.copy_abs() < wanted for charge in charges)


def _is_absent(finding: Finding) -> bool:
    return not (finding.certain or finding.recognised or finding.unclear)


def _fits(evidence: Evidence) -> bool:
    return not evidence.finding.misfits or evidence.balanced is True


def _explain(money_call: MoneyCall, move: Move, evidence: Evidence) -> None:
    """Note the reason why it is still open."""
    finding = money_call.finding
    if move is Move.OPEN or finding.recognised or finding.unclear:
        money_call.reason = "what was found may belong to another call"
        if len(finding.certain) > evidence.sends:
            money_call.reason = "more was found than was sent: another call's, or delivered twice on the way"
    elif move is Move.WAIT:
        found = "what was found may belong to an equal call beside it"
        money_call.reason = found if finding.certain else _reason_of_absence(evidence)


def _reason_of_absence(evidence: Evidence) -> str:
    if evidence.answered:
        return "the answer says that something was done, and the list does not show it"
    if not evidence.whole:
        return "the list may be a copy, or incomplete"
    if evidence.balanced is False or (evidence.finding.misfits and not evidence.balanced):
        return "the voucher's balance does not fit its charges"
    return "it may still be on its way"
