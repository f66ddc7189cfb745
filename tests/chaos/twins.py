"""What one request has made more than once, because a proxy delivered it more than once."""

from __future__ import annotations

from voucher_async.testing import VoucherEmulator
from voucher_async.testing._engine import Call
from voucher_async.testing._records import Movement
from voucher_async.testing._way import Passage, Way

_OK = range(200, 300)


class Twins(Way):
    """Takes the place of an emulator's way, and writes down what the deliveries of each request have made.

    Args:
        emulator: whose way; nothing may have passed it yet.

    Attributes:
        first: what the first delivery of a request made, by what a later one did.
        told_well: what requests have made that got a good answer.
    """

    def __init__(self, emulator: VoucherEmulator) -> None:
        super().__init__(emulator._engine)  # no answer of the API shows what belongs together
        emulator._server.way = self
        self.first: dict[str, str] = {}
        self.told_well: set[str] = set()

    def fetch(self, call: Call, fault: object = None) -> Passage:
        """Take a request to the server, and remember what it made."""
        passage = super().fetch(call, fault)
        changes = (change for each in passage.delivered for change in each.changes)
        ids = [change.charge_id for change in changes if isinstance(change, Movement) and change.charge_id]
        self.first.update((id, ids[0]) for id in ids[1:])
        if fault is None and passage.outcome.status in _OK:
            self.told_well.update(ids)
        return passage
