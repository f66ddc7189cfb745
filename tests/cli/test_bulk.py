"""`voucher-async issue`."""

from __future__ import annotations

import csv
import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.cli.conftest import PATIENCE, Run, Window
from tests.processes import plain_environment
from voucher_async.cli.exits import Exit
from voucher_async.testing import VoucherEmulator, faults
from voucher_async.voucher_files import writing

BATCH: Final = "XMAS-2026"


def command(count: int, out: Path | None = None, *others: str, activate: bool = True) -> list[str]:
    """The command of the issue, so many vouchers."""
    amount = ("--amount", "25.00", "--currency", "EUR", "--batch", BATCH)
    to = () if out is None else ("--out", str(out))
    return ["issue", "--count", str(count), *amount, *(["--activate"] if activate else []), *to, *others]


def rows(out: Path) -> list[dict[str, str]]:
    with out.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter=";"))


def check_issued(emulator: VoucherEmulator, count: int, out: Path) -> None:
    """Exactly so many vouchers, all active, each activated once, and one line for each."""
    made = {record.id: record.code for record in emulator.vouchers()}
    assert len(made) == count
    assert {record.status for record in emulator.vouchers()} == {"active"}
    patches = Counter(entry.path for entry in emulator.requests.of("setVoucherStatus") if entry.status == 200)
    assert (len(patches), set(patches.values())) == (count, {1})
    lines = rows(out)
    assert {row["custom_id"]: row["code"] for row in lines} == made
    assert len(lines) == count
    assert {row["status"] for row in lines} == {"active"}


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def quick(connected: VoucherEmulator) -> VoucherEmulator:
    """An emulator for thousands of requests: development mode would look at each step of each."""
    assert connected._thread is not None
    assert connected._thread._loop is not None
    connected._thread._loop.set_debug(False)
    return connected


def slow_after(emulator: VoucherEmulator, count: int, seconds: float = 0.5) -> None:
    """So many vouchers are made at once, and the others slowly."""
    emulator.faults.clear()
    emulator.faults.script("createVoucher", *[None] * count, *[faults.SlowHeaders(seconds)] * 100)


@pytest.mark.timeout(300)
def test_cut_off_by_ctrl_c_and_by_kill_and_run_again_there_are_exactly_five_hundred(
    quick: VoucherEmulator, window: Callable[..., Window], home: Path
) -> None:
    out = home / "cards.csv"
    slow_after(quick, 30)
    first = window(*command(500, out))
    wait_until(lambda: len(quick.vouchers()) > 40)
    first.interrupt()
    assert first.end() == Exit.INTERRUPTED
    known = len(rows(out))
    words = first.text.replace("\n", "")  # the terminal breaks lines
    assert f"Interrupted: {known} of 500 vouchers are issued. {out} has {known} vouchers." in words
    assert "Run the same command again: it goes on, and makes none twice." in words
    assert len(quick.vouchers()) == known, "what was under way has ended"
    slow_after(quick, 30)
    second = window(*command(500, out))
    wait_until(lambda: len(quick.vouchers()) > known + 40)
    second.child.kill(signal.SIGKILL)
    second.child.wait()
    quick.faults.clear()
    third = window(*command(500, out))
    assert third.end() == Exit.DONE
    assert "500/500" in third.text
    assert "found " in third.text
    check_issued(quick, 500, out)
    assert not any(code in third.text for code in (record.code for record in quick.vouchers()))


def test_another_machine_finds_the_same_vouchers(
    connected: VoucherEmulator, run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(*command(5, home / "cards.csv")).status == Exit.DONE
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "another machine"))
    told = run(*command(5, home / "other.csv"))
    assert (told.status, "(0 new, 5 found)" in told.err) == (Exit.DONE, True)
    check_issued(connected, 5, home / "other.csv")


def test_a_bar_shows_the_rate_and_a_second_ctrl_c_ends_at_once(
    connected: VoucherEmulator, window: Callable[..., Window], home: Path
) -> None:
    out = home / "cards.csv"
    slow_after(connected, 10, 60.0)
    shown = window(*command(30, out))
    for words in ("10/30", "/s", "0:00:", "found 0, failed 0"):
        shown.wait_for(words)
    wait_until(lambda: len(connected.vouchers()) == 30)
    began = time.monotonic()
    shown.interrupt()
    shown.wait_for("Ctrl-C again ends at once.")
    shown.interrupt()
    assert shown.end() == Exit.INTERRUPTED
    assert time.monotonic() - began < 9  # the vouchers under way get 10 seconds, and would need 60
    words = shown.text.replace("\n", "")
    assert "Interrupted: 10 of 30 vouchers are issued. 20 more were cut off and may have been" in words
    assert len(rows(out)) == 10
    assert "Traceback" not in shown.text
    assert "left open" not in shown.text, "a warning of each call says nothing that the last words do not"


