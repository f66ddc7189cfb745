"""Runs of the probe against an emulator, both on one clock that nobody waits for."""

from __future__ import annotations

from typing import Any

from voucher_async import ManualClock, Settings
from voucher_async.cli.probing import Report, Verdict, probe
from voucher_async.testing import VoucherEmulator

__all__ = ["evidence_of", "probed", "refuted", "run"]


async def run(emulator: VoucherEmulator, *only: str, **options: Any) -> Report:
    """Probe an emulator: for some questions, or for all."""
    settings = options.pop("settings", None) or Settings.make(**emulator.settings())
    options = {"seconds": 7200.0, "clock": emulator.clock, **options}
    return await probe(settings, only=only or None, **options)


async def probed(*only: str, habits: dict[str, Any] | None = None, **options: Any) -> Report:
    """Probe a new emulator that has these habits, and was made with these options."""
    async with VoucherEmulator(clock=ManualClock(skip_sleeps=True), **options) as emulator:
        emulator.habits.set(**habits or {})
        report = await run(emulator, *only)
        emulator.ledger.check()
        return report


def refuted(report: Report) -> set[str]:
    """The ids of the questions that were answered with no."""
    return {finding.id for finding in report.of(Verdict.REFUTED)}


def evidence_of(report: Report) -> dict[str, str]:
    """Everything that was seen, for the message of an assertion."""
    return {finding.id: f"{finding.verdict}: {finding.evidence}" for finding in report.findings}
