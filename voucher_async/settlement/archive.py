"""What a client remembers of calls that move money: what is open, how others ended, whose charge is whose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from voucher_async.models import Charge
    from voucher_async.pending import PendingOutcome, Settlement
    from voucher_async.settlement.case import Case

__all__ = ["Archive"]

KeyT = TypeVar("KeyT")

_REMEMBERED: Final = 16_384


class Archive:
    """Open outcomes are kept for ever, of everything else the latest 16,384."""

    def __init__(self) -> None:
        self._open: dict[str, Case] = {}
        self._settlements: dict[str, Settlement] = {}
        self._owners: dict[str, str] = {}  # charge id -> id of the call that made it
        self._undelivered: dict[tuple[str, ...], Charge] = {}

    def open(self, case: Case) -> None:
        """A case is not clear yet."""
        self._open[case.pending.id] = case

    def close(self, case: Case) -> None:
        """A case is clear."""
        self._open.pop(case.pending.id, None)

    def settled(self, settlement: Settlement) -> None:
        """Remember how a call ended."""
        pending_id = settlement.pending.id
        self._open.pop(pending_id, None)
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
        """How many other open cases look the same in a list of charges."""
        mine = _look_of(case.pending)
        others = (other for other in self._open.values() if other is not case)
        return sum(_look_of(other.pending) == mine for other in others)

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


def _look_of(pending: PendingOutcome) -> tuple[object, ...]:
    order = (pending.order_number or "").strip()
    return pending.operation, pending.voucher_id, pending.amount, order


def _remember(values: dict[KeyT, Any], key: KeyT, value: object) -> None:
    values[key] = value
    if len(values) > _REMEMBERED:
        del values[next(iter(values))]
