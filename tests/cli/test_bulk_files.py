"""`voucher-async import` and `export`."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.cli.conftest import Run, Window
from voucher_async.cli.exits import Exit
from voucher_async.testing import VoucherEmulator, VoucherRecord, faults

FILE: Final = """custom_id;code;amount;currency;status;batch
CARD-1;GIFT-1;25.00;EUR;active;SPRING
CARD-2;GIFT-2;10.50;USD;inactive;SPRING
CARD-3;;25;EUR;;SPRING
"""


@pytest.fixture
def file(home: Path) -> Path:
    path = home / "cards.csv"
    path.write_text(FILE)
    return path


def connect(emulator: VoucherEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in emulator.environ().items():
        monkeypatch.setenv(name, value)


def by_id(emulator: VoucherEmulator) -> dict[str, VoucherRecord]:
    return {record.id: record for record in emulator.vouchers()}


def columns(text: str, *names: str) -> list[tuple[str, ...]]:
    return [tuple(row[name] for name in names) for row in csv.DictReader(io.StringIO(text), delimiter=";")]


def spoken(told: Any) -> list[Any]:
    return [json.loads(line) for line in told.out.splitlines()]


def test_a_file_is_issued_each_line_by_its_status(connected: VoucherEmulator, run: Run, file: Path) -> None:
    out = file.with_name("issued.csv")
    told = run("import", str(file), "--activate", "--out", str(out))
    assert told.status == Exit.DONE, told.err
    made = by_id(connected)
    assert {id: record.status for id, record in made.items()} == {
        "CARD-1": "active",
        "CARD-2": "inactive",
        "CARD-3": "active",
    }
    assert (made["CARD-2"].code, str(made["CARD-2"].amount), made["CARD-2"].currency) == (
        "GIFT-2",
        "10.50",
        "USD",
    )
    assert sorted(columns(out.read_text(), "custom_id", "code")) == sorted(
        (record.id, record.code) for record in made.values()
    )
    again = run("import", str(file), "--activate", "--out", str(out), "--json")
    assert (again.status, by_id(connected)) == (Exit.DONE, made)
    assert {(row["created"], row["error"]) for row in spoken(again)} == {(False, None)}
    assert sorted(row["line"] for row in spoken(again)) == [2, 3, 4]
    assert not any(record.code in again.out + again.err for record in made.values())


def test_every_wrong_line_is_told_of_before_anything_is_sent(
    connected: VoucherEmulator, run: Run, file: Path
) -> None:
    wrong = "".join(f"CARD-{number};S3CR3T;25,00;EUR;on;\n" for number in range(3, 12))
    file.write_text(f"{FILE}..;;1.00;EUR;;\n{wrong}")
    told = run("import", str(file), "--batch", "B")
    assert told.status == Exit.USAGE
    assert told.err.count("must be an amount such as 25.00") == 9
    assert told.err.count("must be active or inactive") == 9
    assert "line 5, custom_id: " in told.err, "an id that the API takes, and no path can hold"
    assert "10 lines are wrong; nothing was sent." in told.err
    assert "S3CR3T" not in told.err
    assert len(connected.requests) == 0
    rows = spoken(run("import", str(file), "--batch", "B", "--json"))
    assert {"line": 6, "column": "status", "rule": "must be active or inactive", "value": "'on'"} in rows


def test_a_dry_run_counts_and_needs_no_credentials(
    window: Callable[..., Window], run: Run, file: Path
) -> None:
    shown = window("import", str(file), "--activate", "--dry-run")
    assert shown.end() == Exit.DONE
    lines = [line.split() for line in shown.text.splitlines()]
    assert ["2", "25.00", "EUR", "active", "50.00"] in lines
    assert ["1", "10.50", "USD", "inactive", "10.50"] in lines
    assert "3 vouchers; nothing was sent." in shown.text
    rows = spoken(run("import", str(file), "--dry-run", "--json"))
    assert {
        "count": 1,
        "amount": "25.00",
        "currency": "EUR",
        "status": "active",
        "total_amount": "25.00",
    } in rows


def test_a_line_without_a_number_needs_a_batch(connected: VoucherEmulator, run: Run, file: Path) -> None:
    file.write_text("amount;currency\n25.00;EUR\n")
    told = run("import", str(file))
    assert (told.status, "line 2 has no custom_id of its own" in told.err) == (Exit.USAGE, True)
    assert len(connected.requests) == 0
    assert run("import", str(file), "--batch", "B").status == Exit.DONE
    assert run("import", str(file), "--batch", "B").status == Exit.DONE
    assert [record.batch for record in connected.vouchers()] == ["B"]


def test_a_line_that_the_server_refuses_stops_no_other(
    connected: VoucherEmulator, run: Run, file: Path
) -> None:
    connected.add_voucher(amount="1.00", code="GIFT-2")
    told = run("import", str(file), "--json")
    assert told.status == Exit.PARTLY
    assert "line 3: " in told.err
    assert "2 of 3 vouchers are issued, 1 failed." in told.err
    assert "Once that is mended, run it again" in told.err
    failed = [row for row in spoken(told) if row["error"]]
    assert [(row["line"], row["voucher"]) for row in failed] == [(3, None)]
    assert [(each["property"], each["rule"]) for each in failed[0]["field_errors"]] == [("code", "unique")]
    assert "GIFT-2" not in told.out + told.err


def test_its_own_input_is_never_written(
    connected: VoucherEmulator, run: Run, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = file.with_name("link.csv")
    link.symlink_to(file)
    told = run("import", str(file), "--out", str(link))
    assert (told.status, "is the file that is read" in told.err) == (Exit.USAGE, True)
    with file.open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        assert run("import", "-", "--out", str(file)).status == Exit.USAGE
        assert file.read_text() == FILE
        assert run("import", "-").status == Exit.DONE
    assert len(connected.vouchers()) == 3


@pytest.mark.parametrize(
    ("content", "words"), [(None, "cannot be read"), ("amount;currency\n", "no voucher")]
)
def test_a_file_without_vouchers_sends_nothing(
    connected: VoucherEmulator, run: Run, file: Path, content: str | None, words: str
) -> None:
    file.unlink()
    if content is not None:
        file.write_text(content)
    told = run("import", str(file), "--batch", "B")
    assert told.status == (Exit.USAGE if content is None else Exit.DONE)
    assert words in told.err
    assert len(connected.requests) == 0


@pytest.mark.parametrize("name", ["cards.csv", "cards.jsonl"])
def test_what_was_exported_is_imported_elsewhere_as_the_same(
    connected: VoucherEmulator, run: Run, home: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    connected.add_voucher(amount="25.00", currency="EUR", code='=1;"x"', pin="0815", batch="B", sku="GIFT")
    connected.add_voucher(
        amount="99.99", currency="USD", active=False, taxable=True, tax_rate="19", batch="B", type="print"
    )
    out = home / name
    assert run("export", "--out", str(out), "--show-secrets").status == Exit.DONE
    assert out.stat().st_mode & 0o777 == 0o600
    with VoucherEmulator() as other:
        connect(other, monkeypatch)
        refused = run("import", str(out))
        assert (refused.status, "--ignore valid_until leaves it out" in refused.err) == (Exit.USAGE, True)
        assert run("import", str(out), "--ignore", "valid_until").status == Exit.DONE
        made = by_id(other)
    same = ("amount", "currency", "code", "pin", "batch", "sku", "taxable", "tax_rate", "type", "status")
    assert {id: [getattr(each, field) for field in same] for id, each in by_id(connected).items()} == {
        id: [getattr(each, field) for field in same] for id, each in made.items()
    }


def test_an_export_is_filtered_in_order_and_without_secrets(connected: VoucherEmulator, run: Run) -> None:
    wanted = [connected.add_voucher(amount=number, batch="B", pin="4711").id for number in range(1, 8)]
    connected.add_voucher(amount="1.00", batch="C")
    connected.add_voucher(amount="1.00", batch="B", active=False)
    told = run("export", "--batch", "B", "--status", "active")
    assert told.status == Exit.DONE
    assert [row[0] for row in columns(told.out, "custom_id")] == wanted
    assert set(columns(told.out, "code", "pin")) == {("", "")}
    assert "Codes and pins are left out: --show-secrets reads them (scope read-secrets)." in told.err
    assert "7 vouchers." in told.err
    shown = run("export", "--batch", "B", "--status", "active", "--show-secrets", "--json")
    assert [row["id"] for row in spoken(shown)] == wanted
    assert {row["pin"] for row in spoken(shown)} == {"4711"}
    assert spoken(shown)[0]["remaining_amount"] == "1.00"
    assert "There is no such voucher." in run("export", "--batch", "D").err


def test_a_voucher_that_is_created_meanwhile_breaks_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with VoucherEmulator(newest_first=True, max_per_page=2) as emulator:
        connect(emulator, monkeypatch)
        ids = [emulator.add_voucher(amount="1.00").id for _ in range(6)]
        emulator.faults.script("listVouchers", faults.SlowHeaders(0.5))
        emulator.faults.script("getCompleteVoucher", faults.SlowHeaders(0.5))
        adding = threading.Timer(0.2, emulator.add_voucher, kwargs={"amount": "2.00"})
        adding.start()
        told = run("export", "--show-secrets", "--json")
        adding.join()
        assert told.status == Exit.DONE, told.err
        assert [row["id"] for row in spoken(told) if row["id"] in ids] == ids[::-1]


def test_what_the_csv_cannot_hold_is_told(connected: VoucherEmulator, run: Run) -> None:
    connected.add_voucher(amount="5.00", code="GIFT-7", order_number="A-1", data="{}")
    assert run("export", "--format", "jsonl").err.count("has no column") == 0
    told = run("export")
    assert "The CSV has no column for order_number (of 1), data (of 1): --format jsonl has all" in told.err


def test_a_missing_scope_leaves_no_file(
    connected: VoucherEmulator, run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected.add_voucher(amount="5.00")
    client = connected.add_client(scopes=["read-lists"])
    for name, value in connected.environ(client).items():
        monkeypatch.setenv(name, value)
    told = run("export", "--show-secrets", "--out", str(home / "out.csv"))
    assert (told.status, "read-secrets" in told.err) == (Exit.REFUSED, True)
    assert not list(home.glob("*out.csv*"))
    assert run("export", "--out", str(home / "out.csv")).status == Exit.DONE


def test_a_file_that_is_there_is_replaced_only_when_asked(
    connected: VoucherEmulator, run: Run, file: Path
) -> None:
    connected.add_voucher(amount="5.00")
    told = run("export", "--out", str(file))
    assert (told.status, "--replace" in told.err, file.read_text()) == (Exit.USAGE, True, FILE)
    assert run("export", "--out", str(file), "--replace").status == Exit.DONE
    assert len(columns(file.read_text(), "amount")) == 1
    for name in ("missing/out.csv", "."):
        assert run("export", "--out", str(file.parent / name)).status == Exit.USAGE


def test_a_full_disk_leaves_the_old_file(
    connected: VoucherEmulator, run: Run, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected.add_voucher(amount="5.00")

    def fsync(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    told = run("export", "--out", str(file), "--replace")
    assert (told.status, "No space left on device" in told.err) == (Exit.REFUSED, True)
    assert file.read_text() == FILE
    assert [path.name for path in file.parent.glob("*cards.csv*")] == ["cards.csv"]


def test_a_code_cannot_steer_a_terminal(connected: VoucherEmulator, window: Callable[..., Window]) -> None:
    connected.add_voucher(amount="5.00", code="\x1b]0;owned\x07", batch="B")
    shown = window("export", "--show-secrets")
    assert shown.end() == Exit.DONE
    assert r"\x1b]0;owned\x07" in shown.text.replace("\n", "")
