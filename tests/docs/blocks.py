"""The code blocks of Markdown and of docstrings, which sybil finds: Python runs, commands are checked.

The blocks of a page are one session, as a reader has it: what one of them leaves behind is there for the next
one. The comment `<!-- skip: next "REASON" -->` before a block says that it does not run here.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sybil import Document, Example, Sybil
from sybil.evaluators.skip import Skipper
from sybil.parsers.markdown import CodeBlockParser, SkipParser
from sybil.typing import Evaluator

from tests.docs import shell

__all__ = [
    "ROOT",
    "RUNNER",
    "blocks_of",
    "check_commands",
    "is_file",
    "named",
    "parsed",
    "run_python",
    "skipped",
]

ROOT: Final = Path(__file__).resolve().parent.parent.parent
RUNNER: Final = "_runner"  # the name of a page's asyncio.Runner
_NAMED: Final = re.compile(r"# (\w+\.py)\n")


def is_program(code: str) -> bool:
    """Whether it stands alone, with a loop of its own."""
    return "asyncio.run(" in code


def is_test(code: str) -> bool:
    """Whether it is a test for pytest."""
    return "def test_" in code


def is_file(code: str) -> bool:
    """Whether it is for a file: its first line is the file's name, or it is a program."""
    return is_program(code) or _NAMED.match(code) is not None


def run_python(example: Example) -> None:
    """Run a block as its reader does: as a file of a project, or where `await` needs no function."""
    code: str = example.parsed
    if is_program(code) or is_test(code):
        example.namespace["printed"] = _run_file(code)
        return
    source = "\n" * (example.line + example.parsed.line_offset) + code  # errors name the page's lines
    compiled = compile(source, example.path, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    result = eval(compiled, example.namespace)
    if inspect.iscoroutine(result):
        runner: asyncio.Runner = example.namespace[RUNNER]
        runner.run(result)


def named(code: str) -> str:
    """The name of its file."""
    found = _NAMED.match(code)
    return found[1] if found else "test_pasted.py" if is_test(code) else "pasted.py"


def _run_file(code: str) -> str:
    file = Path(named(code))
    file.write_text(code, encoding="utf-8")
    scope = ("-o", "asyncio_default_fixture_loop_scope=function")
    options = ["-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", *scope] if is_test(code) else []
    done = subprocess.run(
        [sys.executable, *options, str(file)], capture_output=True, text=True, check=False, timeout=110
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def check_commands(example: Example) -> None:
    """Check that the commands of a block exist."""
    shell.check(example.parsed)


_SYBIL: Final = Sybil(
    [
        CodeBlockParser("python", run_python),
        CodeBlockParser("sh", check_commands),
        CodeBlockParser("console", check_commands),
        SkipParser(),
    ]
)


def parsed(path: Path) -> Document:
    """A page, or the docstrings of a module, with its blocks."""
    return _SYBIL.parse(path)


def blocks_of(path: Path, evaluator: Evaluator = run_python) -> list[Example]:
    """The blocks of a page or a module that an evaluator is for, those that are skipped included."""
    return [each for each in parsed(path) if each.region.evaluator is evaluator]


def skipped(path: Path) -> Iterator[str]:
    """The reasons of a page for not running its blocks."""
    for each in parsed(path):
        if isinstance(each.region.evaluator, Skipper):
            action, reason = each.parsed
            assert action == "next", f"{path.name}:{each.line}: one comment skips one block"
            yield ast.literal_eval(reason)
