"""What one request has made more than once, because a proxy delivered it so, and which reservations ended."""

from __future__ import annotations

import time

from voucher_async.testing import VoucherEmulator
from voucher_async.testing._engine import Call
from voucher_async.testing._records import Movement, ReservationRecord
from voucher_async.testing._way import Passage, Way

_OK = range(200, 300)


class Twins(Way):
    """Takes the place of an emulator's way, and writes down what the deliveries of each request have made.

    Args:
        emulator: whose way; nothing may have passed it yet.

    Attributes:
        first: what the first delivery of a request made, by what a later one did.
        told_well: what requests have made that got a good answer.
        made: when charges, recharges and refunds were made, by the monotonic time.
        replaced: when reservations were replaced by newer ones, by the monotonic time.
    """

    def __init__(self, emulator: VoucherEmulator) -> None:
        super().__init__(emulator._engine)  # no answer of the API shows which twins belong together
        emulator._server.way = self
        self.first: dict[str, str] = {}
        self.told_well: set[str] = set()
        self.made: dict[str, float] = {}
        self.replaced: dict[str, float] = {}
        self._newest: dict[str, str] = {}  # voucher -> reservation

    def fetch(self, call: Call, fault: object = None) -> Passage:
        """Take a request to the server, and remember what it made."""
        passage = super().fetch(call, fault)
        changes = [change for each in passage.delivered for change in each.changes]
        for change in changes:
            if isinstance(change, ReservationRecord) and not change.charged:
                self._replace(change)
        ids = [change.charge_id for change in changes if isinstance(change, Movement) and change.charge_id]
        for each in ids:
            self.made.setdefault(each, time.monotonic())
        self.first.update((id, ids[0]) for id in ids[1:])
        if fault is None and passage.outcome.status in _OK:
            self.told_well.update(ids)
        return passage

    def _replace(self, reservation: ReservationRecord) -> None:
        older = self._newest.get(reservation.voucher_id)
        if older is not None:
            self.replaced[older] = time.monotonic()
        self._newest[reservation.voucher_id] = reservation.id
