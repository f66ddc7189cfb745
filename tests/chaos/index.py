"""The records of a storm beside the server's ledger, put in order for judging."""

from __future__ import annotations

import collections
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Final, TypeAlias

import attrs

from tests.chaos.records import (
    DONE,
    NOT_DONE,
    RECOVERED,
    Began,
    Doubt,
    Ended,
    Entry,
    Intent,
    Record,
    Refused,
    Settled,
    Told,
    Word,
)
from tests.chaos.turns import Turns

Slot: TypeAlias = tuple[str, ...]
"""What tells the effects of requests apart in the ledger: a charge by its reservation, a recharge by voucher,
order and amount, a refund by its charge and amount, which equal refunds share."""

CHARGE: Final = "chargeReservation"
RECHARGE: Final = "rechargeVoucher"
REFUND: Final = "refundCharge"


def slot_of(entry: Entry) -> Slot:
    """Where an entry of the ledger belongs."""
    if entry.kind == "charge":
        return (CHARGE, entry.reservation)
    if entry.kind == "recharge":
        return (RECHARGE, entry.voucher, entry.order, entry.amount)
    return (REFUND, entry.refund_of, entry.amount)


def slot_of_intent(intent: Intent) -> Slot:
    """Where the effect of a request belongs."""
    if intent.operation == CHARGE:
        return (CHARGE, intent.reservation)
    if intent.operation == RECHARGE:
        return (RECHARGE, intent.voucher, intent.order, intent.amount)
    return (REFUND, intent.charge, intent.amount)


@attrs.frozen
class Said:
    """What was said of a request: done, with the charge's id, or not done."""

    what: str
    charge: str = ""


# seconds after its last request in which the storm's faults may still carry out a call
_LATE: Final = 2.0


