"""The operations by what they do: the names that faults and habits go by."""

from __future__ import annotations

from typing import Final

__all__ = ["LISTS", "MONEY", "OPERATIONS", "POSTS", "READS"]

MONEY: Final = ("chargeReservation", "refundCharge", "rechargeVoucher")
POSTS: Final = (
    *MONEY,
    "createReservation",
    "createVoucher",
    "connectClient",
    "disconnectClient",
    "requestToken",
)
LISTS: Final = ("listCharges", "listVouchers")
READS: Final = (*LISTS, "getCharge", "getVoucher", "getCompleteVoucher")
OPERATIONS: Final = (*POSTS, *READS, "updateVoucher", "setVoucherStatus", "deleteVoucher")
