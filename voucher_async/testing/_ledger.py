"""Every movement of money, and the rules that hold for all of them."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Final

from voucher_async.testing._guard import Guard
from voucher_async.testing._records import ZERO, ChargeRecord, Movement, VoucherRecord, add, subtract
from voucher_async.testing._state import State

__all__ = ["Ledger", "deleted", "issued", "moved"]

_CHANGE: Final[dict[str, Callable[[Decimal, Decimal], Decimal]]] = {
    "issue": add,
    "recharge": add,
    "refund": add,
    "charge": subtract,
    "delete": subtract,
}


def issued(voucher: VoucherRecord) -> Movement:
    """The first movement of a voucher: its amount."""
    return Movement(
        kind="issue",
        voucher_id=voucher.id,
        client_id=voucher.client_id,
        amount=voucher.amount,
        balance=voucher.balance,
        at=voucher.made_at,
        order_number=voucher.sent_order_number,
    )


def deleted(voucher: VoucherRecord, at: dt.datetime) -> Movement:
    """The last movement of a voucher that is deleted: what was left."""
    return Movement(
        kind="delete",
        voucher_id=voucher.id,
        client_id=voucher.client_id,
        amount=voucher.balance,
        balance=ZERO,
        at=at,
    )


def moved(voucher: VoucherRecord, charge: ChargeRecord) -> Movement:
    """The movement of a charge, refund or recharge; `voucher` is the voucher afterwards."""
    return Movement(
        kind=charge.type,
        voucher_id=voucher.id,
        client_id=charge.client_id,
        amount=charge.amount,
        balance=voucher.balance,
        at=charge.made_at,
        charge_id=charge.id,
        refund_of=charge.refund_of,
        reservation_id=charge.reservation_id,
        order_number=charge.sent_order_number,
    )


class Ledger:
    """Every money movement since the emulator started, oldest first."""

    def __init__(self, state: State, guard: Guard, *, double_charges: bool) -> None:
        self._state = state
        self._guard = guard
        self._double_charges = double_charges

    def __iter__(self) -> Iterator[Movement]:
        with self._guard:
            return iter(tuple(self._state.movements))

    def __len__(self) -> int:
        return len(self._state.movements)

    def __getitem__(self, index: int) -> Movement:
        return self._state.movements[index]

    def __repr__(self) -> str:
        return f"<Ledger: {len(self)} movements>"

    def of(self, voucher_id: str) -> tuple[Movement, ...]:
        """The movements of one voucher."""
        return tuple(movement for movement in self if movement.voucher_id == voucher_id)

    def check(self) -> None:
        """Add everything up again, from the movements alone.

        Raises:
            AssertionError: naming every rule that does not hold: a voucher's balance is its amount -
                charges + refunds + recharges and never negative, refunds stay within their charge, a
                reservation is charged once (unless the emulator was told to allow more).
        """
        with self._guard:  # a charge that is half written down would not add up
            problems = [*self._balances(), *self._refunds(), *self._charged_twice(), *self._records()]
        if problems:
            raise AssertionError("the ledger does not add up: " + "; ".join(problems))

    def _balances(self) -> Iterator[str]:
        balances: defaultdict[str, Decimal] = defaultdict(Decimal)
        for movement in self:
            before = balances[movement.voucher_id]
            balances[movement.voucher_id] = _CHANGE[movement.kind](before, movement.amount)
            if balances[movement.voucher_id] != movement.balance:
                yield f"voucher {movement.voucher_id} held {movement.balance} after a {movement.kind}"
            if movement.amount < 0 or movement.balance < 0:
                yield f"a {movement.kind} of {movement.amount} left {movement.balance}"
        for voucher_id, balance in balances.items():
            voucher = self._state.vouchers.get(voucher_id)
            held = voucher.balance if voucher else ZERO
            if held != balance:
                yield f"voucher {voucher_id} holds {held} instead of {balance}"

    def _refunds(self) -> Iterator[str]:
        charged = {m.charge_id: m.amount for m in self if m.kind == "charge"}
        refunded: defaultdict[str | None, Decimal] = defaultdict(Decimal)
        for movement in self:
            if movement.kind == "refund":
                refunded[movement.refund_of] = add(refunded[movement.refund_of], movement.amount)
        for charge_id, amount in refunded.items():
            if amount > charged.get(charge_id, ZERO):
                yield f"charge {charge_id} was refunded by {amount}"

    def _charged_twice(self) -> Iterator[str]:
        times = Counter(movement.reservation_id for movement in self if movement.kind == "charge")
        for reservation_id, count in times.items():
            if count > 1 and not self._double_charges:
                yield f"reservation {reservation_id} was charged {count} times"

    def _records(self) -> Iterator[str]:
        moves = Counter((m.charge_id, m.kind, m.amount) for m in self if m.charge_id is not None)
        records = Counter((c.id, c.type, c.amount) for c in self._state.charges.values())
        if moves != records:
            yield f"{len(records)} charge records stand against {len(moves)} movements"
