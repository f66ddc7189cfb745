"""The judge of a storm: what callers were told, against the server's ledger. Pure: no I/O, no clock."""

from __future__ import annotations

import collections
import enum
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import TypeAlias

import attrs

from tests.chaos.index import REFUND, Index, Said, Slot, slot_of, slot_of_intent
from tests.chaos.payments import Payment, may_stay_open, open_at_last, open_of, payments_of, wrong_words
from tests.chaos.records import CANCELLED, CRASHED, DONE, NOT_DONE, UNKNOWN, Entry, Intent, Record
from tests.chaos.shares import Share, shares_of
from tests.chaos.turns import Turns

_STILL_RUNNING = "StillRunning"


class Kind(enum.StrEnum):
    """What can be wrong."""

    TWICE = "charged twice, net of reported refunds"
    DENIED = "told not done, but it was done"
    INVENTED = "told done, but it was not done"
    OPEN = "open outcome not settled to the truth"
    CANCELLED = "cancelled call whose hook's word is not the truth"
    KILLED = "saved outcome of a killed worker not settled to the truth"
    UNPROVED = "told not done without a proof"
    UNREPORTED = "refund by the SDK not reported as it was"
    UNANNOUNCED = "money moved that no intent had announced"
    CRASHED = "a call that raised what it must not raise"


@attrs.frozen
class Violation:
    """Something that is wrong."""

    kind: Kind
    call: str
    text: str


@attrs.frozen(kw_only=True)
class Verdict:
    """What the judge found.

    Attributes:
        violations: all that is wrong.
        told: how many calls were told what.
        killed: how many calls were cut off by the end of their process.
        doubted: how many calls had a request in doubt, those of killed workers left aside.
        automatic: how many of these were settled in the call or in the background, without being asked to.
        surplus: how many charges were made once too often, and called so.
        taken_back: how many of these were refunded.
        left_open: how many calls stayed open for good, which a habit of the server excuses, or a lie.
        lied_to: how many of these got an answer of 2xx, although nothing was done.
        twins: how many recharges and refunds a proxy itself has carried out once more behind a good answer.
        hidden_twins: how many it has behind another answer, or none.
        shares: what came of the calls of each habit.
        stay_open: the calls that stayed open for good; the payments, where more than one call asked.
    """

    violations: tuple[Violation, ...]
    told: dict[str, int]
    killed: int
    doubted: int
    automatic: int
    surplus: int
    taken_back: int
    left_open: int
    lied_to: int
    twins: int
    hidden_twins: int
    shares: tuple[Share, ...]
    stay_open: frozenset[str]

    @property
    def share(self) -> float:
        """The share of the calls in doubt that was settled automatically."""
        return self.automatic / self.doubted if self.doubted else 1.0

    def count(self, kind: Kind) -> int:
        """How many violations there are of a kind."""
        return sum(violation.kind is kind for violation in self.violations)


def judge(records: Iterable[Record], entries: Sequence[Entry], turns: Turns | None = None) -> Verdict:
    """Compare what was told with what happened.

    Args:
        records: of all workers, in any order.
        entries: the server's ledger, oldest first.
        turns: which habits the server had, and when; none by default.
    """
    index = Index(records, entries, turns or Turns())
    taken_back = index.taken_back
    payments = payments_of(index)
    often = {began.call for payment in payments for began in payment.began}
    statements = _statements(index, often)
    checks = (_crashes(index), _told_done(index, taken_back), _slots(index, statements), _unproved(index))
    more = (
        _twice(index, taken_back),
        _unannounced(index),
        _unnamed(index, often),
        _left_open(index, payments),
    )
    wrong = _asked_often(index, payments, taken_back)
    violations = tuple(violation for check in (*checks, *more, wrong) for violation in check)
    stay_open = {each.call for slot in statements.values() for each in slot if not each.said}
    stay_open |= open_of(index, payments)
    lied_to = {each.call for slot in statements.values() for each in slot if not each.said and each.lied_to}
    doubted = {call for call in index.doubts if call in index.told} - lied_to
    twins = [entry.told_well for entry in entries if entry.twin_of]
    return Verdict(
        violations=violations,
        told=dict(collections.Counter(told.what for told in index.told.values())),
        killed=sum(call not in index.told for call in index.began),
        doubted=len(doubted),
        automatic=len(doubted & _settled_by_themselves(index)),
        surplus=len(index.surplus),
        taken_back=len(index.surplus & taken_back),
        left_open=len(stay_open),
        lied_to=len(lied_to),
        twins=sum(twins),
        hidden_twins=len(twins) - sum(twins),
        shares=shares_of(index, stay_open, lied_to, [violation.call for violation in violations]),
        stay_open=frozenset(stay_open),
    )


