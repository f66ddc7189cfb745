"""The lifecycle of a payment by voucher: reserve, then charge, for one voucher or for a whole order."""

from voucher_async.checkout.checkout import Checkout
from voucher_async.checkout.held import HeldReservation
from voucher_async.checkout.lifecycle import Lifecycle
from voucher_async.checkout.turns import PROCESS_LOCK, PROCESS_SECRET, LocalVoucherLock, VoucherLock

__all__ = [
    "PROCESS_LOCK",
    "PROCESS_SECRET",
    "Checkout",
    "HeldReservation",
    "Lifecycle",
    "LocalVoucherLock",
    "VoucherLock",
]
