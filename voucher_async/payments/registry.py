"""A client's memory of its money calls: those open, the ends of the others, and the owner of each charge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import attrs

from voucher_async.bounded import BoundedMap
from voucher_async.payments.attribution import are_confusable, looks_of
from voucher_async.payments.evidence import RULES

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from voucher_async.models import Charge
    from voucher_async.outcomes import PendingOutcome, Settlement
    from voucher_async.payments.money_call import MoneyCall

__all__ = ["Registry", "look_of"]

_Traits: TypeAlias = tuple[object, ...]
_Index: TypeAlias = dict[_Traits, set[str]]
_REMEMBERED: Final = 16_384


class Registry:
    """Keeps open outcomes for ever, and of everything else the latest 16,384 entries."""

    def __init__(self) -> None:
        self._open: dict[str, MoneyCall] = {}
        self._open_by_key: dict[tuple[str, ...], list[MoneyCall]] = {}
        self._under_way: dict[str, MoneyCall] = {}
        self._loops: set[asyncio.AbstractEventLoop] = set()  # the loops of all calls
        # of calls open or under way: id -> traits, traits -> ids, traits without the order number -> ids
        self._looks: dict[str, tuple[_Traits, Sequence[_Traits]]] = {}
        self._alike: _Index = {}
        self._at: _Index = {}
        self._settlements: BoundedMap[str, Settlement] = BoundedMap(_REMEMBERED)
        # charge id -> id of the call that made it
        self._owners: BoundedMap[str, str] = BoundedMap(_REMEMBERED)
        self._undelivered: BoundedMap[tuple[str, ...], Charge] = BoundedMap(_REMEMBERED)

    def inherit(self) -> tuple[MoneyCall, ...]:
        """Hand over, in a forked process, what is the parent's: open, or under way."""
        money_calls = {**self._under_way, **self._open}
        self._open, self._open_by_key, self._under_way = {}, {}, {}
        self._looks, self._alike, self._at, self._loops = {}, {}, {}, set()
        return tuple(money_calls.values())

    def begin(self, money_call: MoneyCall) -> None:
        """Note that a call is about to be sent: from now on other calls may find its entry."""
        self._under_way[money_call.pending.id] = money_call
        if money_call.over is not None:
            self.note_loop(money_call.over.get_loop())
        self._remember_look(money_call.pending)

    def end(self, money_call: MoneyCall) -> None:
        """Note that a call is over: its end is known, or it is open."""
        self._under_way.pop(money_call.pending.id, None)
        self._forget_look(money_call.pending.id)

    def open(self, money_call: MoneyCall) -> None:
        """Note that a call is open; one that was settled meanwhile stays so."""
        pending_id = money_call.pending.id
        if pending_id in self._settlements:
            return
        if money_call.key is not None and pending_id not in self._open:
            self._open_by_key.setdefault(money_call.key, []).append(money_call)
        self._open[pending_id] = money_call
        self._remember_look(money_call.pending)

    def close(self, pending_id: str) -> MoneyCall | None:
        """Note that a call is no longer open: settled, or forgotten by the application."""
        money_call = self._open.pop(pending_id, None)
        if money_call is None:
            return None
        self._forget_look(pending_id)
        money_calls = self._open_by_key.get(money_call.key or ())
        if money_calls is not None and money_call in money_calls:
            money_calls.remove(money_call)
            if not money_calls:
                del self._open_by_key[money_call.key or ()]
        return money_call

    def _remember_look(self, pending: PendingOutcome) -> None:
        place, looks = found = _place_of(pending), _looks_of(pending)
        if self._looks.get(pending.id) == found:
            return
        self._drop_look(pending.id)  # more of its traits are known by now
        self._looks[pending.id] = found
        for look in looks:
            self._alike.setdefault(look, set()).add(pending.id)
        self._at.setdefault(place, set()).add(pending.id)

    def _forget_look(self, pending_id: str) -> None:
        if pending_id not in self._open and pending_id not in self._under_way:
            self._drop_look(pending_id)

    def _drop_look(self, pending_id: str) -> None:
        place, looks = self._looks.pop(pending_id, ((), ()))
        for look in looks:
            _discard(self._alike, look, pending_id)
        _discard(self._at, place, pending_id)

    def settled(self, settlement: Settlement) -> None:
        """Remember how a call ended."""
        pending_id = settlement.pending.id
        self.close(pending_id)
        self._forget_look(pending_id)
        self._settlements[pending_id] = settlement
        for charge in (settlement.charge, *settlement.surplus):
            if charge is not None:
                self.take(charge.id, pending_id)

    def settlement(self, pending_id: str) -> Settlement | None:
        """The settlement of a call, as far as it is known."""
        return self._settlements.get(pending_id)

    def reopen(self, pending_id: str) -> None:
        """Forget that a call was not carried out: another owner, who had its record since, may have sent."""
        settlement = self._settlements.get(pending_id)
        if settlement is not None and settlement.proof is not None:
            del self._settlements[pending_id]

    def money_call(self, pending_id: str) -> MoneyCall | None:
        """An open call."""
        return self._open.get(pending_id)

    def knows(self, pending_id: str) -> bool:
        """True when a call is open, under way or settled here."""
        known = (self._open, self._under_way, self._settlements)
        return any(pending_id in each for each in known)

    def under_way(self, pending_id: str) -> MoneyCall | None:
        """A call that is not over."""
        return self._under_way.get(pending_id)

    @property
    def pending(self) -> tuple[PendingOutcome, ...]:
        """The open outcomes, and those of calls under way on an event loop that is gone or does not run."""
        left = [money_call for money_call in self._under_way.values() if money_call.is_stopped]
        money_calls = {money_call.pending.id: money_call for money_call in (*self._open.values(), *left)}
        return tuple(money_call.pending for money_call in money_calls.values())

    def note_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Note that a call is begun on an event loop, which may be closed under it."""
        self._loops.add(loop)

    def forget_loops(self) -> None:
        """Forget the event loops that are gone, whose calls were opened."""
        self._loops = {loop for loop in self._loops if not loop.is_closed()}

    @property
    def has_lost_a_loop(self) -> bool:
        """True when an event loop is gone on which calls were begun."""
        return any(loop.is_closed() for loop in self._loops)

    def cut_off(self) -> list[MoneyCall]:
        """The calls under way whose event loop is gone: nobody goes on with them."""
        return [money_call for money_call in self._under_way.values() if money_call.is_cut_off]

    def take(self, charge_id: str, pending_id: str) -> None:
        """Note that a charge belongs to a call, and so to no other."""
        self._owners[charge_id] = pending_id

    def let_go(self, charge_id: str) -> None:
        """Forget whose a charge is: it was found for a call that may not have it."""
        self._owners.pop(charge_id, None)

    def is_taken(self, charge_id: str, pending_id: str) -> bool:
        """True when a charge belongs to another call than this."""
        return self._owners.get(charge_id, pending_id) != pending_id

    def rivals(self, money_call: MoneyCall) -> int:
        """Number of other calls, open or under way, that look the same in a list of charges.

        Calls whose own charge is known compete only for a surplus, so beside such a call only the others
        count.
        """
        rivals = self._others(money_call.pending, self._alike, look_of)
        return len(rivals) if money_call.charge is None else sum(other.charge is None for other in rivals)

    def surplus_beside(self, money_call: MoneyCall) -> int:
        """Number of surplus charges that may be those of calls beside it with their own charge, as it has."""
        if money_call.charge is None:
            return 0
        return sum(
            max(other.effects - 1, 0)
            for other in self._others(money_call.pending, self._alike, look_of)
            if other.charge is not None
        )

    def _others(
        self, pending: PendingOutcome, index: _Index, traits: Callable[[PendingOutcome], _Traits]
    ) -> list[MoneyCall]:
        # a call whose voucher or amount is not known may be of any
        nowhere = attrs.evolve(pending, voucher_id=None)
        looks = map(traits, (pending, nowhere, attrs.evolve(nowhere, amount=None)))
        ids = set[str]().union(*(index.get(look, ()) for look in looks)) - {pending.id}
        money_calls = (self._open.get(each) or self._under_way.get(each) for each in ids)
        return [each for each in money_calls if each is not None]

    def is_confusable(self, money_call: MoneyCall, *, of_any_kind: bool = False) -> bool:
        """True when another call, open or under way, may be recognised in the same rewritten entry.

        Args:
            money_call: the call.
            of_any_kind: the entry does not show what kind of call it is of.
        """
        pending = money_call.pending
        kinds = RULES if of_any_kind else (pending.operation,)
        alike = [attrs.evolve(pending, operation=kind) for kind in kinds]
        others = [other for each in alike for other in self._others(each, self._at, _place_of)]
        return any(are_confusable(pending, other.pending) for other in others)

    def open_rivals(self, money_call: MoneyCall) -> list[MoneyCall]:
        """The other open calls of the same voucher that look the same in a list of charges."""
        pending = money_call.pending
        alike = self._alike.get(look_of(pending), ()) if pending.voucher_id else ()
        return [self._open[each] for each in alike if each in self._open and each != pending.id]

    def deliver_later(self, key: tuple[str, ...] | None, charge: Charge | None) -> None:
        """Keep a charge that nobody was told about for the next call that asks for the same payment."""
        if key is not None and charge is not None:
            self._undelivered[key] = charge

    def undelivered(self, key: tuple[str, ...]) -> Charge | None:
        """The charge of an earlier call with the same key of which nobody was told."""
        return self._undelivered.get(key)

    def delivered(self, charge_id: str) -> None:
        """Note that a caller was told of a charge: a repeated call is another payment from now on."""
        for key in [key for key, charge in self._undelivered.items() if charge.id == charge_id]:
            del self._undelivered[key]

    def open_payment(self, key: tuple[str, ...]) -> MoneyCall | None:
        """The open call of an earlier call with the same key."""
        return next(
            (money_call for money_call in self._open_by_key.get(key, ()) if money_call.charge is None), None
        )


def look_of(pending: PendingOutcome) -> _Traits:
    """The traits by which its effect is told from others in a list of charges."""
    return _looks_of(pending)[0]


def _looks_of(pending: PendingOutcome) -> list[_Traits]:
    rule = RULES.get(pending.operation)
    # where the order number is not certain, an entry with another one may be ours
    orders = looks_of(pending) if rule is None or rule.by_order else ("",)
    return [(*_place_of(pending), order) for order in orders]


def _place_of(pending: PendingOutcome) -> _Traits:
    return pending.operation, pending.voucher_id, pending.amount


def _discard(ids: _Index, key: _Traits, pending_id: str) -> None:
    held = ids.get(key)
    if held is not None:
        held.discard(pending_id)
        if not held:
            del ids[key]