def test_words_in_a_pipe_and_no_code_anywhere(connected: VoucherEmulator, run: Run, home: Path) -> None:
    options = ("--sku", "GIFT", "--type", "print", "--validity", "3 years", "--taxable", "--tax-rate", "19")
    told = run(*command(5, home / "cards.jsonl", *options, "--order", "A-1", "--data", "{}", "--json"))
    assert told.status == Exit.DONE, told.err
    assert told.err == f"5 of 5 vouchers are issued. {home}/cards.jsonl has 5 vouchers.\n"
    cards = [json.loads(line) for line in told.out.splitlines()]
    assert sorted(card["position"] for card in cards) == [1, 2, 3, 4, 5]
    assert {(card["error"], card["created"], card["activated"]) for card in cards} == {(None, True, True)}
    assert {card["voucher"]["amount"] for card in cards} == {"25.00"}
    assert not any(record.code in told.out + told.err for record in connected.vouchers())
    written = [json.loads(line) for line in (home / "cards.jsonl").read_text().splitlines()]
    assert {card["code"] for card in written} == {record.code for record in connected.vouchers()}
    made = connected.vouchers()[0]
    assert (made.sku, made.type, made.taxable, made.tax_rate) == ("GIFT", "print", True, "19")
    assert (made.validity_value, made.validity_interval, made.order_number) == (3, "years", "A-1")


def test_without_a_file_the_way_to_the_codes_is_told(connected: VoucherEmulator, run: Run) -> None:
    told = run(*command(2))
    assert (told.status, told.out) == (Exit.DONE, "")
    assert "`voucher-async export --show-secrets` (scope read-secrets)" in told.err


def test_vouchers_that_are_activated_later_have_one_line_still(
    connected: VoucherEmulator, run: Run, home: Path
) -> None:
    out = home / "cards.csv"
    assert run(*command(3, out, activate=False)).status == Exit.DONE
    assert {row["status"] for row in rows(out)} == {"inactive"}
    told = run(*command(3, out))
    assert "has 3 vouchers; what is not in it is added, and nothing twice." in told.err
    check_issued(connected, 3, out)


def test_a_voucher_that_somebody_deactivated_is_told_of_and_its_line_is_true(
    connected: VoucherEmulator, run: Run, home: Path
) -> None:
    out = home / "cards.csv"
    run(*command(3, out))
    stolen = connected.vouchers()[0]
    connected.shift(60)
    connected.set_status(stolen.id, "inactive")
    told = run(*command(3, out))
    assert told.status == Exit.PARTLY
    assert "so it was not activated (it is there, inactive)" in told.err
    assert "2 of 3 vouchers are issued (0 new, 2 found), 1 failed." in told.err
    assert {row["custom_id"]: row["status"] for row in rows(out)}[stolen.id] == "inactive"
    run(*command(3, home / "other.csv"))
    assert len(rows(home / "other.csv")) == 2, "a file gets what is as it was asked for"


def test_other_vouchers_need_another_batch(connected: VoucherEmulator, run: Run) -> None:
    run(*command(25))
    options = ("--currency", "EUR", "--batch", BATCH, "--json")
    told = run("issue", "--count", "26", "--amount", "30", *options)
    assert told.status == Exit.PARTLY
    assert "1 of 26 vouchers are issued, 25 failed." in told.err
    assert "new vouchers need another --batch. Once that is mended" in told.err
    assert told.err.count("\nvoucher ") == 19, "a person is not flooded"
    cards = [json.loads(line) for line in told.out.splitlines()]
    assert Counter(card["error"] is None for card in cards) == {True: 1, False: 25}


