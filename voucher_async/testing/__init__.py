"""Tools for tests of applications: an emulator of the API, a clock to move, and pytest fixtures."""

from __future__ import annotations

from voucher_async.clock import ManualClock
from voucher_async.testing import faults, habits
from voucher_async.testing._ledger import Ledger
from voucher_async.testing._log import RequestEntry, RequestLog
from voucher_async.testing._records import (
    ALL_SCOPES,
    ChargeRecord,
    ClientRecord,
    Movement,
    ReservationRecord,
    VoucherRecord,
)
from voucher_async.testing._routes import Route
from voucher_async.testing.emulator import EmulatorSettings, VoucherEmulator
from voucher_async.testing.faults import Faults, Injected
from voucher_async.testing.habits import Habits

__all__ = [
    "ALL_SCOPES",
    "ChargeRecord",
    "ClientRecord",
    "EmulatorSettings",
    "Faults",
    "Habits",
    "Injected",
    "Ledger",
    "ManualClock",
    "Movement",
    "RequestEntry",
    "RequestLog",
    "ReservationRecord",
    "Route",
    "VoucherEmulator",
    "VoucherRecord",
    "faults",
    "habits",
]
