"""Commands in code blocks: each one of this project has to exist, with its options."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from voucher_async.cli import emulator
from voucher_async.cli.app import app

__all__ = ["check", "commands"]

_ROOT: Final = Path(__file__).resolve().parent.parent.parent
_TARGET: Final = re.compile(r"^([a-z-]+):", re.MULTILINE)
_PROMPT: Final = "$ "
_BETWEEN: Final = frozenset({"&&", "||", ";", "|"})
_PACKAGE: Final = re.compile(r"voucher-async(?:\[(?P<extras>[a-z,]+)\])?")


def commands(text: str) -> Iterator[list[str]]:
    """The commands of a block, as words; with prompts in it, the other lines are what commands show."""
    lines = text.replace("\\\n", " ").splitlines()
    if any(line.startswith(_PROMPT) for line in lines):
        lines = [line.removeprefix(_PROMPT) for line in lines if line.startswith(_PROMPT)]
    for line in lines:
        words: list[str] = []
        for word in shlex.split(line, comments=True):
            if word not in _BETWEEN:
                words.append(word)
            elif words:
                yield words
                words = []
        if words:
            yield words


def check(text: str) -> None:
    """Check the commands of a block.

    Raises:
        AssertionError: a command, an option, a target of make or an extra does not exist.
    """
    found = list(commands(text))
    assert found, "no command stands there"
    for words in found:
        program, *arguments = [word for word in words if not re.match(r"[A-Z_]+=", word)] or ["export"]
        if program == "voucher-async":
            _check_ours(arguments)
        elif arguments[:2] == ["-m", "voucher_async"]:
            _check_ours(arguments[2:])
        elif program == "make":
            targets = set(_TARGET.findall((_ROOT / "Makefile").read_text(encoding="utf-8")))
            assert {word for word in arguments if "=" not in word} <= targets, f"no such target: {words}"
        elif program == "pip":
            _check_extras(arguments)


def _check_ours(arguments: list[str]) -> None:
    if arguments[:1] == ["emulator"]:
        _check_of_the_emulator(arguments)
    else:
        app.parse_args(arguments, exit_on_error=False, print_error=False)


def _check_of_the_emulator(arguments: list[str]) -> None:
    parser, _ = emulator._parsers()
    status: object = 0
    try:
        parser.parse_args(arguments)
    except SystemExit as ended:  # --help ends it, too
        status = ended.code
    assert not status, f"wrong usage: {arguments}"


def _check_extras(arguments: list[str]) -> None:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for package in filter(None, map(_PACKAGE.fullmatch, arguments)):
        named = set((package["extras"] or "").split(",")) - {""}
        assert named <= project["optional-dependencies"].keys(), f"no such extra: {package[0]}"