def test_an_error_that_all_would_meet_ends_it_with_one_request(
    connected: VoucherEmulator, run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = connected.add_client(scopes=["read"])
    for name, value in connected.environ(client).items():
        monkeypatch.setenv(name, value)
    told = run(*command(50, home / "cards.csv"))
    assert told.status == Exit.OPEN  # a proxy may have delivered it once before it was refused
    assert "createVoucher needs the scope 'manage'" in told.err
    assert "The client's group in the Admin UI gives it its scopes" in told.err
    assert "0 of 50 vouchers are issued" in told.err
    assert len(connected.requests.of("createVoucher")) == 1


def test_a_run_that_ends_in_the_middle_is_never_called_nothing_done(
    connected: VoucherEmulator, run: Run, home: Path
) -> None:
    out = home / "cards.csv"
    connected.faults.script("createVoucher", *[None] * 5, *[faults.TooMany(90)] * 50)
    told = run(*command(10, out, "--concurrency", "1", "--timeout", "5"))
    assert told.status == Exit.PARTLY
    assert "error: " in told.err
    assert "Nothing was done" not in told.err
    assert "Run the same command again" in told.err
    assert len(rows(out)) == 5
    connected.faults.clear()
    assert run(*command(10, out)).status == Exit.DONE
    check_issued(connected, 10, out)


def test_a_busy_server_slows_it_down(connected: VoucherEmulator, run: Run, home: Path) -> None:
    connected.faults.script("createVoucher", None, *[faults.TooMany(0)] * 6)
    connected.faults.script("setVoucherStatus", None, *[faults.TooMany(0)] * 6)
    told = run(*command(20, home / "cards.csv"))
    assert told.status == Exit.DONE, told.err
    check_issued(connected, 20, home / "cards.csv")


@pytest.mark.parametrize("name", ["missing/cards.csv", ".", "taken"])
def test_a_file_that_cannot_be_written_is_found_before_the_first_voucher(
    connected: VoucherEmulator, run: Run, home: Path, name: str
) -> None:
    (home / "taken").write_text("the only copy of something else\n")
    told = run(*command(5, home / name))
    assert told.status == Exit.USAGE
    assert "Traceback" not in told.err
    assert (connected.vouchers(), len(connected.requests.of("createVoucher"))) == ((), 0)
    assert (home / "taken").read_text() == "the only copy of something else\n"


def test_a_full_disk_ends_it_and_the_next_run_goes_on(
    connected: VoucherEmulator, run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, write_all = home / "cards.csv", writing._write_all

    def limited(file: Any, content: bytes) -> None:
        if out.exists() and out.stat().st_size + len(content) > 2000:
            file.write(content[:20])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write_all(file, content)

    with monkeypatch.context() as patch:
        patch.setattr(writing, "_write_all", limited)
        told = run(*command(40, out, "--concurrency", "4"))
    assert told.status == Exit.PARTLY
    assert f"error: {out} cannot be written (No space left on device)" in told.err
    assert all(row["code"] for row in rows(out))
    assert run(*command(40, out)).status == Exit.DONE
    check_issued(connected, 40, out)


def test_a_reader_that_leaves_stops_no_voucher(connected: VoucherEmulator, home: Path) -> None:
    line = f"{sys.executable} -m voucher_async {' '.join(command(30))} --json 2>&1 | head -1"
    told = subprocess.run(
        ["bash", "-c", f"{line}; exit ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        check=False,
        env=plain_environment(),
    )
    assert (told.returncode, len(connected.vouchers())) == (Exit.DONE, 30), told
    assert '"position"' in told.stdout


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--count", "0", "count"),
        ("--amount", "25,00", '"10.00"'),
        ("--currency", "euro", "currency"),
        ("--batch", "X" * 31, "30 characters"),
        ("--validity", "3 years and a day", '"3 years"'),
        ("--tax-rate", "19", "taxable"),
        ("--concurrency", "0", "concurrency"),
    ],
)
def test_wrong_usage_sends_nothing(
    connected: VoucherEmulator, run: Run, option: str, value: str, words: str
) -> None:
    given = {"--count": "5", "--amount": "25.00", "--currency": "EUR", "--batch": BATCH, option: value}
    told = run("issue", *(word for pair in given.items() for word in pair))
    assert (told.status, words in told.err) == (Exit.USAGE, True), told.err
    assert len(connected.requests) == 0


@pytest.fixture
def real(home: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Money moves wherever the emulator is, here and in a terminal."""
    patch = "import voucher_async.cli.places as places\nplaces.is_real = lambda settings: True\n"
    (home / "sitecustomize.py").write_text(patch)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(home), str(root))))
    monkeypatch.setattr("voucher_async.cli.common.is_real", lambda _: True)


@pytest.mark.usefixtures("real")
def test_it_asks_in_production(
    connected: VoucherEmulator, run: Run, window: Callable[..., Window], home: Path
) -> None:
    question = f"Issue 3 vouchers of 25.00 EUR, 75.00 EUR together, in {connected.url[7:]}?"
    told = run(*command(3, home / "cards.csv"))
    assert (told.status, question in told.err) == (Exit.USAGE, True), told.err
    assert not (home / "cards.csv").exists()
    shown = window(*command(3, home / "cards.csv"))
    shown.wait_for(f"{question} [y/N] ")
    shown.answer("n")
    assert shown.end() == Exit.USAGE
    assert connected.vouchers() == ()
    assert run(*command(4), "--yes").status == Exit.DONE
