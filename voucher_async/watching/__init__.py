"""Watching the vendor's side by polling: new charges, refunds and recharges, each once."""

from __future__ import annotations

from voucher_async.watching.cursor import ChargeCursor
from voucher_async.watching.options import WatchOptions
from voucher_async.watching.watch import ChargeWatch, NewCharge

__all__ = ["ChargeCursor", "ChargeWatch", "NewCharge", "WatchOptions"]
