"""Money commands in a terminal: their questions, Ctrl-C and `kill -9` in the middle, and run again."""

from __future__ import annotations

import builtins
import contextlib
import os
import signal
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from tests.cli.conftest import PATIENCE, Run, Window
from voucher_async.cli.exits import Exit
from voucher_async.cli.terminal import Terminal
from voucher_async.testing import VoucherEmulator, faults

CODE = "GIFT-7"
HOST = "vouchers.example"
REDEEM = ("redeem", CODE, "10.00", "EUR", "--order", "A-1")

RESOLVER = f"""
import socket
_ask = socket.getaddrinfo
socket.getaddrinfo = lambda host, *a, **k: _ask("127.0.0.1" if host == "{HOST}" else host, *a, **k)
"""


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[VoucherEmulator]:
    """An emulator under a name that is not this machine's, here and in the processes that are started."""
    ask = socket.getaddrinfo

    def resolve(host: Any, *args: Any, **options: Any) -> Any:
        return ask("127.0.0.1" if host == HOST else host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    (tmp_path / "sitecustomize.py").write_text(RESOLVER)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(tmp_path), os.environ.get("PYTHONPATH", ""))))
    with VoucherEmulator(hosts=[HOST]) as emulator:
        for name, value in emulator.environ().items():
            monkeypatch.setenv(name, value.replace("127.0.0.1", HOST))
        emulator.add_voucher(amount="25.00", code=CODE, id="card")
        yield emulator


@pytest.fixture
def shop(connected: VoucherEmulator) -> VoucherEmulator:
    connected.add_voucher(amount="25.00", code=CODE, id="card")
    return connected


@attrs.frozen
class Case:
    """A command that is cut off in the middle of an operation, and the balance that it leaves."""

    operation: str
    command: tuple[str, ...]
    left: str

    def prepare(self, run: Run) -> None:
        """Make what is to be refunded."""
        if self.operation == "refundCharge":
            assert run("redeem", CODE, "7.00", "EUR", "--order", "A-0").status == Exit.DONE


CASES: Final = (
    Case("chargeReservation", REDEEM, "15.00"),
    Case("rechargeVoucher", ("recharge", "card", "5.00", "EUR", "--order", "A-2"), "30.00"),
    Case("refundCharge", ("refund", "--order", "A-0"), "25.00"),
)


def wait_until(is_so: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def let_leases_end(home: Path) -> None:
    """The next command need not wait until the killed one's lease is over."""
    path = home / "state" / "voucher-async" / "environment.db"
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE voucher_owners SET lease_ends = 0")


def test_in_production_each_command_asks_or_is_refused(production: VoucherEmulator, run: Run) -> None:
    sent = len(production.requests)
    for words, what in (
        (REDEEM, "Charge 10.00 EUR for order A-1"),
        (("recharge", "card", "5.00", "EUR", "--order", "A-2"), "Add 5.00 EUR for order A-2"),
        (
            ("refund", "a-charge", "--amount", "2.00", "--currency", "EUR"),
            "Refund 2.00 EUR of charge a-charge",
        ),
        (("refund", "--order", "A-1"), "Refund all that is left of order A-1"),
        (("voucher", "delete", "card", "--comment", "a mistake"), "Delete voucher card"),
    ):
        told = run(*words)
        assert (told.status, told.out) == (Exit.USAGE, "")
        assert f"{what} in {HOST}" in told.err
        assert "--yes" in told.err
    assert len(production.requests) == sent
    assert run(*REDEEM, "--yes").status == Exit.DONE
    told = run(*REDEEM)  # nothing moves, so nobody is asked
    assert (told.status, "nothing was charged now" in told.err) == (Exit.DONE, True)
    assert len(production.charges()) == 1


def test_a_terminal_asks_for_the_code_and_then_whether_to_charge(
    production: VoucherEmulator, window: Callable[..., Window]
) -> None:
    shown = window("redeem", "10.00", "EUR", "--order", "A-1")
    shown.wait_for("code: ")
    shown.answer(CODE)
    shown.wait_for("[y/N] ")
    assert f"Charge 10.00 EUR for order A-1 in {HOST}" in shown.text
    shown.answer("y")
    assert shown.end() == Exit.DONE
    assert CODE not in shown.text
    assert production.balance("card") == Decimal("15.00")


def test_ctrl_c_at_a_question_charges_nothing(
    production: VoucherEmulator, window: Callable[..., Window]
) -> None:
    shown = window(*REDEEM)
    shown.wait_for("[y/N] ")
    shown.interrupt()
    assert shown.end() == Exit.INTERRUPTED
    assert "Interrupted." in shown.text
    assert "Traceback" not in shown.text
    assert len(production.requests) == 0


def test_no_is_an_answer(production: VoucherEmulator, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Terminal, "is_interactive", True)
    monkeypatch.setattr(builtins, "input", lambda _: "no")
    told = run(*REDEEM)
    assert (told.status, "Not done." in told.err) == (Exit.USAGE, True)
    assert len(production.requests) == 0


@pytest.mark.parametrize("operation", ["createReservation", "chargeReservation"])
def test_ctrl_c_in_a_redeem_and_run_again_charge_once(
    shop: VoucherEmulator, window: Callable[..., Window], run: Run, operation: str
) -> None:
    shop.faults.script(operation, faults.SlowHeaders(1.5))
    shown = window(*REDEEM)
    wait_until(lambda: shop.requests.count(operation))
    shown.interrupt()
    assert shown.end() == Exit.INTERRUPTED
    assert "Stopping. What was sent is finished first" in shown.text
    assert "Traceback" not in shown.text
    is_charged = len(shop.charges()) == 1
    assert ("It was done: charge" in shown.text) is is_charged, shown.text
    assert is_charged or "Nothing was sent" in shown.text or "It was not done" in shown.text, shown.text
    assert run(*REDEEM).status == Exit.DONE
    assert [str(each.amount) for each in shop.charges()] == ["10.00"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.operation)
def test_kill_9_and_run_again_move_money_once(
    shop: VoucherEmulator, window: Callable[..., Window], run: Run, home: Path, case: Case
) -> None:
    case.prepare(run)
    shop.faults.script(case.operation, faults.SlowHeaders(PATIENCE))
    shown = window(*case.command)
    wait_until(lambda: shop.requests.count(case.operation))
    shown.child.kill(signal.SIGKILL)
    shown.child.wait()
    let_leases_end(home)
    again = run(*case.command)
    assert again.status == Exit.DONE, again.err
    assert "has not ended. Going on with it" in again.err
    assert run("untold").out == ""  # whoever ran it again was told of it
    third = run(*case.command)
    assert third.status == Exit.DONE
    assert "Made before at 20" in third.err or "A refund of it ended at 20" in third.err
    assert shop.balance("card") == Decimal(case.left)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.operation)
def test_a_lost_answer_is_open_and_run_again_it_is_found(shop: VoucherEmulator, run: Run, case: Case) -> None:
    case.prepare(run)
    shop.faults.script(case.operation, faults.SlowHeaders(PATIENCE))
    told = run(*case.command, "--timeout", "1")
    assert told.status == Exit.OPEN, told.err
    assert "Run the same command again" in told.err
    for _ in range(2):
        assert run(*case.command).status == Exit.DONE
    assert shop.balance("card") == Decimal(case.left)
