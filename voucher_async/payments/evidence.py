"""The evidence of a voucher's charges on a money call whose outcome is in doubt: pure, no waiting, no I/O.

Theory of operation. A money call (charge, refund, recharge) leaves an entry in its voucher's list of charges.

* An entry that is equal in voucher, kind, amount, order number, client and time, and owned by no other call,
  proves that the call was carried out. So does one that carries the call's reference, whatever looks alike
  and whatever its client and time; one that carries another reference is not ours.
* An entry that differs in something which servers rewrite is *unclear*: never ours for certain, never absent.
* Absence is proved by a list alone that is fresh, complete and unfiltered, and read late enough: past the
  settle window, or `list_lag` past a fence. A fence is whatever makes the server refuse each request that may
  still be under way: the end of its reservation, or a newer one.
* A refusal stands when two looks find nothing and the balance agrees with the list; where it does not, or may
  not be read, the list may lag behind a delivery that was carried out: its lag is waited out.
* While its reservation lives, a charge may be sent again: it is carried out once. An accepted repeat is ours;
  after a refused one, the one entry that is recognisably ours is.
* An answer of 2xx proves that something was carried out: from then on absence proves nothing, and the one
  entry that is recognisably ours is what it was.
"""

from __future__ import annotations

import datetime as dt
import enum
from typing import TYPE_CHECKING, Final

import attrs

from voucher_async.errors import Proof
from voucher_async.models import Charge, ChargeType
from voucher_async.operations import CHARGE_RESERVATION, CREATE_VOUCHER, RECHARGE_VOUCHER, REFUND_CHARGE
from voucher_async.payments.attribution import Mark, likeness_of, mark_of
from voucher_async.payments.likeness import Likeness

if TYPE_CHECKING:
    from collections.abc import Iterable

    from voucher_async.outcomes import PendingOutcome
    from voucher_async.payments.lessons import Lessons

__all__ = [
    "KINDS",
    "LOOKS",
    "RULES",
    "Evidence",
    "Finding",
    "Move",
    "Rule",
    "decide",
    "find",
    "obstacle",
]

LOOKS: Final = 2  # looks without an entry before absence is concluded
_SKEW: Final = dt.timedelta(seconds=3)  # the clocks of one server's machines differ by no more
_NO_TIME: Final = dt.timedelta()
_FAR: Final = dt.timedelta(days=1)  # no difference of clocks explains more


class Move(enum.Enum):
    """The step that follows a look."""

    DONE = "it was carried out"
    NOT_DONE = "it was not carried out, and will not be"
    REFUSED = "its delivery was refused, and no other is to be seen"
    REPEAT = "send the request again"
    WAIT = "look again later"
    OPEN = "it cannot be told"


@attrs.frozen(kw_only=True)
class Rule:
    """The rule by which one operation is settled.

    Attributes:
        kind: what it leaves in the list of charges.
        by_order: its order number is known for sure.
        needs_known: entries that look alike are told apart by the ids that were there before alone.
        repeat_early: it may be sent again before it is certain that the first request is lost, because the
            server carries it out once (a reservation can be charged once).
        take_back: what was carried out once too often is refunded.
    """

    kind: ChargeType
    by_order: bool
    needs_known: bool
    repeat_early: bool
    take_back: bool


RULES: Final[dict[str, Rule]] = {
    # A reservation can be charged once, so asking again is safe as long as it lives, and saves the sale.
    # Should a server charge it twice all the same, counting finds the surplus and a refund takes it back.
    CHARGE_RESERVATION.id: Rule(
        kind=ChargeType.CHARGE, by_order=True, needs_known=False, repeat_early=True, take_back=True
    ),
    # Two equal partial refunds look alike, and the server takes both: only the ids read before the request
    # tell them apart, and it is sent again only when the first one is certainly lost. That a refund carries
    # the order number of its charge is an assumption: one that does not may be ours, or not.
    REFUND_CHARGE.id: Rule(
        kind=ChargeType.REFUND, by_order=False, needs_known=True, repeat_early=False, take_back=False
    ),
    # The same for recharges, whose order number is the call's own.
    RECHARGE_VOUCHER.id: Rule(
        kind=ChargeType.RECHARGE, by_order=True, needs_known=True, repeat_early=False, take_back=False
    ),
}
KINDS: Final = frozenset(rule.kind for rule in RULES.values())


