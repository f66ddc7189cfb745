"""A tracker of reservations beside a server whose clock is right."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from email.utils import format_datetime

import attrs

from tests.unit.samples import NOON, seconds
from voucher_async.clock import ManualClock, ServerClock
from voucher_async.errors import ReservationSuperseded
from voucher_async.facts import Answer
from voucher_async.models import Reservation
from voucher_async.payments.reservations import Entry, ReservationTracker

__all__ = ["HALF_AN_HOUR", "Client", "reservation"]

HALF_AN_HOUR = dt.timedelta(minutes=30)


def reservation(id: str, *, voucher: str = "v-1", created: dt.datetime = NOON) -> Reservation:
    return Reservation(
        id=id,
        voucher_id=voucher,
        voucher_taxable=False,
        voucher_tax_rate=None,
        client_id="shop",
        amount=Decimal("2.00"),
        valid_until=created + HALF_AN_HOUR,
        created_at=created,
        updated_at=created,
    )


class Client:
    """A tracker on a clock that is moved by hand, next to a server whose clock is right."""

    def __init__(self, offset: float = 0.0) -> None:
        self.true = ManualClock(NOON)
        self.clock = self.true.shifted(offset)
        self.server_clock = ServerClock(self.clock)
        self.tracker = ReservationTracker(self.clock, self.server_clock, 10.0)

    def note(
        self,
        id: str,
        *,
        voucher: str = "v-1",
        sent: float | None = None,
        created: float | None = None,
        ahead: float | None = 0.0,
        lives: float = 1800.0,
    ) -> Entry:
        """The answer to a reservation arrives now.

        Args:
            id: the reservation.
            voucher: its voucher.
            sent: monotonic time in seconds of its request; None: now.
            created: its stamp, in seconds after noon; None: now.
            ahead: seconds that the `Date` of the answer is ahead; None: it has none.
            lives: seconds from its stamp to its `valid_until`.
        """
        made = self.true.now() if created is None else NOON + seconds(created)
        value = reservation(id, voucher=voucher, created=made)
        answer = Answer(
            value=attrs.evolve(value, valid_until=made + seconds(lives)),
            date=None if ahead is None else self.true.now() + seconds(ahead),
            sent=self.true.monotonic() if sent is None else sent,
        )
        return self.tracker.note(answer)

    def hear(self) -> None:
        """Another answer, and with it the server's date."""
        self.server_clock.observe(format_datetime(self.true.now(), usegmt=True), self.true.monotonic())

    def refused(self, id: str) -> bool:
        try:
            self.tracker.check(id)
        except ReservationSuperseded:
            return True
        return False
