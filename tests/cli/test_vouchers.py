"""`voucher-async voucher ...`."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from typing import Any

import pytest

from tests.cli.conftest import Run, Told
from tests.processes import plain_environment
from voucher_async.cli.exits import Exit
from voucher_async.cli.terminal import HIDDEN
from voucher_async.testing import VoucherEmulator, faults, habits


def lines(told: Told) -> list[dict[str, Any]]:
    assert told.status == Exit.DONE, told.err
    return [json.loads(line) for line in told.out.splitlines()]


def test_a_list_shows_money_with_its_currency_and_to_the_cent(connected: VoucherEmulator, run: Run) -> None:
    connected.add_voucher(amount="999999.99", currency="EUR", batch="XMAS", id="big")
    connected.add_voucher(amount="0.01", currency="CHF", active=False, id="small")
    told = run("voucher", "list")
    assert told.status == Exit.DONE, told.err
    head, big, small = [line.split() for line in told.out.splitlines()]
    assert head[:2] == ["id", "status"]
    assert big[:6] == ["big", "active", "999999.99", "EUR", "999999.99", "EUR"]
    assert small[:6] == ["small", "inactive", "0.01", "CHF", "0.01", "CHF"]
    assert [each["remaining_amount"] for each in lines(run("voucher", "list", "--json"))] == [
        "999999.99",
        "0.01",
    ]


def test_a_list_reads_no_page_more_than_it_shows(connected: VoucherEmulator, run: Run) -> None:
    connected.habits.set(**habits.KINDS["pages of 2"])
    for number in range(7):
        connected.add_voucher(amount="5.00", id=f"v{number}", batch="odd" if number % 2 else None)
    told = run("voucher", "list", "--json", "--limit", "3")
    assert [each["id"] for each in lines(told)] == ["v0", "v1", "v2"]
    assert "there are more" in told.err
    assert connected.requests.count("listVouchers") == 2
    assert [each["id"] for each in lines(run("voucher", "list", "--json", "--batch", "odd"))] == [
        "v1",
        "v3",
        "v5",
    ]
    told = run("voucher", "list", "--json", "--all")
    assert (len(lines(told)), told.err) == (7, "")
    assert run("voucher", "list", "--limit", "0").status == Exit.USAGE


def test_a_list_is_narrowed_down_by_status_and_date(connected: VoucherEmulator, run: Run) -> None:
    connected.add_voucher(amount="5.00", id="on")
    connected.add_voucher(amount="5.00", id="off", active=False)
    today = connected.now().astimezone().date().isoformat()
    found = lines(run("voucher", "list", "--json", "--status", "inactive", "--created-to", today))
    assert [each["id"] for each in found] == ["off"]
    told = run("voucher", "list", "--created-from", "2999-01-01", "--status", "active")
    assert (told.status, told.out) == (Exit.DONE, "")
    assert "no such voucher" in told.err
    told = run("voucher", "list", "--created-from", "yesterday")
    assert (told.status, "such as 2026-11-30" in told.err) == (Exit.USAGE, True)


def test_each_creation_is_a_voucher_unless_it_has_a_key(connected: VoucherEmulator, run: Run) -> None:
    for _ in range(2):
        told = run("voucher", "create", "25", "EUR", "--batch", "XMAS")
        assert "voucher activate" in told.err
    assert len(connected.vouchers()) == 2
    first, second = (
        lines(run("voucher", "create", "25.00", "EUR", "--key", "card 7", "--json"))[0] for _ in range(2)
    )
    assert first["id"] == second["id"]
    assert (first["made_before"], second["made_before"]) == (False, True)
    assert first["code"] == HIDDEN
    assert len(connected.vouchers()) == 3
    for _ in range(2):
        assert run("voucher", "create", "25.00", "EUR", "--id", "card-8").status == Exit.DONE
    assert len(connected.vouchers()) == 4
    assert run("voucher", "delete", "card-8", "--comment", "a misprint").status == Exit.DONE
    told = run("voucher", "create", "25.00", "EUR", "--id", "card-8")
    assert (told.status, "deleted since" in told.err, len(connected.vouchers())) == (Exit.REFUSED, True, 3)
    told = run("voucher", "create", "26.00", "EUR", "--key", "card 7")
    assert (told.status, "--key" in told.err) == (Exit.REFUSED, True)


def test_code_and_pin_come_by_the_standard_input(
    connected: VoucherEmulator, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("GIFT-7\n4711\n"))
    told = run("voucher", "create", "5.00", "EUR", "--code", "-", "--pin", "-", "--id", "card")
    assert told.status == Exit.DONE, told.err
    assert (connected.voucher("card").code, connected.voucher("card").pin) == ("GIFT-7", "4711")
    shown = lines(run("voucher", "show", "card", "--json", "--show-secrets"))[0]
    assert (shown["code"], shown["pin"]) == ("GIFT-7", "4711")


def test_a_creation_whose_answer_was_lost_names_the_key_that_goes_on_with_it(
    connected: VoucherEmulator, run: Run
) -> None:
    connected.faults.script("createVoucher", *[faults.BreakAfter()] * 9)
    told = run("voucher", "create", "25.00", "EUR", "--timeout", "3")
    assert told.status == Exit.OPEN, told.err
    connected.faults.clear()
    assert len(connected.vouchers()) == 1
    key = told.err.partition("--key ")[2].partition(":")[0]
    again = lines(run("voucher", "create", "25.00", "EUR", "--key", key, "--json"))[0]
    assert (len(connected.vouchers()), again["id"]) == (1, connected.vouchers()[0].id)


def test_a_voucher_is_activated_changed_and_deleted(connected: VoucherEmulator, run: Run) -> None:
    connected.add_voucher(amount="5.00", id="card", active=False, batch="old", sku="A-1")
    assert run("voucher", "update", "card", "--batch", "new", "--sku", "").status == Exit.DONE
    assert (connected.voucher("card").batch, connected.voucher("card").sku) == ("new", None)
    assert lines(run("voucher", "activate", "card", "--json"))[0]["status"] == "active"
    assert run("voucher", "delete", "card", "--comment", "a mistake").status == Exit.REFUSED
    told = run("voucher", "deactivate", "card", "--comment", "lost")
    assert "inactive" in told.out
    assert run("voucher", "delete", "card", "--comment", " ").status == Exit.USAGE
    assert lines(run("voucher", "delete", "card", "--comment", "a mistake", "--json")) == [
        {"id": "card", "deleted": True}
    ]
    assert connected.vouchers() == ()
    told = run("voucher", "delete", "card", "--comment", "once more")
    assert (told.status, "may have been deleted before" in told.err) == (Exit.REFUSED, True)
    told = run("voucher", "update", "card")
    assert (told.status, "--sku or --batch" in told.err) == (Exit.USAGE, True)


@pytest.mark.parametrize(
    ("operation", "command"),
    [
        ("setVoucherStatus", ["activate", "card"]),
        ("updateVoucher", ["update", "card", "--sku", "B-2"]),
        ("deleteVoucher", ["delete", "card", "--comment", "a mistake"]),
    ],
)
def test_a_change_whose_answer_was_lost_is_never_called_undone(
    connected: VoucherEmulator, run: Run, operation: str, command: list[str]
) -> None:
    connected.add_voucher(amount="5.00", id="card", active=False)
    connected.faults.script(operation, *[faults.BreakAfter()] * 9)
    told = run("voucher", *command, "--timeout", "3")
    assert told.status == Exit.OPEN, told.err
    assert "It may have been done" in told.err
    connected.faults.clear()
    connected.faults.script(operation, *[faults.TooMany(0)] * 9)
    told = run("voucher", *command, "--timeout", "2")
    assert told.status == Exit.LATER, told.err


def test_a_reader_that_has_enough_of_a_list_is_no_error(connected: VoucherEmulator) -> None:
    for number in range(30):
        connected.add_voucher(amount="5.00", id=f"v{number}", sku="S" * 250)
    line = f"set -o pipefail; {sys.executable} -m voucher_async voucher list --json --all | head -n 1"
    told = subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, check=False, env=plain_environment()
    )
    assert (told.returncode, told.stderr) == (0, "")
    assert json.loads(told.stdout)["id"] == "v0"
