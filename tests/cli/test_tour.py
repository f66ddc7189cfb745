"""The tour of docs/cli.md, and the tutorial: each command typed in a terminal shows what the page shows."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import attrs
import pytest

from tests.cli.conftest import Window
from tests.docs.blocks import ROOT, blocks_of, check_commands, named
from voucher_async.cli.exits import Exit
from voucher_async.testing import VoucherEmulator

TOUR: Final = ROOT / "docs" / "cli.md"
TUTORIAL: Final = ROOT / "docs" / "tutorial.md"
ANYTHING: Final = "..."
SIZE: Final = {"columns": 250, "lines": 200}  # no line of the page is wrapped, and none leaves the screen
SESSION: Final = """
import json, os, pathlib, shlex, subprocess, sys
from voucher_async.cli import main

def load(*_):
    profile = pathlib.Path(os.environ["XDG_CONFIG_HOME"], "voucher-async", "default.env")
    return export(*shlex.split(profile.read_text(), comments=True))

def export(*variables):
    os.environ.update(each.split("=", 1) for each in variables)
    return 0

def python(*arguments):
    return subprocess.call([sys.executable, *arguments])

programs = {"voucher-async": lambda *rest: main(rest), "set": load, "export": export, "python": python}
for program, *rest in json.loads(sys.argv[1]):
    print("->", programs[program](*rest), flush=True)
"""
PIN: Final = "12345678"
ADDRESS: Final = "http://127.0.0.1:8400"


@attrs.frozen
class Typed:
    """A command that the page shows: what is typed, and what it shows then."""

    command: str
    shown: tuple[str, ...]


def typed_on(page: Path) -> Iterator[Typed]:
    for block in blocks_of(page, check_commands):
        for each in block.parsed.split("$ ")[1:]:  # one without prompts shows what is typed elsewhere
            command, *shown = each.rstrip().splitlines()
            yield Typed(command, tuple(shown))


def as_pattern(lines: Iterable[str]) -> str:
    """Lines of the page as a regular expression: columns may be wider, `...` is anything, or any lines."""
    patterns: list[str] = []
    for line in lines:
        words = r"\s+".join(map(re.escape, line.split()))
        patterns.append(
            r"(.*\n)*" if line.strip() == ANYTHING else words.replace(re.escape(ANYTHING), ".*") + r"\n"
        )
    return "".join(patterns)


@pytest.mark.timeout(300)  # twenty commands on a machine that is busy
@pytest.mark.parametrize("page", [TOUR, TUTORIAL], ids=lambda path: path.stem)
def test_the_commands_of_the_page_show_what_it_shows(
    page: Path,
    emulator: VoucherEmulator,
    window: Callable[..., Window],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for block in blocks_of(page):
        (tmp_path / named(block.parsed)).write_text(block.parsed, encoding="utf-8")
    if page == TUTORIAL:
        emulator.add_voucher(amount="25.00", code="GIFT-25")
    typed = list(typed_on(page))
    for name, value in {PIN: emulator.new_connect_pin(), ADDRESS: emulator.url}.items():
        typed = [attrs.evolve(each, command=each.command.replace(name, value)) for each in typed]
    commands = json.dumps([shlex.split(each.command) for each in typed])
    shown = window(commands, program=("-c", SESSION), **SIZE)
    for _ in typed:
        shown.wait_for("\n-> ")  # each has a patience of its own
    assert shown.end() == Exit.DONE, shown.text
    texts = re.split(
        r"-> 0\n", "".join(f"{line.strip()}\n" for line in shown.text.splitlines() if line.strip())
    )
    assert len(texts) == len(typed) + 1, shown.text
    for each, text in zip(typed, texts, strict=False):
        assert re.fullmatch(as_pattern(each.shown), text), f"{each.command}\n{text}"


@pytest.mark.parametrize("page", [TOUR, TUTORIAL], ids=lambda path: path.stem)
def test_the_pin_of_the_page_looks_like_one_of_the_emulator(page: Path, emulator: VoucherEmulator) -> None:
    (shown,) = re.findall(r"connect (\S+) --base-url", page.read_text(encoding="utf-8"))
    assert shown == PIN
    assert re.sub(r"\d", "0", shown) == re.sub(r"\d", "0", emulator.new_connect_pin())


def test_the_tour_has_ten_commands_at_least() -> None:
    assert len({" ".join(shlex.split(typed.command)[1:3]) for typed in typed_on(TOUR)}) >= 10
