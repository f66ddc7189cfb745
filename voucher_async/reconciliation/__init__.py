"""Reconciliation: the journal and the API's lists of charges for a day, and where they differ."""

from __future__ import annotations

from voucher_async.reconciliation.report import (
    DayTotal,
    Difference,
    DifferenceGround,
    DifferenceReason,
    Reconciliation,
)

__all__ = ["DayTotal", "Difference", "DifferenceGround", "DifferenceReason", "Reconciliation"]
