"""`voucher-async check`."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.cli.conftest import Run, Window
from voucher_async.cli.exits import Exit
from voucher_async.testing import VoucherEmulator


def states(out: str) -> dict[str, str]:
    rows = map(json.loads, out.splitlines())
    return {f"{row['name']} {row['about']}".strip(): row["state"] for row in rows}


def test_a_machine_on_which_all_works(connected: VoucherEmulator, run: Run) -> None:
    told = run("check", "--json")
    assert told.status == Exit.DONE, told.out
    found = states(told.out)
    assert found.pop(f"tls {connected.url.removeprefix('http://')}") == "skipped"
    assert set(found.values()) == {"ok"}
    assert {"configuration", "scope recharge", "clock", "round trip"} <= found.keys()
    assert "the command line's default" in told.out
    assert connected.client_secret not in told.out


def test_a_journal_that_somebody_named_and_that_is_not_there_is_warned_of(
    connected: VoucherEmulator, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setenv("VOUCHER_JOURNAL", f"sqlite:///{tmp_path}/journal.db")
    told = run("check")
    assert told.status == Exit.DONE
    assert "warning   journal" in told.out
    assert "correct VOUCHER_JOURNAL" in told.out
    assert "1 of 15 need a look" in told.err


def test_a_wrong_secret_is_named_in_a_terminal_with_what_to_do(
    connected: VoucherEmulator, window: Callable[..., Window], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOUCHER_CLIENT_SECRET", "wr0ng-secret")
    shown = window("check")
    assert shown.end() == Exit.REFUSED
    assert "the client secret is wrong" in shown.text.replace("\n", "")
    assert "-> Correct VOUCHER_CLIENT_ID" in shown.text
    assert "skipped   scope recharge" in shown.text
    assert "1 of 15 do not work." in shown.text
    assert "wr0ng-secret" not in shown.text


def test_a_machine_without_credentials_is_told_the_first_step(run: Run) -> None:
    told = run("check")
    assert (told.status, "voucher-async connect" in told.err) == (Exit.USAGE, True)
