"""The examples in docstrings run, and a docstring begins with the thing or the verb."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sybil import Example

import voucher_async
from tests.docs.blocks import blocks_of

PACKAGE = Path(voucher_async.__file__).parent
SOURCES = {source: source.read_text(encoding="utf-8") for source in sorted(PACKAGE.rglob("*.py"))}
# parsing all sources would take seconds of every collection, on every Python
BLOCKS = [block for source, text in SOURCES.items() if "```python" in text for block in blocks_of(source)]
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)

QUESTION = re.compile(r"(How|What|When|Where|Whether|Which|Who|Why)\b")

Run = Callable[..., dict[str, Any]]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{Path(block.path).stem}:{block.line}")
def test_the_block_runs(run: Run, block: Example) -> None:
    run(block)


def test_an_example_that_nobody_would_run_is_found() -> None:
    # the runner knows fenced blocks alone
    assert [source.name for source, text in SOURCES.items() if "\n    >>> " in text] == []


def docstrings(code: str) -> list[str]:
    nodes = ast.walk(ast.parse(code))
    return [ast.get_docstring(node) or "" for node in nodes if isinstance(node, DOCUMENTED)]


def test_no_docstring_begins_with_a_question() -> None:
    found = [
        (source, text)
        for source, code in SOURCES.items()
        for text in docstrings(code)
        if QUESTION.match(text)
    ]
    assert [f"{source.relative_to(PACKAGE)}: {text.splitlines()[0]}" for source, text in found] == []
