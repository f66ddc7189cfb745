"""Payments by voucher: reserve, then charge, one voucher or all those of an order."""

from voucher_async.checkout.checkout import Checkout
from voucher_async.checkout.held import HeldReservation
from voucher_async.checkout.lifecycle import Lifecycle
from voucher_async.checkout.recovering import recover
from voucher_async.checkout.turns import PROCESS_LOCK, PROCESS_SECRET, LocalVoucherLock, VoucherLock

__all__ = [
    "PROCESS_LOCK",
    "PROCESS_SECRET",
    "Checkout",
    "HeldReservation",
    "Lifecycle",
    "LocalVoucherLock",
    "VoucherLock",
    "recover",
]