def _settled_by_themselves(index: Index) -> set[str]:
    """The calls of which the caller, or a hook, was told the end of every request without asking."""
    open_ones: set[str] = set()
    for intent in index.intents.values():
        told = index.told.get(intent.call)
        is_told = told is not None and told.what in {DONE, NOT_DONE} and not index.is_own_refund(intent)
        by_hook = intent.pending in index.heard
        back = index.is_own_refund(intent) and intent.charge in index.reported_back
        is_clear = by_hook or (is_told and intent.pending not in index.given_up)
        if not (is_clear or back or _told_of_voucher(index, intent)):
            open_ones.add(intent.call)
    return set(index.told) - open_ones


def _told_of_voucher(index: Index, intent: Intent) -> bool:
    told = index.told.get(intent.call)
    outcomes = told.outcomes if told else ()
    return any(o.voucher == intent.voucher and (o.charge or not o.pending) for o in outcomes)


def _crashes(index: Index) -> Iterator[Violation]:
    for told in index.told.values():
        if told.what == CRASHED:
            yield Violation(Kind.CRASHED, told.call, told.error)


def _told_done(index: Index, taken_back: set[str]) -> Iterator[Violation]:
    """Who was told that it is done finds it in the ledger, as asked for, and for himself alone."""
    owners: dict[str, str] = {}
    for told in index.told.values():
        if told.what != DONE:
            continue
        began = index.began[told.call]
        if len(told.charges) != len(began.things):
            yield Violation(Kind.INVENTED, told.call, f"{len(told.charges)} of {len(began.things)} charges")
        for charge_id, thing, amount in zip(told.charges, began.things, began.amounts, strict=False):
            entry = index.entries.get(charge_id)
            if entry is None:
                yield Violation(Kind.INVENTED, told.call, f"{charge_id} is not in the ledger")
                continue
            asked = (thing, amount, began.order)
            made = (entry.refund_of or entry.voucher, entry.amount, entry.order)
            if made != asked:
                yield Violation(Kind.INVENTED, told.call, f"{charge_id} is {made}, asked for was {asked}")
            if charge_id in taken_back:
                yield Violation(Kind.INVENTED, told.call, f"{charge_id} was refunded by the SDK")
            if owners.setdefault(charge_id, began.payment) != began.payment:
                yield Violation(Kind.INVENTED, told.call, f"{charge_id} is that of {owners[charge_id]}, too")


def _twice(index: Index, taken_back: set[str]) -> Iterator[Violation]:
    """By the orders and the ledger alone: what was asked for once was done once at most."""
    asked: dict[tuple[str, str, str, str], set[str]] = collections.defaultdict(set)
    for began in index.began.values():
        kind = "recharge" if began.kind == "recharge" else "charge"
        for thing, amount in zip(began.things, began.amounts, strict=True):
            asked[kind, began.order, thing, amount].add(began.payment)
    named = {id for told in index.told.values() for id in told.charges}
    made: dict[tuple[str, str, str, str], list[str]] = collections.defaultdict(list)
    for entry in index.entries.values():
        if entry.kind != "refund" and entry.id not in taken_back:
            made[entry.kind, entry.order, entry.voucher, entry.amount].append(entry.id)
    for key, all_ids in made.items():
        payments = asked[key]
        # The effects of a proxy's copies of one request the SDK can neither prevent nor, for a recharge, take
        # back: they are counted apart. The effects of two requests count here, whoever delivered them.
        ids = list(index.once(all_ids, named))
        if not payments:
            yield Violation(Kind.UNANNOUNCED, "", f"{ids} of {key}: nobody asked for it")
        elif len(ids) > len(payments):
            yield Violation(Kind.TWICE, min(payments), f"{ids} of {key}")


