"""`voucher-async probe`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Run, Window
from voucher_async.cli.exits import Exit
from voucher_async.cli.probing import QUESTIONS
from voucher_async.testing import VoucherEmulator, habits

SHORT = ("refused-balance", "create-status")


def test_the_questions_can_be_read_without_credentials(run: Run) -> None:
    told = run("probe", "--list", "--json")
    assert told.status == Exit.DONE
    assert [json.loads(line)["name"] for line in told.out.splitlines()] == [each.id for each in QUESTIONS]


def test_a_server_as_assumed(connected: VoucherEmulator, run: Run, tmp_path: Path) -> None:
    report, lines = tmp_path / "report.json", tmp_path / "lines.yaml"
    told = run("probe", *SHORT, "--json", "--report", str(report), "--lines", str(lines))
    assert told.status == Exit.DONE, told.err
    verdicts = {row["id"]: row["verdict"] for row in map(json.loads, told.out.splitlines())}
    assert {verdicts[name] for name in SHORT} == {"confirmed"}
    assert json.loads(report.read_text())["batch"] in told.err
    assert "x-observed" in lines.read_text()
    assert all(voucher.status != "active" for voucher in connected.vouchers())
    assert connected.client_secret not in told.out + told.err + report.read_text() + lines.read_text()


def test_a_refuted_assumption_in_a_terminal(
    connected: VoucherEmulator, window: Callable[..., Window]
) -> None:
    connected.habits.set(**habits.KINDS["tolerant codes"])
    shown = window("probe", "refused-spelling")
    assert shown.end() == Exit.REFUSED
    assert "refuted   refused-spelling: " in shown.text
    assert " refuted, " in shown.text


def test_another_server_than_the_sandbox_has_to_be_allowed_and_agreed_to(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"CLIENT_ID": "shop", "CLIENT_SECRET": "s3cret", "ENVIRONMENT": "production"}.items():
        monkeypatch.setenv(f"VOUCHER_{name}", value)
    told = run("probe")
    assert (told.status, "is not the sandbox" in told.err) == (Exit.USAGE, True)
    told = run("probe", "--production")
    assert told.status == Exit.USAGE
    assert "in PRODUCTION (vouchers.api.jtl-software.com)?" in told.err


def test_a_report_that_cannot_be_written_is_found_before_anything_is_sent(
    connected: VoucherEmulator, run: Run
) -> None:
    told = run("probe", "--report", "/proc/report.json")
    assert (told.status, len(connected.requests)) == (Exit.USAGE, 0)
    assert run("probe", "no-such-question").status == Exit.USAGE
    assert len(connected.requests) == 0
