"""A reservation in a checkout, and the time in which it can still be charged."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any, Final

from voucher_async.models import Reservation
from voucher_async.money import difference, format_amount
from voucher_async.payments.call import Planned
from voucher_async.payments.reservations import Entry, ReservationTracker
from voucher_async.sansio import Request
from voucher_async.values import Written

__all__ = ["ChargedReservation", "HeldReservation"]

_AMOUNTS: Final = ("asked", "amount", "missing")
_STATES: Final = ("voucher_id", "remaining", "superseded", "charged")


class HeldReservation(Written):
    """An amount of one voucher, held for a checkout. Made by `Checkout.reserve`.

    `to_dict` and `to_json` show it as it is at that moment; the voucher's code is not among it.

    Args:
        made: the reservation, and its entry in the tracker.
        asked: the amount that was asked for, in currency units.
        request: its request, for making it anew.
        key: stands for the voucher in a lock.
        target: stands for the voucher in records.
        tracker: keeps this client's reservations.
    """

    __slots__ = ("_entry", "_reservation", "_tracker", "asked", "key", "request", "target")

    def __init__(
        self,
        made: tuple[Reservation, Entry],
        *,
        asked: Decimal,
        request: Request[Reservation],
        key: str,
        target: str,
        tracker: ReservationTracker,
    ) -> None:
        self._reservation, self._entry = made
        self._tracker = tracker
        self.asked: Decimal = asked
        self.request: Request[Reservation] = request
        self.key: str = key
        self.target: str = target

    def __repr__(self) -> str:
        return f"<HeldReservation {self.amount} of voucher {self.voucher_id}, {self.remaining:.0f} s left>"

    @property
    def reservation(self) -> Reservation:
        """The reservation; after a renewal the newest one."""
        return self._reservation

    @property
    def voucher_id(self) -> str:
        """The voucher."""
        return self._reservation.voucher_id

    @property
    def amount(self) -> Decimal:
        """The amount held, in currency units."""
        return self._reservation.amount

    @property
    def missing(self) -> Decimal:
        """The amount asked for and not held, in currency units; above 0 only with `allow_partial`."""
        return difference(self.asked, self.amount)

    @property
    def valid_until(self) -> dt.datetime:
        """The time at which it ends, by the server's clock; aware."""
        return self._reservation.valid_until

    @property
    def remaining(self) -> float:
        """Seconds in which it can still be charged, the safety margin taken off; 0 when it cannot.

        Counted on the monotonic clock from its request: a local date that is wrong or jumps changes nothing.
        """
        return max(self._tracker.left(self._entry), 0.0)

    @property
    def superseded(self) -> bool:
        """True when a newer reservation of this client replaced it."""
        return self._entry.superseded

    @property
    def charged(self) -> bool:
        """True when it was charged."""
        return self._tracker.is_charged(self._entry)

    @classmethod
    def _written(cls, value: Any) -> dict[str, Any]:
        amounts = {name: format_amount(getattr(value, name)) for name in _AMOUNTS}
        states = {name: getattr(value, name) for name in _STATES}
        return {**amounts, **states, "reservation": value.reservation.to_dict()}

    def renewed(self, made: tuple[Reservation, Entry]) -> None:
        """Go on with a newer reservation of the same voucher."""
        self._reservation, self._entry = made


class ChargedReservation(HeldReservation):
    """A reservation that an earlier run of its checkout, with the same idempotency key, has charged.

    Args:
        planned: the earlier run's charge.
    """

    __slots__ = ()

    def __init__(self, planned: Planned) -> None:
        # the base class asks for what only an uncharged reservation has
        self._reservation = planned.reservation
        self.asked: Decimal = planned.asked
        self.target: str = planned.target

    @property
    def remaining(self) -> float:
        """Seconds in which it can still be charged: 0."""
        return 0.0

    @property
    def superseded(self) -> bool:
        """False: no newer reservation replaced it, for it was charged before."""
        return False

    @property
    def charged(self) -> bool:
        """True: it was charged."""
        return True
