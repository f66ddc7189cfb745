"""The examples in docstrings run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import voucher_async
from tests.docs.blocks import Block, in_docstrings

PACKAGE = Path(voucher_async.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
BLOCKS = [block for source in SOURCES for block in in_docstrings(source)]

Runner = Callable[[Block], Awaitable[dict[str, Any]]]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.name)
async def test_the_block_runs(run: Runner, block: Block) -> None:
    await run(block)


def test_an_example_that_nobody_would_run_is_found() -> None:
    # these tests run fenced blocks alone
    assert [source.name for source in SOURCES if "\n    >>> " in source.read_text(encoding="utf-8")] == []