def obstacle(pending: PendingOutcome) -> str | None:
    """The reason why an outcome can never be settled by looking; None when it can."""
    if pending.operation not in RULES and pending.operation != CREATE_VOUCHER.id:
        return f"{pending.operation} leaves nothing that could be looked at"
    if pending.voucher_id is None:
        return "the voucher's id is not known, so it cannot be read"
    if pending.amount is None:
        return "the amount is not known, so its charge cannot be told from others"
    return None


@attrs.frozen(kw_only=True)
class Finding:
    """The entries of a voucher's list of charges that have to do with a call.

    Attributes:
        certain: what can only be the effect of the requests that were sent, the oldest first.
        recognised: what is recognisably ours, and rewritten.
        unclear: what may be ours, or somebody else's.
        misfits: what is ours but for its amount; not ours if the balance agrees with it.
    """

    certain: tuple[Charge, ...] = ()
    recognised: tuple[Charge, ...] = ()
    unclear: tuple[Charge, ...] = ()
    misfits: tuple[Charge, ...] = attrs.field(default=(), eq=False)  # excluded: a misfit alone proves nothing

    @property
    def ours(self) -> tuple[Charge, ...]:
        """The entries that are ours: the certain ones; where there is none, the recognised ones."""
        return self.certain or self.recognised

    @property
    def is_of_any_kind(self) -> bool:
        """True when a recognised entry does not show whether it is a charge, a refund or a recharge."""
        return any(charge.type not in KINDS for charge in self.recognised)


class _Weight(enum.IntEnum):
    """The weight with which an entry, or one of its properties, speaks for being ours."""

    NOT_OURS = 0
    UNCLEAR = 1
    RECOGNISED = 2
    CERTAIN = 3


def find(pending: PendingOutcome, charges: Iterable[Charge], lessons: Lessons) -> Finding:
    """Pick out of a voucher's charges what the request may have left.

    Args:
        pending: the open outcome.
        charges: the voucher's charges, refunds and recharges, but for those that belong to other calls.
        lessons: what normal answers have shown.
    """
    rule = RULES[pending.operation]
    found: dict[_Weight, list[Charge]] = {weight: [] for weight in _Weight}
    for charge in charges:
        found[_weigh(pending, rule, charge, lessons)].append(charge)
    others = [charge for charge in found[_Weight.NOT_OURS] if charge.amount != pending.amount]
    certain = sorted(found[_Weight.CERTAIN], key=lambda charge: (charge.created_at, charge.id))
    return Finding(
        certain=tuple(certain),
        recognised=tuple(found[_Weight.RECOGNISED]),
        unclear=tuple(found[_Weight.UNCLEAR]),
        misfits=tuple(other for other in others if _is_misfit(pending, rule, other, lessons)),
    )


def _is_misfit(pending: PendingOutcome, rule: Rule, charge: Charge, lessons: Lessons) -> bool:
    if pending.amount is None or likeness_of(pending, charge.order_number) is Likeness.OTHER:
        return False
    alike = attrs.evolve(charge, amount=pending.amount)
    return _weigh(pending, rule, alike, lessons) is not _Weight.NOT_OURS


def _weigh(pending: PendingOutcome, rule: Rule, charge: Charge, lessons: Lessons) -> _Weight:
    """The weight of an entry is that of its weakest property."""
    if pending.known is not None and charge.id in pending.known:
        return _Weight.NOT_OURS
    mark = mark_of(pending, charge.order_number)
    if mark is Mark.ANOTHERS:
        return _Weight.NOT_OURS
    if mark is Mark.OURS:
        return _of_marked(pending, rule, charge)
    likeness = likeness_of(pending, charge.order_number)
    weight = min(
        _of_kind(rule, charge),
        _of_amount(pending, charge),
        _of_order(pending, likeness, lessons),
        _of_client(pending, charge, lessons),
        _of_time(pending, charge, lessons),
        _of_voucher(pending, charge),
    )
    if rule.needs_known and not (pending.known is not None and pending.known_whole):
        return min(weight, _Weight.UNCLEAR)
    return weight


def _of_marked(pending: PendingOutcome, rule: Rule, charge: Charge) -> _Weight:
    """The weight of an entry that carries the call's reference: of another kind it is that of its refund."""
    amount = _Weight.CERTAIN if charge.amount == pending.amount else _Weight.RECOGNISED
    return min(_of_kind(rule, charge), amount, _of_voucher(pending, charge))


