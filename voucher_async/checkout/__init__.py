"""The lifecycle of a payment by voucher: reserve, then charge, for one voucher or for a whole order."""

from voucher_async.checkout.checkout import Checkout
from voucher_async.checkout.held import HeldReservation
from voucher_async.checkout.lifecycle import Lifecycle
from voucher_async.checkout.turns import LocalVoucherLock, VoucherLock

__all__ = ["Checkout", "HeldReservation", "Lifecycle", "LocalVoucherLock", "VoucherLock"]
