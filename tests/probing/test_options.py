"""Servers that do what the contract leaves open, and faults that look like them."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from typing import Any

import pytest

from tests.probing.runs import evidence_of, probed, refuted, run
from voucher_async import ManualClock
from voucher_async.cli.probing import Verdict
from voucher_async.cli.probing.bench import Bench
from voucher_async.testing import VoucherEmulator, faults, habits
from voucher_async.testing._state import Mint


async def test_a_second_charge_of_one_reservation_is_seen_in_the_list_and_in_the_balance() -> None:
    report = await probed("second-charge", allow_double_charge=True)
    finding = report.finding("second-charge")
    assert finding.verdict == Verdict.REFUTED
    assert "2 in the list, 0.02 spent" in finding.evidence
    assert finding.follows is not None


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"reservations_lower_balance": True}, {"reservation-keeps-balance"}),
        ({"newest_first": True}, {"page-order"}),
        ({"max_per_page": 20}, {"page-cap"}),
        ({"token_lifetime": None}, {"token-life"}),
        ({"conflict_status": 422}, set()),
    ],
)
async def test_an_option_is_seen(options: dict[str, Any], expected: set[str]) -> None:
    asked = expected or {"refused-balance", "refused-inactive", "refused-refund-second"}
    report = await probed(*asked, **options)
    assert refuted(report) == expected, evidence_of(report)


@pytest.mark.parametrize(("life", "verdict"), [(3600, Verdict.CONFIRMED), (60_000, Verdict.REFUTED)])
async def test_the_end_in_a_token_is_compared_with_its_life(
    monkeypatch: pytest.MonkeyPatch, life: int, verdict: Verdict
) -> None:
    clock = ManualClock(skip_sleeps=True)

    def jwt(_: Mint) -> str:
        claims = json.dumps({"exp": int(clock.now().timestamp()) + life}).encode()
        return f"e30.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.c2ln"

    async with VoucherEmulator(clock=clock) as emulator:
        monkeypatch.setattr(Mint, "secret", jwt)
        report = await run(emulator, "token-exp")
    assert report.finding("token-exp").verdict == verdict, evidence_of(report)
    assert "e30" not in report.to_json()


async def test_the_lag_of_the_list_is_measured() -> None:
    async with VoucherEmulator(clock=ManualClock(skip_sleeps=True)) as emulator:
        emulator.faults.list_lag = 20.0
        report = await run(emulator, "list-lag", "second-charge")
    finding = report.finding("list-lag")
    assert finding.verdict == Verdict.REFUTED
    assert 38 <= report.settings["list_lag"] <= 50
    assert "settle_window" not in report.settings
    # later looks wait for the lag, and so what is missing from a list is really missing
    assert report.finding("second-charge").verdict == Verdict.CONFIRMED


async def test_absence_counts_after_the_setting_where_no_lag_was_measured() -> None:
    clock = ManualClock(skip_sleeps=True)
    async with VoucherEmulator(clock=clock, allow_double_charge=True) as emulator:
        emulator.faults.list_lag = 9.0
        report = await run(emulator, "second-charge")
    assert "2 in the list, 0.02 spent" in report.finding("second-charge").evidence


async def test_a_lag_within_the_setting_is_confirmed() -> None:
    async with VoucherEmulator(clock=ManualClock(skip_sleeps=True)) as emulator:
        emulator.faults.list_lag = 5.0
        report = await run(emulator, "list-lag")
    assert report.finding("list-lag").verdict == Verdict.CONFIRMED
    assert "not yet after" in report.finding("list-lag").evidence
    assert report.settings == {}


async def test_a_list_that_never_shows_a_charge_is_refuted_and_not_measured() -> None:
    async with VoucherEmulator(clock=ManualClock(skip_sleeps=True)) as emulator:
        emulator.faults.list_lag = 1000.0
        report = await run(emulator, "list-lag", watch=30.0)
    assert report.finding("list-lag").evidence == "a charge did not show within 30 s"
    assert report.finding("list-lag").verdict == Verdict.REFUTED
    assert report.settings == {}


@pytest.mark.parametrize(
    ("late", "verdict", "settings"),
    [(5.0, Verdict.CONFIRMED, False), (200.0, Verdict.REFUTED, True)],
)
async def test_a_request_whose_connection_breaks_is_watched(
    late: float, verdict: Verdict, *, settings: bool
) -> None:
    async with VoucherEmulator(clock=ManualClock(skip_sleeps=True)) as emulator:
        emulator.faults.script("chargeReservation", faults.CommitLate(late))
        report = await run(emulator, "broken-connection", watch=400.0)
        await emulator.faults.settled()
        (charge,) = emulator.charges(type="charge")
        assert charge.amount == Decimal("0.01")
    assert report.finding("broken-connection").verdict == verdict, evidence_of(report)
    assert ("settle_window" in report.settings) is settings


async def test_a_request_that_never_takes_effect_is_said_so() -> None:
    async with VoucherEmulator(clock=ManualClock(skip_sleeps=True)) as emulator:
        emulator.faults.script("chargeReservation", faults.BreakBefore())
        report = await run(emulator, "broken-connection")
        assert emulator.charges() == ()
    assert "no charge showed within 90 s" in report.finding("broken-connection").evidence


async def test_a_server_that_makes_its_own_ids_is_probed_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bench, "new_id", lambda self: "recharge")  # an id that the emulator refuses
    async with VoucherEmulator(clock=ManualClock(skip_sleeps=True)) as emulator:
        report = await run(emulator, "second-charge", "refused-delete-active")
        assert {voucher.status for voucher in emulator.vouchers()} == {"inactive"}
        assert {each.id for each in report.left} == {voucher.id for voucher in emulator.vouchers()}
    assert report.of(Verdict.CONFIRMED) == report.findings, evidence_of(report)


async def test_a_charge_that_is_made_and_refused_was_delivered_twice() -> None:
    mesh = habits.DeliverTwice(operations=("chargeReservation",))
    report = await probed("delivered-once", habits={"deliver_twice": mesh})
    finding = report.finding("delivered-once")
    assert finding.verdict == Verdict.REFUTED
    assert "ALREADY_CHARGED, 1 in the list" in finding.evidence


async def test_a_second_charge_that_was_not_answered_by_the_api_confirms_nothing() -> None:
    clock = ManualClock(skip_sleeps=True)
    async with VoucherEmulator(clock=clock, allow_double_charge=True) as emulator:
        emulator.faults.script("chargeReservation", None, faults.ServerError())
        report = await run(emulator, "second-charge")
    assert report.finding("second-charge").verdict == Verdict.UNKNOWN, evidence_of(report)


async def test_an_answer_that_is_cut_off_decides_nothing() -> None:
    async with VoucherEmulator(clock=ManualClock(skip_sleeps=True)) as emulator:
        emulator.faults.script("requestToken", None, None, faults.CutOff())
        report = await run(emulator, "token-empty")
    assert report.finding("token-empty").verdict == Verdict.UNKNOWN, evidence_of(report)
    assert "cut off" in report.finding("token-empty").evidence


async def test_the_answer_of_a_proxy_says_nothing_about_scopes() -> None:
    report = await probed("scope-refundCharge", habits=dict(habits.KINDS["done, then 405"]))
    assert report.finding("scope-refundCharge").verdict == Verdict.UNKNOWN, evidence_of(report)
