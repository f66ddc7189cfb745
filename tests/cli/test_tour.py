"""The tour of docs/cli.md: each command is typed in a terminal, and shows what the page shows."""

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
from tests.docs.blocks import ROOT
from voucher_async.cli.exits import Exit
from voucher_async.testing import VoucherEmulator

PAGE: Final = ROOT / "docs" / "cli.md"
CONSOLE: Final = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ANYTHING: Final = "..."
SIZE: Final = {"columns": 250, "lines": 200}  # no line of the page is wrapped, and none leaves the screen
SESSION: Final = """
import json, sys
from voucher_async.cli import main
for command in json.loads(sys.argv[1]):
    print("->", main(command), flush=True)
"""
PIN: Final = "1234-5678"
ADDRESS: Final = "http://127.0.0.1:8400"


@attrs.frozen
class Typed:
    """A command that the page shows: what is typed, and what it shows then."""

    command: str
    shown: tuple[str, ...]


def tour() -> Iterator[Typed]:
    for block in CONSOLE.findall(PAGE.read_text(encoding="utf-8")):
        for each in block.split("$ ")[1:]:
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


def test_the_tour_shows_what_the_commands_show(
    emulator: VoucherEmulator, window: Callable[..., Window], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    typed = list(tour())
    for name, value in {PIN: emulator.new_connect_pin(), ADDRESS: emulator.url}.items():
        typed = [attrs.evolve(each, command=each.command.replace(name, value)) for each in typed]
    arguments = [shlex.split(each.command) for each in typed]
    assert {program for program, *_ in arguments} == {"voucher-async"}
    shown = window(json.dumps([rest for _, *rest in arguments]), program=("-c", SESSION), **SIZE)
    assert shown.end() == Exit.DONE, shown.text
    texts = re.split(
        r"-> 0\n", "".join(f"{line.strip()}\n" for line in shown.text.splitlines() if line.strip())
    )
    assert len(texts) == len(typed) + 1, shown.text
    for each, text in zip(typed, texts, strict=False):
        assert re.fullmatch(as_pattern(each.shown), text), f"{each.command}\n{text}"


def test_the_tour_has_ten_commands_at_least() -> None:
    assert len({" ".join(shlex.split(typed.command)[1:3]) for typed in tour()}) >= 10
