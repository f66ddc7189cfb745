"""Commands that are interrupted at a step, in this process."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.test_tables import STYLE, Screen
from voucher_async.cli.bulk.progress import progress_of
from voucher_async.cli.bulk.tally import Tally
from voucher_async.cli.common import Session
from voucher_async.cli.exits import Exit
from voucher_async.cli.terminal import Terminal
from voucher_async.issuing import IssuedVoucher
from voucher_async.testing import VoucherEmulator

REDEEM = ("redeem", "GIFT-7", "10.00", "EUR", "--order", "A-1")
ISSUE = ("issue", "--count", "12", "--amount", "25.00", "--currency", "EUR", "--batch", "XMAS", "--activate")


def interrupt_at(
    monkeypatch: pytest.MonkeyPatch, owner: type, name: str, number: int = signal.SIGINT
) -> None:
    """Send a signal to this process when a method has been called first."""
    method, seen = getattr(owner, name), list[str]()

    def called(*arguments: object, **options: object) -> object:
        result = method(*arguments, **options)
        if not seen:
            seen.append(name)
            signal.raise_signal(number)
        return result

    monkeypatch.setattr(owner, name, called)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_redeem_that_had_sent_nothing_says_so(
    connected: VoucherEmulator, run: Run, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    connected.add_voucher(amount="25.00", code="GIFT-7")
    interrupt_at(monkeypatch, Session, "confirm", number)
    told = run(*REDEEM)
    assert told.status == Exit.INTERRUPTED
    assert "Nothing was sent" in told.err
    assert connected.charges() == ()
    assert run(*REDEEM).status == Exit.DONE


def test_a_redeem_that_was_charged_says_so(
    connected: VoucherEmulator, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected.add_voucher(amount="25.00", code="GIFT-7")
    interrupt_at(monkeypatch, Terminal, "show_one")
    told = run(*REDEEM)
    [charge] = connected.charges()
    assert charge.id in told.out
    assert told.status in {Exit.DONE, Exit.INTERRUPTED}
    assert told.status == Exit.DONE or f"It was done: charge {charge.id} of 10.00" in told.err


def test_a_batch_that_is_interrupted_is_gone_on_with(
    connected: VoucherEmulator, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    out = tmp_path / "cards.csv"
    with monkeypatch.context() as patch:
        interrupt_at(patch, Terminal, "line")
        told = run(*ISSUE, "--concurrency", "2", "--json", "--out", str(out))
    assert told.status == Exit.INTERRUPTED, told.err
    assert 1 <= len(told.out.splitlines()) < 12
    assert len(out.read_text().splitlines()) == 1 + len(told.out.splitlines())
    again = run(*ISSUE, "--json", "--out", str(out))
    assert again.status == Exit.DONE, again.err
    assert len({json.loads(line)["id"] for line in again.out.splitlines()}) == 12
    assert len(connected.vouchers()) == 12
    assert len(out.read_text().splitlines()) == 13


@pytest.mark.parametrize("columns", ["50", "100"])
def test_a_bar_shows_how_far_a_batch_is(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TERM", "xterm")
    screen, tally = Screen(), Tally(4)
    with progress_of(Terminal(err=screen), tally) as progress:
        for position in range(1, 5):
            tally.add(IssuedVoucher(position=position, id=f"card-{position}"))
            progress.show()
    assert re.search(r"4/4 .*found 4, failed 0", STYLE.sub("", screen.getvalue()))
