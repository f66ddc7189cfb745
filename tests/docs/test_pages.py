"""Every example in docs/ runs as it stands there, and every link leads somewhere."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.docs.blocks import ROOT, Block, in_document

Runner = Callable[[Block], Awaitable[dict[str, Any]]]

PAGES: Final = sorted((ROOT / "docs").glob("*.md"))
# tests/examples/test_web.py, test_orders.py, tests/journals/test_alembic.py
TESTED_ELSEWHERE: Final = ("frameworks.md", "orders.md", "journal.md")
BLOCKS: Final = [block for page in PAGES if page.name not in TESTED_ELSEWHERE for block in in_document(page)]
DOCUMENTS: Final = [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.name)
async def test_the_block_runs(run: Runner, block: Block) -> None:
    await run(block)


async def test_the_hook_is_told(run: Runner, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = (block for block in BLOCKS if "Metrics(Hook)" in block.code)
    await run(block)
    assert "listVouchers 1 answered 200" in capsys.readouterr().out


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for target, _, anchor in re.findall(r"\]\((?!https?://)([^)#]*)(#([^)]+))?\)", text):
        path = document.parent / target if target else document
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), f"{target}#{anchor}"
