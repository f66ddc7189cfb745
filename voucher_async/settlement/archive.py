"""What a client remembers of calls that move money: what is open, how others ended, whose charge is whose."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, TypeVar

import attrs

from voucher_async.payments.attribution import are_confusable, looks_of
from voucher_async.payments.evidence import RULES

if TYPE_CHECKING:
    from voucher_async.models import Charge
    from voucher_async.pending import PendingOutcome, Settlement
    from voucher_async.settlement.case import Case

__all__ = ["Archive", "look_of"]

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")

_REMEMBERED: Final = 16_384


class Archive:
    """Open outcomes are kept for ever, of everything else the latest 16,384."""

    def __init__(self) -> None:
        self._open: dict[str, Case] = {}
        self._open_by_key: dict[tuple[str, ...], list[Case]] = {}
        self._under_way: dict[str, Case] = {}
        self._alike: dict[
            tuple[object, ...], set[str]
        ] = {}  # what is open or under way, by what it looks like
        self._at: dict[tuple[object, ...], set[str]] = {}  # the same, whatever its order number
        # ordered dicts: taking the oldest out of a dict takes ever longer
        self._settlements: OrderedDict[str, Settlement] = OrderedDict()
        self._owners: OrderedDict[str, str] = OrderedDict()  # charge id -> id of the call that made it
        self._undelivered: OrderedDict[tuple[str, ...], Charge] = OrderedDict()

    def inherit(self) -> tuple[Case, ...]:
        """Hand over, in a forked process, what is the parent's: open, or under way."""
        cases = {**self._under_way, **self._open}
        self._open, self._open_by_key, self._under_way = {}, {}, {}
        self._alike, self._at = {}, {}
        return tuple(cases.values())

    def begin(self, case: Case) -> None:
        """A case is about to be sent: from now on what it does may be found by others."""
        self._under_way[case.pending.id] = case
        self._remember_look(case.pending)

    def end(self, case: Case) -> None:
        """The call of a case is over; what it left is known, or open."""
        self._under_way.pop(case.pending.id, None)
        self._forget_look(case.pending)

    def open(self, case: Case) -> None:
        """A case is not clear yet; one that was settled meanwhile stays so."""
        pending_id = case.pending.id
        if pending_id in self._settlements:
            return
        if case.key is not None and pending_id not in self._open:
            self._open_by_key.setdefault(case.key, []).append(case)
        self._open[pending_id] = case
        self._remember_look(case.pending)

    def close(self, pending_id: str) -> Case | None:
        """A case is not open any more: settled, or given up by who knows better."""
        case = self._open.pop(pending_id, None)
        if case is None:
            return None
        self._forget_look(case.pending)
        cases = self._open_by_key.get(case.key or ())
        if cases is not None and case in cases:
            cases.remove(case)
            if not cases:
                del self._open_by_key[case.key or ()]
        return case

    def _remember_look(self, pending: PendingOutcome) -> None:
        for look in _looks_of(pending):
            self._alike.setdefault(look, set()).add(pending.id)
        self._at.setdefault(_place_of(pending), set()).add(pending.id)

    def _forget_look(self, pending: PendingOutcome) -> None:
        if pending.id not in self._open and pending.id not in self._under_way:
            for look in _looks_of(pending):
                _discard(self._alike, look, pending.id)
            _discard(self._at, _place_of(pending), pending.id)

    def settled(self, settlement: Settlement) -> None:
        """Remember how a call ended."""
        pending_id = settlement.pending.id
        self.close(pending_id)
        self._forget_look(settlement.pending)
        _remember(self._settlements, pending_id, settlement)
        for charge in (settlement.charge, *settlement.surplus):
            if charge is not None:
                self.take(charge.id, pending_id)

    def settlement(self, pending_id: str) -> Settlement | None:
        """How a call ended, as far as it is known."""
        return self._settlements.get(pending_id)

    def case(self, pending_id: str) -> Case | None:
        """An open case."""
        return self._open.get(pending_id)

    def knows(self, pending_id: str) -> bool:
        """Whether a call is open, under way or settled here."""
        known = (self._open, self._under_way, self._settlements)
        return any(pending_id in each for each in known)

    def under_way(self, pending_id: str) -> Case | None:
        """A case whose call is not over."""
        return self._under_way.get(pending_id)

    @property
    def pending(self) -> tuple[PendingOutcome, ...]:
        """What is open; also what was under way on an event loop that is gone, or does not run any more."""
        left = [case for case in self._under_way.values() if case.is_stopped]
        cases = {case.pending.id: case for case in (*self._open.values(), *left)}
        return tuple(case.pending for case in cases.values())

    def cut_off(self) -> list[Case]:
        """The calls under way whose event loop is gone: nobody goes on with them."""
        return [case for case in self._under_way.values() if case.is_cut_off]

    def take(self, charge_id: str, pending_id: str) -> None:
        """A charge belongs to a call, and so to no other."""
        _remember(self._owners, charge_id, pending_id)

    def is_taken(self, charge_id: str, pending_id: str) -> bool:
        """Whether a charge belongs to another call than this."""
        return self._owners.get(charge_id, pending_id) != pending_id

    def rivals(self, case: Case) -> int:
        """How many other cases, open or under way, look the same in a list of charges.

        Where it is known what a case did, only those count of which it is not: two that have their own charge
        each do not contend for more than a surplus, and whose that is does not matter.
        """
        beside = self._beside(case)
        return len(beside) if case.charge is None else sum(other.charge is None for other in beside)

    def surplus_beside(self, case: Case) -> int:
        """How many charges too many may be those of cases beside it that have their own charge, as it has."""
        if case.charge is None:
            return 0
        return sum(max(other.effects - 1, 0) for other in self._beside(case) if other.charge is not None)

    def _beside(self, case: Case) -> list[Case]:
        pending = case.pending
        # those whose voucher is not known may be of any, those whose amount is not known of any amount
        nowhere = attrs.evolve(pending, voucher_id=None)
        nothing = attrs.evolve(nowhere, amount=None)
        ids = set[str]().union(
            *(self._alike.get(look_of(each), set()) for each in (pending, nowhere, nothing))
        )
        cases = (self._open.get(each) or self._under_way.get(each) for each in ids - {pending.id})
        return [each for each in cases if each is not None]

    def is_confusable(self, case: Case) -> bool:
        """Whether another call, open or under way, may be recognised in the same rewritten entry."""
        nowhere = attrs.evolve(case.pending, voucher_id=None)
        places = map(_place_of, (case.pending, nowhere, attrs.evolve(nowhere, amount=None)))
        ids = set[str]().union(*(self._at.get(place, set()) for place in places)) - {case.pending.id}
        others = (self._open.get(each) or self._under_way.get(each) for each in ids)
        return any(other and are_confusable(case.pending, other.pending) for other in others)

    def open_rivals(self, case: Case) -> list[Case]:
        """The other open cases of the same voucher that look the same in a list of charges."""
        alike = self._alike.get(look_of(case.pending), set()) if case.pending.voucher_id else set[str]()
        return [self._open[each] for each in alike if each in self._open and each != case.pending.id]

    def deliver_later(self, key: tuple[str, ...] | None, charge: Charge | None) -> None:
        """Keep a charge that nobody was told about for the next call that asks for the same payment."""
        if key is not None and charge is not None:
            _remember(self._undelivered, key, charge)

    def undelivered(self, key: tuple[str, ...]) -> Charge | None:
        """What an earlier call with the same key charged without telling anybody."""
        return self._undelivered.get(key)

    def delivered(self, charge_id: str) -> None:
        """Somebody knows of a charge: who asks for the same payment from now on means another one."""
        for key in [key for key, charge in self._undelivered.items() if charge.id == charge_id]:
            del self._undelivered[key]

    def open_payment(self, key: tuple[str, ...]) -> Case | None:
        """The open case of an earlier call with the same key."""
        return next((case for case in self._open_by_key.get(key, ()) if case.charge is None), None)


def look_of(pending: PendingOutcome) -> tuple[object, ...]:
    """The traits by which its effect is told from others in a list of charges."""
    return _looks_of(pending)[0]


def _looks_of(pending: PendingOutcome) -> list[tuple[object, ...]]:
    rule = RULES.get(pending.operation)
    # what is found under another order number may be ours where that is not known for sure
    orders = looks_of(pending) if rule is None or rule.by_order else ("",)
    return [(*_place_of(pending), order) for order in orders]


def _place_of(pending: PendingOutcome) -> tuple[object, ...]:
    return pending.operation, pending.voucher_id, pending.amount


def _discard(ids: dict[tuple[object, ...], set[str]], key: tuple[object, ...], pending_id: str) -> None:
    held = ids.get(key)
    if held is not None:
        held.discard(pending_id)
        if not held:
            del ids[key]


def _remember(values: OrderedDict[KeyT, ValueT], key: KeyT, value: ValueT) -> None:
    values[key] = value
    if len(values) > _REMEMBERED:
        values.popitem(last=False)