def _of_voucher(pending: PendingOutcome, charge: Charge) -> _Weight:
    return _Weight.CERTAIN if charge.voucher_id == pending.voucher_id else _Weight.RECOGNISED


def _of_kind(rule: Rule, charge: Charge) -> _Weight:
    if charge.type == rule.kind:
        return _Weight.CERTAIN
    return _Weight.NOT_OURS if charge.type in KINDS else _Weight.RECOGNISED


def _of_amount(pending: PendingOutcome, charge: Charge) -> _Weight:
    if charge.amount == pending.amount:
        return _Weight.CERTAIN
    # some lists show charges as negative amounts; with no other difference the entry is recognisable
    is_signed = charge.amount.copy_abs() == pending.amount
    return _Weight.RECOGNISED if is_signed else _Weight.NOT_OURS


def _of_order(pending: PendingOutcome, likeness: Likeness, lessons: Lessons) -> _Weight:
    if likeness is Likeness.EQUAL:
        return _Weight.CERTAIN
    if likeness is Likeness.RECOGNISABLE and pending.order_number is not None:
        return _Weight.RECOGNISED
    return _Weight.NOT_OURS if likeness is Likeness.OTHER and lessons.echoes(pending) else _Weight.UNCLEAR


def _of_client(pending: PendingOutcome, charge: Charge, lessons: Lessons) -> _Weight:
    """The weight of a client id: servers show that of a queue's worker, or of the charge refunded."""
    # an outcome without a client cannot be compared with the clients that answers have shown
    is_ours = pending.client_id is not None or pending.reserved_by is not None
    seen = (lessons.clients.get(pending.operation) or set()) if is_ours else set[str | None]()
    expected = pending.reserved_by or pending.client_id
    if charge.client_id in seen or (not seen and (expected is None or charge.client_id == expected)):
        return _Weight.CERTAIN
    if charge.client_id is None:
        return _Weight.UNCLEAR if seen else _Weight.CERTAIN
    # Where answers have shown this client's id alone, an entry of another order is another client's. One of
    # this order may be the first that shows the id of a server's queue worker, and a false "not done" is
    # worse.
    is_ours_alone = seen == {expected} and pending.operation == CHARGE_RESERVATION.id
    is_of_order = likeness_of(pending, charge.order_number) is Likeness.EQUAL
    return _Weight.NOT_OURS if is_ours_alone and not is_of_order else _Weight.UNCLEAR


def _of_time(pending: PendingOutcome, charge: Charge, lessons: Lessons) -> _Weight:
    """The weight of a timestamp, by the server's own clocks alone.

    Where the ids that were there before are known, no entry is too early. A timestamp that is off, and not as
    those of normal answers were, may be another call's: it is never ours, and never absent.
    """
    late, early = _lateness(pending, charge, lessons), _earliness(pending, charge, lessons)
    if max(late, early) > _FAR:
        return _Weight.NOT_OURS
    if late > _NO_TIME or early > _SKEW:
        return _Weight.UNCLEAR
    return _Weight.RECOGNISED if early > _NO_TIME else _Weight.CERTAIN


def _lateness(pending: PendingOutcome, charge: Charge, lessons: Lessons) -> dt.timedelta:
    if pending.until is None:
        return _NO_TIME
    return charge.created_at - pending.until - lessons.shift(pending.operation)[1]


def _earliness(pending: PendingOutcome, charge: Charge, lessons: Lessons) -> dt.timedelta:
    if pending.since is None or pending.known is not None:
        return _NO_TIME
    since = pending.since
    if not charge.created_at.microsecond:  # a time in whole seconds stands for any moment of that second
        since = since.replace(microsecond=0)
    return since - charge.created_at + lessons.shift(pending.operation)[0]


