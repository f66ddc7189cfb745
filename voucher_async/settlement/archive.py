"""What a client remembers of calls that move money: what is open, how others ended, whose charge is whose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs

from voucher_async.settlement.rules import RULES

if TYPE_CHECKING:
    from voucher_async.models import Charge
    from voucher_async.pending import PendingOutcome, Settlement
    from voucher_async.settlement.case import Case

__all__ = ["Archive", "look_of"]

KeyT = TypeVar("KeyT")

_REMEMBERED: Final = 16_384


class Archive:
    """Open outcomes are kept for ever, of everything else the latest 16,384."""

    def __init__(self) -> None:
        self._open: dict[str, Case] = {}
        self._under_way: set[str] = set()
        self._alike: dict[
            tuple[object, ...], set[str]
        ] = {}  # what is open or under way, by what it looks like
        self._settlements: dict[str, Settlement] = {}
        self._owners: dict[str, str] = {}  # charge id -> id of the call that made it
        self._undelivered: dict[tuple[str, ...], Charge] = {}

    def begin(self, case: Case) -> None:
        """A case is about to be sent: from now on what it does may be found by others."""
        self._under_way.add(case.pending.id)
        self._alike.setdefault(look_of(case.pending), set()).add(case.pending.id)

    def end(self, case: Case) -> None:
        """The call of a case is over; what it left is known, or open."""
        self._under_way.discard(case.pending.id)
        self._forget(case.pending)

    def open(self, case: Case) -> None:
        """A case is not clear yet."""
        self._open[case.pending.id] = case
        self._alike.setdefault(look_of(case.pending), set()).add(case.pending.id)

    def _forget(self, pending: PendingOutcome) -> None:
        if pending.id in self._open or pending.id in self._under_way:
            return
        look = look_of(pending)
        alike = self._alike.get(look)
        if alike is not None:
            alike.discard(pending.id)
            if not alike:
                del self._alike[look]

    def settled(self, settlement: Settlement) -> None:
        """Remember how a call ended."""
        pending_id = settlement.pending.id
        self._open.pop(pending_id, None)
        self._forget(settlement.pending)
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

    @property
    def pending(self) -> tuple[PendingOutcome, ...]:
        """What is open."""
        return tuple(case.pending for case in self._open.values())

    def take(self, charge_id: str, pending_id: str) -> None:
        """A charge belongs to a call, and so to no other."""
        _remember(self._owners, charge_id, pending_id)

    def is_taken(self, charge_id: str, pending_id: str) -> bool:
        """Whether a charge belongs to another call than this."""
        return self._owners.get(charge_id, pending_id) != pending_id

    def rivals(self, case: Case) -> int:
        """How many other cases, open or under way, look the same in a list of charges."""
        alike = self._alike.get(look_of(case.pending), set())
        # those whose voucher is not known may be of any
        unknown = self._alike.get(look_of(attrs.evolve(case.pending, voucher_id=None)), set())
        return len((alike | unknown) - {case.pending.id})

    def open_rivals(self, case: Case) -> list[Case]:
        """The other open cases of the same voucher that look the same in a list of charges."""
        alike = self._alike.get(look_of(case.pending), set()) if case.pending.voucher_id else set[str]()
        return [self._open[each] for each in alike if each in self._open and each != case.pending.id]

    def deliver_later(self, key: tuple[str, ...] | None, charge: Charge | None) -> None:
        """Keep a charge that nobody was told about for the next call that asks for the same payment."""
        if key is not None and charge is not None:
            _remember(self._undelivered, key, charge)

    def undelivered(self, key: tuple[str, ...]) -> Charge | None:
        """Take out what an earlier call with the same key charged without telling anybody."""
        return self._undelivered.pop(key, None)

    def open_payment(self, key: tuple[str, ...]) -> Case | None:
        """The open case of an earlier call with the same key."""
        return next((case for case in self._open.values() if case.key == key and case.charge is None), None)


def look_of(pending: PendingOutcome) -> tuple[object, ...]:
    """What its effect looks like in a list of charges."""
    rule = RULES.get(pending.operation)
    # what is found under another order number may be ours where that is not known for sure
    order = (pending.order_number or "").strip() if rule is None or rule.by_order else ""
    return pending.operation, pending.voucher_id, pending.amount, order


def _remember(values: dict[KeyT, Any], key: KeyT, value: object) -> None:
    values[key] = value
    if len(values) > _REMEMBERED:
        del values[next(iter(values))]