def _unannounced(index: Index) -> Iterator[Violation]:
    for slot, entries in index.in_slot.items():
        if slot not in index.intents_in:
            yield Violation(Kind.UNANNOUNCED, "", f"{[entry.id for entry in entries]} of {slot}")


def _unnamed(index: Index, often: Container[str]) -> Iterator[Violation]:
    for told in index.told.values():
        is_elsewhere = told.call in often or any(pending in index.refused for pending in told.pendings)
        if told.error == _STILL_RUNNING and is_elsewhere:
            continue  # another caller's call, or the worker that took it over, may not have sent anything yet
        for pending in told.pendings:
            if told.call in often and index.is_settled(pending):
                continue  # in doubt since an earlier call with its key; this call sent nothing
            if pending not in index.intents:
                yield Violation(Kind.UNANNOUNCED, told.call, f"{pending} is open, and no intent was told")


def _unproved(index: Index) -> Iterator[Violation]:
    """Who was told that it was not done, although it may have been sent, was told why."""
    sent: dict[str, set[str]] = collections.defaultdict(set)
    for intent in index.intents.values():
        if not index.is_own_refund(intent):
            sent[intent.call].add(intent.voucher)
    for told in index.told.values():
        vouchers = sent.get(told.call, set())
        denied = [o for o in told.outcomes if o.state == "not charged" and o.voucher in vouchers]
        is_denied = told.what == NOT_DONE and vouchers and not told.outcomes and not told.proof
        if is_denied or not all(outcome.proof for outcome in denied):
            yield Violation(Kind.UNPROVED, told.call, f"{told.error} says not done, and has no proof")
    for settled in index.settled:
        if settled.state == NOT_DONE and not settled.proof:
            call = index.intents[settled.pending].call if settled.pending in index.intents else ""
            yield Violation(Kind.UNPROVED, call, f"{settled.pending} was settled as not done without a proof")


def _left_open(index: Index, payments: Sequence[Payment]) -> Iterator[Violation]:
    for pending in index.left_open:
        intent = index.intents.get(pending)
        is_excused = intent is not None and (index.habits_at(intent) or index.is_lied_to(intent))
        if not (is_excused or may_stay_open(index, payments, pending)):
            call = intent.call if intent else ""
            yield Violation(Kind.OPEN, call, f"{pending} was open when the client was closed")


@attrs.frozen(kw_only=True)
class _Statement:
    """What was said of one request in the end, and what it is called when that is wrong."""

    call: str
    blame: Kind
    said: frozenset[Said]
    lied_to: bool = False
    is_touched: bool = False


_Statements: TypeAlias = dict[Slot, list[_Statement]]


def _asked_often(index: Index, payments: Sequence[Payment], taken_back: set[str]) -> Iterator[Violation]:
    for wrong in wrong_words(index, payments, taken_back):
        yield Violation(Kind.DENIED if wrong.denied else Kind.INVENTED, wrong.call, wrong.text)
    for wrong in open_at_last(index, payments):
        yield Violation(Kind.OPEN, wrong.call, wrong.text)


def _statements(index: Index, often: Container[str]) -> _Statements:
    """All that was said in the end, by where it belongs in the ledger.

    Args:
        index: of the records.
        often: the calls that share a payment with others: what those were told is judged together.
    """
    found: _Statements = {}
    for slot, intents in index.intents_in.items():
        if any(intent.call in often and not index.is_own_refund(intent) for intent in intents):
            continue
        own = [intent for intent in intents if index.is_own_refund(intent)]
        found[slot] = [_statement(index, intent) for intent in intents if not index.is_own_refund(intent)]
        if own:
            found[slot].append(_of_own_refunds(index, own))
    return found


def _slots(index: Index, statements: _Statements) -> Iterator[Violation]:
    for slot, said in statements.items():
        yield from _match(index, slot, said)


def _is_excused(statement: _Statement) -> bool:
    """Whether a call may stay open for good: "what cannot be told stays open, and is never guessed".

    A habit under which nothing can be told has touched it; or its answer was a success, and a success is
    never told "not done", but the server has done nothing: a refusal behind a page of HTML with status 200.
    How many stay open is counted by habit, and has a limit of its own. What was said, of whatever call and
    under whatever habit, has to be the truth.
    """
    return not statement.said and (statement.lied_to or statement.is_touched)