@attrs.frozen(kw_only=True)
class Evidence:
    """The facts that are known when a look is over.

    Attributes:
        finding: what the look found.
        sends: how many requests may have been carried out.
        absences: how many looks in a row have found nothing since the last of them.
        quiet: seconds from the end of the last one to the beginning of the look.
        window: seconds within which a request is carried out and shows, if at all.
        lag: seconds within which what was carried out shows in lists.
        fenced: seconds from the fence to the beginning of the look; None where there is no fence.
        whole: the list was fresh, complete and unfiltered, so that what it does not show is not there.
        rivals: how many other calls of this client, open or under way, look the same.
        confusable: whether another call may be recognised in the same rewritten entry.
        repeatable: whether the request may be sent again.
        told: how many of what was found the caller was told, and so is nobody else's.
        refused: the only delivery so far was refused.
        repeat_refused: a repeat was refused, and nothing else than the call before explains it.
        gone: it was refused because the reservation is not there any more.
        answered: an answer of 2xx came.
        balanced: whether charges and balance add up; None where they cannot be compared, or need not.
        patience: seconds that have to pass before a request that was declined is sent again.
        marked: the call was sent with a reference: what was found for certain carries it.
    """

    finding: Finding
    sends: int
    absences: int
    quiet: float
    window: float
    lag: float
    fenced: float | None = None
    whole: bool = True
    rivals: int = 0
    confusable: bool = False
    repeatable: bool = False
    told: int = 0
    refused: bool = False
    repeat_refused: bool = False
    gone: bool = False
    answered: bool = False
    balanced: bool | None = None
    patience: float | None = None
    marked: bool = False

    @property
    def needs_balance(self) -> bool:
        """True when, with nothing found, the balance decides the word: it shows what a list may not yet."""
        refused = self.refused and self.absences >= LOOKS and self.quiet < self.lag
        return bool(self.finding.misfits) or refused or self.absence is Proof.REPEAT_REFUSED

    @property
    def absence(self) -> Proof | None:
        """The proof that the call was not carried out; None as long as there is none."""
        if self.answered or not self.whole or (self.finding.misfits and not self.balanced):
            return None  # the server may show amounts wrongly, and one of these may be this call's
        if self.repeat_refused:
            lost = self.quiet >= (self.lag if self.gone else self.window)
            return Proof.REPEAT_REFUSED if lost and self.balanced is not False else None
        if self.fenced is not None and self.fenced >= self.lag:
            return Proof.FENCED
        return Proof.ABSENT if self.quiet >= self.window else None


def decide(rule: Rule, evidence: Evidence) -> Move:
    """The step that follows a look.

    Args:
        rule: how the operation is settled.
        evidence: what is known.
    """
    found = evidence.finding.certain
    if len(found) > evidence.sends and not evidence.marked:
        return Move.OPEN  # some entries are another caller's, and no fact tells which
    if found:
        is_contended = evidence.rivals and len(found) > evidence.told
        return Move.WAIT if is_contended else Move.DONE  # once the rival has an entry, this is the call's
    if evidence.finding.recognised or evidence.finding.unclear:
        return _decide_unclear(rule, evidence)
    if evidence.refused and not evidence.answered and evidence.absences >= LOOKS:
        return _decide_refused(evidence)
    if _may_repeat(rule, evidence):
        return Move.REPEAT
    return Move.WAIT if evidence.absence is None else Move.NOT_DONE


def _decide_unclear(rule: Rule, evidence: Evidence) -> Move:
    if rule.repeat_early and evidence.repeatable and not evidence.answered:
        # accepted, the new charge is ours; refused, the recognisable entry is
        return Move.REPEAT if evidence.absences >= LOOKS else Move.WAIT
    is_done = evidence.repeat_refused or evidence.answered  # some effect exists: that one entry
    if is_done and len(evidence.finding.recognised) == 1 and not evidence.confusable:
        return Move.DONE
    return Move.WAIT if evidence.quiet < evidence.lag and not evidence.refused else Move.OPEN


def _decide_refused(evidence: Evidence) -> Move:
    """The only delivery was refused, and nothing is to be seen of another."""
    is_shown = evidence.quiet >= evidence.lag  # by now a list shows every effect
    if not evidence.whole or (evidence.finding.misfits and not evidence.balanced):
        return Move.OPEN if is_shown else Move.WAIT
    if evidence.patience is None or not evidence.repeatable:
        return Move.REFUSED if evidence.balanced or is_shown else Move.WAIT
    return Move.REPEAT if evidence.quiet >= evidence.patience else Move.WAIT


def _may_repeat(rule: Rule, evidence: Evidence) -> bool:
    if not evidence.repeatable or evidence.answered:
        return False
    if rule.repeat_early:
        return evidence.absences >= LOOKS
    return evidence.absence is not None
