"""The kit of a checkout: what it works with, and nothing of what it does."""

from __future__ import annotations

import attrs

from voucher_async.checkout.turns import VoucherLock, voucher_key
from voucher_async.payments.joining import Joining
from voucher_async.payments.pauses import Pauses
from voucher_async.payments.report import Report
from voucher_async.payments.sender import Sender
from voucher_async.payments.supervisor import Supervisor
from voucher_async.resources.charges import Charges
from voucher_async.resources.reservations import Reservations

__all__ = ["CheckoutKit"]


@attrs.frozen(kw_only=True, eq=False)
class CheckoutKit:
    """The kit that `redeem` and checkouts work with.

    Attributes:
        sender: sends the requests.
        reservations: makes and charges reservations.
        charges: refunds.
        supervisor: runs money calls.
        joining: idempotency keys.
        lock: who may use a voucher.
        pauses: waits for the moment to renew.
        report: tells hooks and the log.
        base_url: whose vouchers they are, for the lock keys.
        lock_key: what voucher codes are digested with for the lock; not shown.
    """

    sender: Sender
    reservations: Reservations
    charges: Charges
    supervisor: Supervisor
    joining: Joining
    lock: VoucherLock
    pauses: Pauses
    report: Report
    base_url: str
    lock_key: bytes = attrs.field(repr=False)

    def key(self, code: str) -> str:
        """The key that stands for a voucher code in the lock."""
        return voucher_key(code, self.base_url, self.lock_key)