def _blame(index: Index, call: str) -> Kind:
    told = index.told.get(call)
    if told is None:
        return Kind.KILLED
    return {UNKNOWN: Kind.OPEN, CANCELLED: Kind.CANCELLED, DONE: Kind.INVENTED}.get(told.what, Kind.DENIED)


def _statement(index: Index, intent: Intent) -> _Statement:
    """What the caller, or in his absence the hooks and settlements, said of a request."""
    told = index.told.get(intent.call)
    blame = _blame(index, intent.call)
    said = index.said(intent)
    if told is not None and told.what == DONE:
        ids = [id for id in told.charges if _is_in(index, id, intent)]
        said = said | {Said(DONE, id) for id in ids} if ids else said | {Said(NOT_DONE)}
    elif told is not None and told.outcomes:
        outcome = next((o for o in told.outcomes if o.voucher == intent.voucher), None)
        if outcome is None or outcome.state == "not charged":
            said = said | {Said(NOT_DONE)}
        elif outcome.charge:
            said = said | {Said(DONE, outcome.charge)}
    elif told is not None and told.what == NOT_DONE:
        said = said | {Said(NOT_DONE)}
    lied_to, is_touched = index.is_lied_to(intent), bool(index.habits_at(intent))
    return _Statement(
        call=intent.call, blame=blame, said=frozenset(said), lied_to=lied_to, is_touched=is_touched
    )


def _is_in(index: Index, charge_id: str, intent: Intent) -> bool:
    entry = index.entries.get(charge_id)
    return entry is not None and slot_of(entry) == slot_of_intent(intent)


def _of_own_refunds(index: Index, intents: Sequence[Intent]) -> _Statement:
    """A refund may have been tried more than once: what counts is whether it was said to have worked."""
    intent = intents[-1]
    blame = _blame(index, intent.call)
    if blame in {Kind.INVENTED, Kind.DENIED}:
        blame = Kind.UNREPORTED
    back = index.reported_back.get(intent.charge)
    said = frozenset() if back is None else frozenset({Said(DONE if back else NOT_DONE)})
    lied_to = any(index.is_lied_to(each) for each in intents)
    is_touched = any(index.habits_at(each) for each in intents)
    return _Statement(call=intent.call, blame=blame, said=said, lied_to=lied_to, is_touched=is_touched)


def _match(index: Index, slot: Slot, statements: Sequence[_Statement]) -> Iterator[Violation]:
    """What was said to be done is there, and what is there was said to be done."""
    named = {said.charge for statement in statements for said in statement.said}
    ids = (entry.id for entry in index.in_slot.get(slot, ()) if entry.id not in index.surplus)
    left = list(index.once(ids, named))
    nots: list[_Statement] = []
    somes: list[_Statement] = []
    opens = 0
    for statement in statements:
        if _is_excused(statement):
            opens += 1
            continue
        if len(statement.said) != 1:
            words = sorted((said.what, said.charge) for said in statement.said)
            yield Violation(statement.blame, statement.call, f"said of {slot}: {words or 'nothing'}")
            left = [id for id in left if id not in {charge for _, charge in words}]
            continue
        (said,) = statement.said
        if said.what == NOT_DONE:
            nots.append(statement)
        elif not said.charge:
            somes.append(statement)
        elif said.charge in left:
            left.remove(said.charge)
        else:
            yield Violation(statement.blame, statement.call, f"{said.charge} is not in {slot}")
    for statement in somes:
        if left:
            left.pop()
        else:
            yield Violation(statement.blame, statement.call, f"nothing is in {slot}")
    # an open call may have an effect or not, and equal refunds cannot be told apart
    yield from _left_over(slot, left[opens:], nots)


def _left_over(slot: Slot, left: Sequence[str], nots: Sequence[_Statement]) -> Iterator[Violation]:
    for number, charge_id in enumerate(left):
        if number < len(nots):
            statement = nots[number]
            yield Violation(statement.blame, statement.call, f"{charge_id} of {slot} was said not to be")
        elif slot[0] == REFUND:
            yield Violation(Kind.TWICE, "", f"{charge_id} of {slot}: nobody was told")