class Index:
    """Looks things up.

    Args:
        records: what callers and hooks were told, in any order.
        entries: the ledger.
        turns: which habits the server had, and when.
    """

    def __init__(self, records: Iterable[Record], entries: Sequence[Entry], turns: Turns) -> None:
        self._turns = turns
        self.entries = {entry.id: entry for entry in entries}
        self.began: dict[str, Began] = {}
        self.told: dict[str, Told] = {}
        self.intents: dict[str, Intent] = {}  # pending id -> its last intent
        self._targets: dict[tuple[str, str], Intent] = {}  # last intent by target, and by reservation
        self.words: list[Word] = []
        self.settled: list[Settled] = []
        self.doubts: set[str] = set()
        self.lost_charges: set[str] = set()  # ids of calls with a request for a charge in doubt
        self._sent: dict[str, tuple[float, float]] = {}  # call -> when hooks got its first and last intent
        self.left_open: list[str] = []
        self.refused: set[str] = set()  # ids of what somebody else had taken over, when its owner wrote
        for record in records:
            self._file(record)
        self.in_slot: dict[Slot, list[Entry]] = collections.defaultdict(list)
        for entry in entries:
            self.in_slot[slot_of(entry)].append(entry)
        self.intents_in: dict[Slot, list[Intent]] = collections.defaultdict(list)
        self._intents_of: dict[str, list[Intent]] = collections.defaultdict(list)
        for intent in self._targets.values():
            self.intents_in[slot_of_intent(intent)].append(intent)
            self._intents_of[intent.call].append(intent)
        self._said: dict[str, set[Said]] = collections.defaultdict(set)
        self.heard: set[str] = set()  # pending ids whose end a hook has got
        self.claimed: set[str] = set()  # ids of open calls whose 2xx says that they are done
        self.given_up: set[str] = set()  # pending ids that a hook has got as left open
        self.surplus: set[str] = set()  # ids of charges that were reported as a surplus
        self.reported_back: dict[str, bool] = {}  # charge id -> whether the SDK reported it as refunded
        self._refunded_at: dict[
            str, float
        ] = {}  # charge id -> when a hook was told of its refund, or its failure
        for word in sorted(self.words, key=lambda word: word.at):
            self._hear(word)
        for settled in self.settled:
            self._read(settled)
        for told in self.told.values():
            self._read_outcomes(told)
        for intent in self.intents.values():
            if self.is_own_refund(intent):
                self._follow_refund(intent)

    def _file(self, record: Record) -> None:
        match record:
            case Began():
                self.began[record.call] = record
            case Told():
                self.told[record.call] = record
            case Intent():
                self._file_intent(record)
            case Word():
                self.words.append(record)
            case Settled():
                self.settled.append(record)
            case Doubt():
                self.doubts.add(record.call)
                if record.operation == CHARGE:
                    self.lost_charges.add(record.call)
            case Ended():
                self.left_open.extend(record.open)
            case Refused():
                self.refused.add(record.owned)

    def _file_intent(self, intent: Intent) -> None:
        first, _ = self._sent.get(intent.call, (intent.at, intent.at))
        self._sent[intent.call] = first, intent.at
        known = self.intents.get(intent.pending)
        if known is None or known.at <= intent.at:
            self.intents[intent.pending] = intent
            self._targets[intent.pending, intent.reservation] = intent

    def _read_outcomes(self, told: Told) -> None:
        for outcome in told.outcomes:
            # another run of the checkout may have refunded since
            is_latest = told.at >= self._refunded_at.get(outcome.charge, told.at)
            if outcome.charge and outcome.state in {"refunded", "charged"} and is_latest:
                self.reported_back[outcome.charge] = outcome.state == "refunded"

    def _hear(self, word: Word) -> None:
        if word.what in {DONE, NOT_DONE, RECOVERED}:
            self.heard.add(word.pending)
            what = NOT_DONE if word.what == NOT_DONE else DONE
            self._said[word.pending].add(Said(what, word.charge))
        elif word.what == "left open":
            self.given_up.add(word.pending)
        elif word.what in {"refunded", "refund failed"}:
            self.reported_back[word.charge] = word.what == "refunded"
            self._refunded_at[word.charge] = word.at
            self._say_of_charge(word.charge, heard=True)
        elif word.what in {"surplus refunded", "surplus left"}:
            self.surplus.add(word.charge)
            self.reported_back[word.charge] = word.what == "surplus refunded"

    def _read(self, settled: Settled) -> None:
        self.surplus.update(settled.surplus)
        if settled.answered:
            self.claimed.add(settled.pending)
        if settled.state in {DONE, NOT_DONE}:
            self._said[settled.pending].add(Said(settled.state, settled.charge))

    def _say_of_charge(self, charge: str, *, heard: bool = False) -> None:
        """A charge that was refunded, or was to be, had been made."""
        entry = self.entries.get(charge)
        if entry is None or charge in self.surplus:
            return
        for intent in self.intents_in[slot_of(entry)]:
            self._said[intent.pending].add(Said(DONE, charge))
            if heard:
                self.heard.add(intent.pending)

    def _follow_refund(self, intent: Intent) -> None:
        ends = {said.what for said in self.said(intent)}
        if ends:
            was_back = self.reported_back.get(intent.charge, False)
            self.reported_back[intent.charge] = was_back or DONE in ends
        elif intent.at > self._refunded_at.get(intent.charge, intent.at):
            self.reported_back.pop(intent.charge, None)  # the next run of the checkout has tried again
        self._say_of_charge(intent.charge, heard=intent.pending in self.heard)

    def said(self, intent: Intent) -> set[Said]:
        """All that hooks and settlements said of a request.

        To charge another reservation instead says that the one before was not charged.
        """
        if intent is not self.intents[intent.pending]:
            return {Said(NOT_DONE)}
        return self._said.get(intent.pending, set())

    def is_settled(self, pending: str) -> bool:
        """Whether somebody was told how an outcome ended."""
        return bool(self._said.get(pending))

    def charges_of(self, call: str) -> set[Slot]:
        """Where the charges of a call belong."""
        mine = self._intents_of[call]
        return {slot_of_intent(intent) for intent in mine if intent.operation == CHARGE}

    def is_lied_to(self, intent: Intent) -> bool:
        """Whether a request that stays open got an answer of 2xx, and nothing was done but by equal ones."""
        slot = slot_of_intent(intent)
        others = [each for each in self.intents_in[slot] if each.pending != intent.pending]
        theirs = {said.charge for other in others for said in self.said(other)}
        theirs |= {id for other in others if other.call in self.told for id in self.told[other.call].charges}
        done = {entry.id for entry in self.in_slot.get(slot, ())}
        return intent.pending in self.claimed and done <= theirs

    def is_own_refund(self, intent: Intent) -> bool:
        """Whether the SDK refunds by itself: a surplus, or what a checkout had charged."""
        began = self.began.get(intent.call)
        return intent.operation == REFUND and (began is None or began.kind != "refund")

    @property
    def taken_back(self) -> set[str]:
        """The ids of the charges that the SDK has refunded by itself, by the ledger."""
        asked = {told_id for told in self.told.values() for told_id in told.charges}
        asked |= {said.charge for intent in self.intents.values() for said in self._user_refunds(intent)}
        return {
            intent.charge
            for intent in self.intents.values()
            if self.is_own_refund(intent)
            and any(entry.id not in asked for entry in self.in_slot.get(slot_of_intent(intent), ()))
        }

    def _user_refunds(self, intent: Intent) -> set[Said]:
        return self.said(intent) if intent.operation == REFUND and not self.is_own_refund(intent) else set()

    def habits_of(self, call: str) -> tuple[str, ...]:
        """The habits that may have touched a call, the one first that was on when it asked for money.

        What a habit did to a charge stays in the server's books, so a refund is touched by it, too.
        """
        began, told = self.began.get(call), self.told.get(call)
        if began is None:
            return ()
        first, last = self._sent.get(call, (began.at, began.at))
        end = max(told.at if told else 0.0, last + _LATE)
        names = self._turns.between(first, end)
        if began.kind != "refund":
            return names
        entry = self.entries.get(began.things[0])
        intents = self.intents_in.get(slot_of(entry), ()) if entry else ()
        earlier = (name for intent in intents for name in self.habits_of(intent.call))
        return tuple(dict.fromkeys((*names, *earlier)))

    def habits_at(self, intent: Intent) -> tuple[str, ...]:
        """The habits that may have touched a request: by its call, or its time when a recovery sent it."""
        if intent.call in self.began:
            return self.habits_of(intent.call)
        return self._turns.between(intent.at, intent.at + _LATE)

    def once(self, ids: Iterable[str], named: Container[str]) -> Iterator[str]:
        """What requests have made, one for each that a proxy delivered more than once.

        Args:
            ids: what the ledger has.
            named: what somebody was told of: that stays, whichever delivery it was.
        """
        groups: dict[str, list[str]] = collections.defaultdict(list)
        for id in ids:
            groups[self.entries[id].twin_of or id].append(id)
        for group in groups.values():
            yield from [id for id in group if id in named] or group[:1]

    def payment_of(self, call: str) -> str:
        """The id of the first call for the same payment."""
        began = self.began.get(call)
        return began.payment if began else call
