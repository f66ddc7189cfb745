"""The blocks of docs/api.md run as they stand there."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.docs.blocks import ROOT, Block, in_text

Runner = Callable[[Block], Awaitable[dict[str, Any]]]

TEXT: Final = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
BLOCKS: Final = list(in_text("api.md", TEXT))


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.name)
async def test_the_block_runs(run: Runner, block: Block) -> None:
    await run(block)


def test_every_relative_link_leads_somewhere(root: Path) -> None:
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", TEXT):
        assert (root / "docs" / target).exists(), target
