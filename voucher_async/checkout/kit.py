"""The collaborators of `redeem` and checkouts."""

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
    """The objects that `redeem` and checkouts work with.

    Attributes:
        sender: sends the requests.
        reservations: makes and charges reservations.
        charges: refunds.
        supervisor: runs money calls.
        joining: idempotency keys.
        lock: gives turns to the users of a voucher.
        pauses: waits for the moment to renew.
        report: reports to hooks and the log.
        base_url: the API's address, a part of the lock keys.
        lock_key: the digest key of voucher codes in the lock, not shown; None: the journal's, which other
            processes have, too.
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
    lock_key: bytes | None = attrs.field(repr=False)

    def key(self, code: str, digest_key: bytes) -> str:
        """The key that stands for a voucher code in the lock.

        Args:
            code: the code.
            digest_key: the journal's.
        """
        return voucher_key(code, self.base_url, self.lock_key or digest_key)
