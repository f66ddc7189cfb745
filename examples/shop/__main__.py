"""The shop with an emulator behind it, to try out and to break: `make shop`, or `python -m examples.shop`."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from voucher_async.testing import VoucherEmulator, VoucherRecord, faults

from .card import ACCEPTED, DECLINED

VOUCHERS: Final = (
    {"amount": "20.00", "code": "SPRING-2020"},
    {"amount": "35.00", "code": "SUMMER-3535", "pin": "4711"},
    {"amount": "500.00", "code": "AUTUMN-5005"},
    {"amount": "10.00", "code": "WINTER-1010", "active": False},
)
CHARGING: Final = "chargeReservation"


class Shop:
    """The shop, in a process of its own: it may be killed, and is started again.

    Args:
        port: where it listens.
        environ: its variables.
    """

    def __init__(self, port: int, environ: dict[str, str]) -> None:
        app = f"{__package__}.app:create_app"
        self._command = [sys.executable, "-m", "uvicorn", "--factory", app, "--port", str(port)]
        self._environ = {**os.environ, **environ}
        self._is_over = False
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [*self._command, "--log-level", "warning"]
        return subprocess.Popen(command, env=self._environ)  # noqa: S603 - made above

    def keep(self) -> int:
        """Wait for it, and start it again when it was killed; its status when it ends by itself."""
        while (status := self._process.wait()) == -signal.SIGKILL and not self._is_over:
            print("killed; it starts again, and finishes what was cut off once its lease of 15 s is over")
            self._process = self._start()
        return 0 if self._is_over else status

    def kill(self) -> None:
        """Kill it, as the system would."""
        self._process.kill()

    def end(self) -> None:
        """Ask it to stop."""
        self._is_over = True
        self._process.terminate()


class Mischief:
    """Commands that break something.

    Args:
        emulator: the API.
        shop: the shop.
    """

    def __init__(self, emulator: VoucherEmulator, shop: Shop) -> None:
        self._emulator = emulator
        self._shop = shop
        self.commands: dict[str, tuple[Callable[[], str], str]] = {
            "lost": (self.lost, "the answer to the next charge is lost"),
            "dark": (self.dark, "the same, and nobody can find out, until `light`"),
            "light": (self.light, "all is well again"),
            "slow": (self.slow, "the next charge takes five seconds"),
            "kill": (self.kill, "the shop is killed as soon as the next charge was made"),
            "later": (self.later, "31 minutes pass for the API, which holds nothing any more"),
            "ledger": (self.ledger, "shows every movement of money"),
        }

    def lost(self) -> str:
        """Lose the answer to the next charge."""
        self._emulator.faults.script(CHARGING, faults.BreakAfter())
        return "Pay: the shop finds out by itself, and shows the receipt."

    def dark(self) -> str:
        """Lose it, and let nobody find out."""
        self._emulator.faults.script(CHARGING, faults.BreakAfter())
        operations = [CHARGING, "listCharges"]
        self._emulator.faults.chance(1.0, seed=1, operations=operations, kinds=[faults.Unavailable()])
        return "Pay: after ten seconds the page says that it is not known. Then type `light`."

    def light(self) -> str:
        """Make all well again."""
        self._emulator.faults.clear()
        return "The page will show the receipt within seconds."

    def slow(self) -> str:
        """Let the next charge take five seconds."""
        self._emulator.faults.script(CHARGING, faults.SlowHeaders(seconds=5.0))
        return "Pay, and click twice, close the page, or do both."

    def kill(self) -> str:
        """Kill the shop once the next charge was made."""
        self._emulator.faults.script(CHARGING, faults.SlowHeaders(seconds=60.0))
        threading.Thread(target=self._kill_after_charge, daemon=True).start()
        return "Pay; then load the order's page, from /orders."

    def _kill_after_charge(self) -> None:
        before = len(self._emulator.ledger)
        while len(self._emulator.ledger) == before:
            time.sleep(0.01)
        self._shop.kill()

    def later(self) -> str:
        """Let 31 minutes pass for the API."""
        self._emulator.advance(31 * 60)
        return "Pay: the same sums are held anew."

    def ledger(self) -> str:
        """Every movement of money."""
        codes = {each.id: each.code for each in self._emulator.vouchers()}
        moves = [
            f"{each.kind:8} {each.amount:>7} {each.order_number or '':8} {codes[each.voucher_id]}"
            for each in self._emulator.ledger
            if each.kind != "issue"
        ]
        return "\n".join(moves) or "No money has moved."


def introduce(port: int, vouchers: list[VoucherRecord], mischief: Mischief) -> str:
    """The text that says what to try."""
    codes = [
        f"  {each.code:18} {each.amount:>6} EUR{f'  pin {each.pin}' if each.pin else ''}"
        f"{'' if each.status == 'active' else '  (not active: it is refused)'}"
        for each in vouchers
    ]
    tricks = [f"  {name:8} {about}" for name, (_, about) in mischief.commands.items()]
    return "\n".join(
        [
            f"The shop is open: http://127.0.0.1:{port}",
            "Vouchers:",
            *codes,
            f"Cards: {ACCEPTED}, or any other; {DECLINED} is declined.",
            "Type a word and Enter to break something (Ctrl-C ends it):",
            *tricks,
        ]
    )


def listen(mischief: Mischief) -> None:
    """Do what is typed."""
    for line in sys.stdin:
        command = mischief.commands.get(line.strip())
        print(command[0]() if command else "The words are: " + ", ".join(mischief.commands), flush=True)


def main() -> int:
    """Run shop and emulator until interrupted."""
    parser = argparse.ArgumentParser(prog="shop", description="A shop that takes vouchers of an emulator.")
    parser.add_argument("--port", type=int, default=8000, help="where the shop listens (default: 8000)")
    port = parser.parse_args().port
    with tempfile.TemporaryDirectory() as folder, VoucherEmulator(keep_requests=10_000) as emulator:
        vouchers = [emulator.add_voucher(**each) for each in VOUCHERS]
        files = {
            "VOUCHER_JOURNAL": f"sqlite:///{Path(folder) / 'vouchers.db'}",
            "SHOP_DATABASE": f"sqlite:///{Path(folder) / 'shop.db'}",
        }
        shop = Shop(port, {**emulator.environ(), **files})
        mischief = Mischief(emulator, shop)
        print(introduce(port, vouchers, mischief), flush=True)
        threading.Thread(target=listen, args=(mischief,), daemon=True).start()
        signal.signal(signal.SIGTERM, lambda *_: shop.end())
        try:
            return shop.keep()
        except KeyboardInterrupt:
            shop.end()
            return shop.keep()


if __name__ == "__main__":
    sys.exit(main())
