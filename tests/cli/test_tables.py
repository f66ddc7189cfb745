"""Tables on screens, and every command that moves money or changes vouchers in a terminal."""

from __future__ import annotations

import io
import json
import re
import sys
from typing import Final

import pexpect
import pyte
import pytest

from tests.cli.conftest import COLUMNS, PATIENCE, Run
from tests.processes import plain_environment
from voucher_async.cli.terminal import Terminal
from voucher_async.testing import VoucherEmulator

STYLE: Final = re.compile("\x1b\\[[0-9;]*m")
SESSION: Final = """
import json, sys
from voucher_async.cli import main
for command in json.loads(sys.argv[1]):
    print("$", *command, flush=True)
    print("->", main(command), flush=True)
"""
COMMANDS: Final = (
    ["voucher", "create", "5.00", "EUR", "--id", "new", "--sku", "CARD-5"],
    ["voucher", "update", "new", "--batch", "XMAS-2026"],
    ["voucher", "activate", "new"],
    ["redeem", "GIFT-7", "10.00", "EUR", "--order", "A-1"],
    ["recharge", "{card}", "4.00", "EUR", "--order", "A-2"],
    ["refund", "--order", "A-1", "--amount", "3.00"],
    ["refund", "{charge}"],
    ["charges", "{card}"],
    ["voucher", "deactivate", "new"],
    ["voucher", "list"],
    ["voucher", "show", "{card}"],
    ["voucher", "delete", "new", "--comment", "a mistake"],
)


class Screen(io.StringIO):
    """A stream that takes itself for a terminal."""

    def isatty(self) -> bool:
        """Whether it is one."""
        return True

    @property
    def lines(self) -> list[str]:
        """What stands on it, without styles."""
        return [line.rstrip() for line in STYLE.sub("", self.getvalue()).splitlines()]


def test_a_narrow_terminal_without_colours_breaks_no_amount_and_no_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")
    rows = [{"id": "i" * 36, "left": "999999.99 EUR", "batch": "B" * 30, "sku": "S", "status": "active"}]
    screen = Screen()
    Terminal(out=screen).show(rows, ("id", "left", "batch", "sku", "status"))
    fields = [line.split(maxsplit=1) for line in screen.lines if line]
    shown = {name: value.strip() for name, value in fields}
    assert (shown["id"], shown["left"], shown["batch"]) == ("i" * 36, "999999.99 EUR", "B" * 30)
    monkeypatch.setenv("COLUMNS", "100")
    screen = Screen()
    Terminal(out=screen).show(rows, ("id", "left", "batch", "sku", "status"))
    assert [line.split()[:3] for line in screen.lines[1:2]] == [["i" * 36, "999999.99", "EUR"]]


def test_each_command_in_a_terminal_keeps_amounts_and_ids_whole(connected: VoucherEmulator, run: Run) -> None:
    card = connected.add_voucher(amount="25.00", code="GIFT-7", batch="XMAS-2026")
    charge = json.loads(run("redeem", "GIFT-7", "2.00", "EUR", "--order", "A-0", "--json").out)["id"]
    text = json.dumps(COMMANDS).replace("{card}", card.id).replace("{charge}", charge)
    screen = pyte.Screen(COLUMNS, 200)
    environ = {**plain_environment(), "TERM": "xterm", "COLUMNS": str(COLUMNS), "NO_COLOR": "1"}
    child: pexpect.spawn[str] = pexpect.spawn(
        sys.executable,
        ["-c", SESSION, text],
        env=environ,
        encoding="utf-8",
        timeout=PATIENCE,
        dimensions=(200, COLUMNS),
    )
    child.expect(pexpect.EOF)
    child.close()
    written = child.before or ""
    pyte.Stream(screen).feed(written)
    shown = "\n".join(line.rstrip() for line in screen.display)
    assert "\x1b[3" not in written  # NO_COLOR
    statuses = re.findall("^-> ([0-9]+)$", shown, re.MULTILINE)
    assert statuses == ["0"] * len(COMMANDS), shown
    assert re.search(f"^{card.id}  active +22.00 EUR  25.00 EUR", shown, re.MULTILINE), shown
    assert re.search("charge +10.00 EUR  A-1 +[0-9a-f-]{36}$", shown, re.MULTILINE), shown
    assert "Deleted voucher new." in shown
    assert "Traceback" not in shown
