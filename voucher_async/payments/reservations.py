"""The reservations that this client made: the end of each, and the one that replaced it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import attrs

from voucher_async.bounded import BoundedMap
from voucher_async.errors import (
    Proof,
    ReservationAlreadyCharged,
    ReservationExpired,
    ReservationSuperseded,
    VoucherError,
)
from voucher_async.outcomes import OutcomeUnknown, SettlementState
from voucher_async.payments.money_call import Anchor

if TYPE_CHECKING:
    from types import TracebackType

    from voucher_async.clock import Clock, ServerClock
    from voucher_async.facts import Answer
    from voucher_async.models import Reservation
    from voucher_async.outcomes import PendingOutcome, Settlement
    from voucher_async.payments.money_call import MoneyCall

__all__ = ["Entry", "ReservationTracker", "lifetime", "longest"]

LIFETIME: Final = 1800.0
_TOLERANCE: Final = 300.0
_APART: Final = 5.0  # seconds by which the clocks of one server's machines differ
_REMEMBERED: Final = 16_384
_FREE: Final = frozenset({Proof.NOT_SENT, Proof.UNAUTHORIZED, Proof.REFUSED})
"""Proofs that a charge was not made, which let the reservation be charged again."""


@attrs.define(eq=False)
class Entry:
    """One reservation of this client: not all of it, since many are kept.

    Attributes:
        id: its id.
        voucher_id: the voucher it is of.
        amount: in currency units.
        created_at: when the server made it; aware.
        ends: monotonic time in seconds until which it may still be charged: never late.
        over: monotonic time in seconds from which on no server charges it any more: never early.
        sent: monotonic time when its request went out.
        answered: monotonic time when its answer came.
        client_id: the client that made it, by the server's answer.
        currency: ISO 4217, where this client was told.
        anchor: its timestamp, to reckon the server's time from.
        superseded: a newer one of the same voucher replaced it, by all that is known: it is not charged.
        replaced_at: monotonic time in seconds when the answer came to one that was asked for after this one
            had been answered, so that the server refuses this one for certain; None as long as there is none.
    """

    id: str
    voucher_id: str
    amount: Decimal
    created_at: dt.datetime
    ends: float
    over: float
    sent: float
    answered: float
    client_id: str | None = None
    anchor: Anchor | None = None
    currency: str | None = None
    superseded: bool = False
    replaced_at: float | None = None


def lifetime(reservation: Reservation, date: dt.datetime | None) -> float:
    """Seconds a fresh reservation lives from the moment its request went out; never too many.

    Measured by the server's clocks alone: its end minus the answer's `Date`. A `Date` that is missing, or
    far from the reservation's own timestamp (a proxy with a clock of its own), gives way to that one.

    Args:
        reservation: the fresh reservation.
        date: the `Date` of the answer.
    """
    by_stamp = (reservation.valid_until - reservation.created_at).total_seconds()
    by_date = by_stamp if date is None else (reservation.valid_until - date).total_seconds()
    seconds = by_date if abs(by_date - by_stamp) <= _TOLERANCE else by_stamp
    return min(max(seconds, 0.0), LIFETIME)


def longest(reservation: Reservation, date: dt.datetime | None) -> float:
    """Seconds a fresh reservation lives at most from the moment its answer came; never too few.

    A fence is for ever, so each reading counts, and the longest decides: a proxy's `Date` that is ahead, or a
    stamp by another clock, may not end a reservation before the server does.

    Args:
        reservation: the fresh reservation.
        date: the `Date` of the answer.
    """
    begun = reservation.created_at if date is None else min(reservation.created_at, date)
    return max((reservation.valid_until - begun).total_seconds(), LIFETIME) + _APART


class ReservationTracker:
    """Remembers the latest 16,384 reservations, and charges in doubt for ever; the rest the server decides.

    Args:
        clock: measures how long they have lived.
        server_clock: tells the end of a reservation that this client did not make.
        margin: seconds before its end from which on a reservation is not charged any more.
    """

    def __init__(self, clock: Clock, server_clock: ServerClock, margin: float) -> None:
        self._clock = clock
        self._server_clock = server_clock
        self._margin = margin
        self._entries: BoundedMap[str, Entry] = BoundedMap(_REMEMBERED)
        # voucher -> its newest, and all of which it is not certain that a newer one replaced them
        self._newest: dict[str, tuple[Entry, ...]] = {}
        self._charging: dict[str, MoneyCall] = {}
        # outcomes of charges
        self._in_doubt: dict[str, PendingOutcome] = {}
        self._charged: BoundedMap[str, SettlementState] = BoundedMap(_REMEMBERED)

    def note(
        self, answer: Answer[Reservation], anchor: Anchor | None = None, currency: str | None = None
    ) -> Entry:
        """Note a reservation that was just made; the one it replaced is superseded."""
        reservation, answered = answer.value, self._clock.monotonic()
        entry = Entry(
            reservation.id,
            reservation.voucher_id,
            reservation.amount,
            reservation.created_at,
            answer.sent + lifetime(reservation, answer.date),
            answered + longest(reservation, answer.date),  # made before its answer, at the latest
            answer.sent,
            answered,
            reservation.client_id,
            anchor,
            currency,
        )
        newest = self._newest.get(entry.voucher_id)
        self._newest[entry.voucher_id] = (entry,) if newest is None else _superseding(entry, newest)
        oldest = self._entries.put(entry.id, entry)
        if oldest is not None:
            self._forget(oldest[1])
        return entry

    def _forget(self, entry: Entry) -> None:
        newest = self._newest.pop(entry.voucher_id, (entry,))
        if newest != (entry,):
            self._newest[entry.voucher_id] = tuple(other for other in newest if other is not entry)

    def charging(self, reservation_id: str, money_call: MoneyCall) -> _Charging:
        """A context around sending a charge: notes its end, also when it is cut short."""
        return _Charging(self, reservation_id, money_call)

    def begin(self, reservation_id: str, money_call: MoneyCall) -> None:
        """Note that a charge is about to be sent."""
        self._charging[reservation_id] = money_call

    def end(self, reservation_id: str, money_call: MoneyCall, error: BaseException | None) -> None:
        """Note the end of a charge.

        Args:
            reservation_id: the reservation.
            money_call: the charge.
            error: what it ended with; None: it was carried out.
        """
        is_ours = self._charging.get(reservation_id) is money_call
        if error is None:
            self._ended(reservation_id, SettlementState.DONE)
        elif isinstance(error, OutcomeUnknown):
            self._in_doubt[reservation_id] = error.pending
        # another VoucherError of this call means "not carried out": the reservation may be charged again. A
        # coroutine discarded long after its event loop was closed was noted before
        elif is_ours and not isinstance(error, VoucherError):
            self._in_doubt[reservation_id] = money_call.pending
        if is_ours:
            del self._charging[reservation_id]

    def in_doubt(self, reservation_id: str) -> PendingOutcome | None:
        """The charge of a reservation whose outcome is open, as far as this client knows."""
        money_call = self._charging.get(reservation_id)
        if money_call is not None and money_call.is_cut_off:
            del self._charging[reservation_id]
            self._in_doubt.setdefault(reservation_id, money_call.pending)
        return self._in_doubt.get(reservation_id)

    def heard(self, reservation_id: str, settlement: Settlement) -> None:
        """Learn how a charge in doubt ended by its record, which another worker may have written."""
        if settlement.proof in _FREE:
            self.goes_on(reservation_id)
        else:
            self.settled(reservation_id, settlement)

    def goes_on(self, reservation_id: str) -> None:
        """Let the reservation be charged: by its record nothing was sent, or it was refused."""
        self._in_doubt.pop(reservation_id, None)

    def settled(self, reservation_id: str, settlement: Settlement) -> None:
        """Note the end of a charge whose outcome was open."""
        self._ended(reservation_id, settlement.state)

    def _ended(self, reservation_id: str, state: SettlementState) -> None:
        self._in_doubt.pop(reservation_id, None)
        self._charged[reservation_id] = state
        entry = self._entries.pop(reservation_id, None) if state is SettlementState.DONE else None
        if entry is not None:
            self._forget(entry)  # a charged reservation is not tracked

    def is_charged(self, entry: Entry) -> bool:
        """True when this client charged the reservation."""
        return self._charged.get(entry.id) is SettlementState.DONE

    def knows(self, reservation_id: str) -> bool:
        """True when this client has made, charged or been in doubt about the reservation before."""
        known = (self._entries, self._charged, self._in_doubt)
        return any(reservation_id in each for each in known)

    def find(self, reservation_id: str) -> Entry | None:
        """The entry of a reservation; None when this client did not make it, or forgot it."""
        return self._entries.get(reservation_id)

    def lives(self, entry: Entry) -> bool:
        """True while the reservation is there to be charged, charges of it left aside."""
        return not entry.superseded and entry.ends - self._margin > self._clock.monotonic()

    def fence(self, entry: Entry) -> float | None:
        """Monotonic time in seconds since when the server refuses to charge it; None as long as it may."""
        if entry.replaced_at is not None:
            return entry.replaced_at
        return entry.over if entry.over <= self._clock.monotonic() else None

    def left(self, entry: Entry) -> float:
        """Seconds in which the reservation may still be charged; not above 0 when it may not."""
        if entry.superseded or entry.id in self._charged or entry.id in self._in_doubt:
            return 0.0
        return entry.ends - self._margin - self._clock.monotonic()

    def check(self, reservation: Reservation | str) -> Entry | None:
        """Refuse what cannot be charged any more, as far as this client knows.

        Raises:
            ReservationSuperseded: a newer reservation of this client replaced it.
            ReservationAlreadyCharged: this client has charged it, or is just doing so.
            ReservationExpired: less than the safety margin is left; or an earlier charge of it got lost,
                which is final.
            OutcomeUnknown: a charge of it was sent before, and what became of that is open.
        """
        reservation_id = reservation if isinstance(reservation, str) else reservation.id
        self.check_charges(reservation_id)
        entry = self._entries.get(reservation_id)
        if entry is not None:
            self._check_entry(entry, reservation_id)
        elif not isinstance(reservation, str):
            self._check_foreign(reservation)
        return entry

    def check_charges(self, reservation_id: str) -> None:
        """Refuse to charge a reservation a second time.

        Raises:
            ReservationAlreadyCharged, ReservationExpired, OutcomeUnknown: as `check` says.
        """
        pending = self.in_doubt(reservation_id)
        if pending is not None:
            raise OutcomeUnknown(
                "an earlier charge of this reservation may have been carried out, so this one was not sent: "
                "settle that one before you pay this order in another way",
                pending=pending,
            )
        charged = self._charged.get(reservation_id)
        if charged is SettlementState.NOT_DONE:
            raise ReservationExpired(
                "an earlier charge of this reservation got lost, it is not charged any more: reserve again",
                reservation_id=reservation_id,
            )
        if charged is not None or reservation_id in self._charging:
            state = "was charged already" if charged else "is being charged"
            raise ReservationAlreadyCharged(f"the reservation {state}", reservation_id=reservation_id)

    def _check_entry(self, entry: Entry, reservation_id: str) -> None:
        if entry.superseded:
            raise ReservationSuperseded(
                "a newer reservation of the same voucher replaced it", reservation_id=reservation_id
            )
        self._check_left(entry.ends - self._clock.monotonic(), reservation_id)

    def _check_foreign(self, reservation: Reservation) -> None:
        newest = (each for each in self._newest.get(reservation.voucher_id, ()) if not each.superseded)
        if any(entry.created_at > reservation.created_at for entry in newest):
            raise ReservationSuperseded(
                "a newer reservation of the same voucher replaced it", reservation_id=reservation.id
            )
        if not self._server_clock.known:
            return  # the local clock may be wrong by hours; the server decides
        left = reservation.valid_until - self._server_clock.now()
        self._check_left(left.total_seconds(), reservation.id)

    def _check_left(self, seconds: float, reservation_id: str) -> None:
        if seconds < self._margin:
            state = f"ends in {seconds:.1f} s" if seconds > 0 else f"ended {abs(seconds):.1f} s ago"
            raise ReservationExpired(
                f"the reservation {state}, the safety margin is {self._margin:g} s: reserve again",
                reservation_id=reservation_id,
            )


class _Charging:
    """One charge that is sent inside `with`."""

    __slots__ = ("_money_call", "_reservation_id", "_tracker")

    def __init__(self, tracker: ReservationTracker, reservation_id: str, money_call: MoneyCall) -> None:
        self._tracker = tracker
        self._reservation_id = reservation_id
        self._money_call = money_call

    def __enter__(self) -> None:
        self._tracker.begin(self._reservation_id, self._money_call)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tracker.end(self._reservation_id, self._money_call, error)


def _superseding(entry: Entry, newest: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """The reservations of a voucher that may be its newest, after one more; the others are replaced."""
    for before in newest:
        if before.answered <= entry.sent:
            before.superseded, before.replaced_at = True, entry.answered
        elif not (before.superseded or before.created_at == entry.created_at):
            # of two requests under way at once only the server's stamps tell which came first. Its machines
            # have clocks of their own: that is enough not to charge the older one, and no proof that the
            # server refuses it
            older = before if before.created_at < entry.created_at else entry
            older.superseded = True
    return tuple(other for other in (*newest, entry) if other.replaced_at is None)
