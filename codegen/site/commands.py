"""The page of the commands, from the help of the program itself."""

from __future__ import annotations

import re
from typing import Final

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


def commands() -> str:
    """The text of the page."""
    text = app.generate_docs(output_format="markdown")
    _, _, body = _RUN_AS.sub(r"\1", _CONTENTS.sub("", text)).partition("\n")
    # GitHub's anchors, and so those of the site, keep each hyphen
    body = body.replace("(#voucher-async-install-completion)", "(#voucher-async---install-completion)")
    common = _COMMON.search(body)
    shared = "" if common is None else f"\n## {_OF_EVERY}\n\n{common.group(1)}"
    first, rest = _COMMON.sub("", body).split("\n## ", 1)
    return f"{_TITLE}{first}{shared}\n## {rest}"
