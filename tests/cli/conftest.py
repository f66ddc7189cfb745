"""Commands, run in this process or in a terminal of their own, against an emulator."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import attrs
import pexpect
import pyte
import pytest

from tests.cli.left import Shop
from tests.processes import plain_environment
from voucher_async.cli import main
from voucher_async.testing import VoucherEmulator

COLUMNS, LINES = 100, 40
PATIENCE: Final = 60  # seconds; machines are busy


@attrs.frozen
class Told:
    """What a command told: its exit status, and what it wrote."""

    status: int
    out: str
    err: str


Run = Callable[..., Told]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own for each test: no profile, no journal."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process, where nobody can be asked."""

    def run(*arguments: str) -> Told:
        capfd.readouterr()
        status = main(arguments)
        out, err = capfd.readouterr()
        return Told(status, out, err)

    return run


@pytest.fixture
def emulator() -> Iterator[VoucherEmulator]:
    with VoucherEmulator() as emulator:
        yield emulator


@pytest.fixture
def connected(emulator: VoucherEmulator, monkeypatch: pytest.MonkeyPatch) -> VoucherEmulator:
    """An emulator, whose credentials are the variables of the process."""
    for name, value in emulator.environ().items():
        monkeypatch.setenv(name, value)
    return emulator


@pytest.fixture
def shop(connected: VoucherEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    shop = Shop(connected, tmp_path / "journal.db")
    monkeypatch.setenv("VOUCHER_JOURNAL", shop.url)
    for name, seconds in {"SETTLE_WINDOW": "0.5", "LIST_LAG": "0.2", "SETTLE_FOR": "4"}.items():
        monkeypatch.setenv(f"VOUCHER_{name}", seconds)
    return shop


class Window:
    """A terminal in which a command runs.

    Args:
        arguments: of the command.
        program: what python runs.
        columns: its width.
        lines: its height.
    """

    def __init__(
        self,
        *arguments: str,
        program: tuple[str, ...] = ("-m", "voucher_async"),
        columns: int = COLUMNS,
        lines: int = LINES,
    ) -> None:
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.Stream(self._screen)
        environ = {**plain_environment(), "TERM": "xterm", "COLUMNS": str(columns), "LINES": str(lines)}
        self.child: pexpect.spawn[str] = pexpect.spawn(
            sys.executable,
            [*program, *arguments],
            env=environ,
            encoding="utf-8",
            timeout=PATIENCE,
            dimensions=(lines, columns),
        )

    def wait_for(self, words: str) -> None:
        """Wait until the command has written these words."""
        self.child.expect_exact(words)
        self._stream.feed((self.child.before or "") + words)

    def answer(self, words: str) -> None:
        """Type a line."""
        self.child.sendline(words)

    def interrupt(self) -> None:
        """Type Ctrl-C."""
        self.child.sendintr()

    def end(self) -> int:
        """Wait for its end; its exit status."""
        self.child.expect(pexpect.EOF)
        self._stream.feed(self.child.before or "")
        self.child.close()
        assert self.child.exitstatus is not None, f"ended by signal {self.child.signalstatus}"
        return self.child.exitstatus

    @property
    def text(self) -> str:
        """What the screen shows."""
        return "\n".join(line.rstrip() for line in self._screen.display).strip()


@pytest.fixture
def window() -> Iterator[Callable[..., Window]]:
    """Open a terminal with a command in it."""
    opened: list[Window] = []

    def window(*arguments: str, **options: Any) -> Window:
        opened.append(Window(*arguments, **options))
        return opened[-1]

    yield window
    for each in opened:
        each.child.close(force=True)
