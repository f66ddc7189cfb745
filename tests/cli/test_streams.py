"""Results that cannot be written, and streams that are closed: what was done is said all the same."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from tests.cli.conftest import Run
from tests.cli.test_connect import works_with
from voucher_async.cli.exits import Exit
from voucher_async.cli.terminal import Terminal
from voucher_async.testing import VoucherEmulator

ORDER = ("1.00", "EUR", "--order", "A-1")


@pytest.fixture
def full() -> Iterator[TextIO]:
    stream = os.fdopen(os.open("/dev/full", os.O_WRONLY), "w", encoding="utf-8")
    yield stream
    with pytest.raises(OSError, match="No space"):
        stream.close()


@pytest.fixture
def unread() -> Iterator[TextIO]:
    """A pipe whose reader has left."""
    reader, writer = os.pipe()
    os.close(reader)
    stream = os.fdopen(writer, "w", encoding="utf-8")
    yield stream
    with pytest.raises(BrokenPipeError):
        stream.close()


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_charge_whose_result_finds_no_room_is_not_called_undone(
    connected: VoucherEmulator, run: Run, full: TextIO, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    voucher = connected.add_voucher(amount="25.00", currency="EUR", code="GIFT-7")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", full)
        told = run("redeem", "GIFT-7", *ORDER, *options)
    assert len(connected.charges(voucher_id=voucher.id)) == 1
    assert told.status == Exit.PARTLY
    assert "No space left on device" in told.err
    assert "what was done stands" in told.err
    assert "Traceback" not in told.err
    assert run("redeem", "GIFT-7", *ORDER).status == Exit.DONE
    assert len(connected.charges(voucher_id=voucher.id)) == 1


def test_a_charge_whose_reader_has_left_is_done(
    connected: VoucherEmulator, run: Run, unread: TextIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    voucher = connected.add_voucher(amount="25.00", currency="EUR", code="GIFT-7")
    monkeypatch.setattr(sys, "stdout", unread)
    monkeypatch.setattr(sys, "stderr", None)
    monkeypatch.setattr(sys, "stdin", None)
    assert run("redeem", "GIFT-7", *ORDER).status == Exit.DONE
    assert len(connected.charges(voucher_id=voucher.id)) == 1


def test_an_error_that_nobody_foresaw_is_not_called_undone(
    connected: VoucherEmulator, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("something that nobody foresaw")

    voucher = connected.add_voucher(amount="25.00", currency="EUR", code="GIFT-7")
    monkeypatch.setattr(Terminal, "show_one", broken)
    told = run("redeem", "GIFT-7", *ORDER)
    assert len(connected.charges(voucher_id=voucher.id)) == 1
    assert (told.status, "It may have been done" in told.err) == (Exit.OPEN, True)
    assert "GIFT-7" not in told.err


def test_closed_streams_break_nothing(
    connected: VoucherEmulator, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    for given in ([], ["-"]):
        told = run("redeem", *given, *ORDER)
        assert (told.status, "code: must be given" in told.err) == (Exit.USAGE, True)
    monkeypatch.setattr(sys, "stdout", None)
    for arguments in (["voucher", "list", "--json"], ["--help"]):
        told = run(*arguments)
        assert (told.status, told.out) == (Exit.PARTLY if "--help" in arguments else Exit.DONE, "")
        assert "Traceback" not in told.err


def test_characters_that_a_stream_has_none_for_are_spelt(
    connected: VoucherEmulator, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    voucher = connected.add_voucher(amount="25.00", currency="EUR", batch="W\u00fcnsche")
    path = tmp_path / "out.txt"
    with path.open("w", encoding="ascii") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert run("voucher", "show", voucher.id).status == Exit.DONE
    assert r"W\xfcnsche" in path.read_text(encoding="ascii")


def test_credentials_that_cannot_be_printed_are_not_lost(
    emulator: VoucherEmulator, run: Run, full: TextIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", full)
        told = run("connect", emulator.new_connect_pin(), "--base-url", emulator.base_url, "--print")
    assert told.status == Exit.PARTLY
    kept = [line for line in told.err.splitlines() if line.startswith("VOUCHER_")]
    assert works_with("\n".join(kept), emulator)


@pytest.mark.parametrize(
    "arguments",
    [
        ["redeem", "--code=S3CRET", *ORDER],
        ["redeem", "--pim", "S3CRET", *ORDER],
        ["redeem", "-pS3CRET", *ORDER],
        ["redeem", "GIFT", *ORDER, "S3CRET"],
        ["redeem", "GIFT", *ORDER, "--timeout", "S3CRET"],
        ["redeem", "GIFT", *ORDER, "--json=S3CRET"],
        ["connect", "--environment", "S3CRET"],
        ["connect", "--pin=S3CRET"],
    ],
)
def test_what_was_typed_wrongly_is_not_repeated(run: Run, arguments: list[str]) -> None:
    told = run(*arguments)
    assert (told.status, told.out) == (Exit.USAGE, "")
    assert told.err.startswith("error: ")
    assert "S3CRET" not in told.err


def test_options_before_the_command_and_a_screen_without_columns(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "0")
    assert run("redeem", "--help").status == Exit.DONE
    assert "Options stand behind the command" in run("--json", "pending").err
