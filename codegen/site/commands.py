"""The page of the commands, from the help of the program itself."""

from __future__ import annotations

import contextlib
import io
import os
import re
from typing import Final
from unittest import mock

from voucher_async.cli import emulator
from voucher_async.cli.app import app

__all__ = ["commands"]

_TITLE: Final = """# Commands

The help of each command, as `voucher-async COMMAND --help` shows it. A tour is in
[From a terminal](../cli.md).
"""
_CONTENTS: Final = re.compile(r"## Table of Contents\n.*?(?=\n\*\*Commands\*\*)", re.DOTALL)
_OF_EVERY: Final = "Options of every command"
_COMMON: Final = re.compile(rf"\n\*\*{_OF_EVERY}\*\*:\n\n(.*?\n)(?=\n#|\Z)", re.DOTALL)
_RUN_AS: Final = re.compile(
    r"(?<=\n```console\n)(voucher-async.*?) -m \S+"
)  # as the program of this process was


_OF_EMULATOR: Final = re.compile(r"(\n## voucher-async emulator\n\n).*?(?=\n## )", re.DOTALL)


def commands() -> str:
    """The text of the page."""
    text = app.generate_docs(output_format="markdown")
    _, _, body = _RUN_AS.sub(r"\1", _CONTENTS.sub("", text)).partition("\n")
    # GitHub's anchors, and so those of the site, keep each hyphen
    body = body.replace("(#voucher-async-install-completion)", "(#voucher-async---install-completion)")
    common = _COMMON.search(body)
    shared = "" if common is None else f"\n## {_OF_EVERY}\n\n{common.group(1)}"
    first, rest = _COMMON.sub("", body).split("\n## ", 1)
    page = f"{_TITLE}{first}{shared}\n## {rest}"
    return _OF_EMULATOR.sub(lambda match: f"{match.group(1)}```text\n{_help_of_emulator()}```\n", page)


def _help_of_emulator() -> str:
    """Its own help: it has its own options, and does not need the other commands' libraries."""
    output = io.StringIO()
    # argparse breaks lines for the terminal that runs this
    wide = mock.patch.dict(os.environ, COLUMNS="100")
    with wide, contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
        emulator.main(["emulator", "--help"])
    return output.getvalue()
