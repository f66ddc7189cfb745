"""Every example in docs/ runs as it stands there, and every link leads somewhere."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from unittest import SkipTest

import pytest
from cyclopts import CycloptsError

from tests.docs import shell
from tests.docs.blocks import ROOT, blocks_of, check_commands, parsed, skipped
from tests.release.repository import anchors

Run = Callable[..., dict[str, Any]]

PAGES: Final = sorted((ROOT / "docs").glob("*.md"))
DOCUMENTS: Final = [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
# blocks that other tests run, each of which says so
SKIPPED: Final = {
    "dbos.md": 1,
    "journal.md": 2,
    "open-outcomes.md": 1,
    "orders.md": 2,
    "refunds.md": 1,
    "temporal.md": 2,
    "tutorial.md": 2,
}
LANGUAGES: Final = {"python", "sh", "console", "mermaid", "sql", "text", "yaml"}
FENCE: Final = re.compile(r"^ *(?:```+|~~~+)(.*)$", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_block_of_the_page_runs(run: Run, page: Path) -> None:
    for example in parsed(page):
        try:
            run(example)
        except SkipTest:
            continue
        except Exception as error:
            error.add_note(f"{page.name}:{example.line}")
            raise


def test_each_block_that_does_not_run_here_has_a_reason() -> None:
    reasons = {page.name: list(skipped(page)) for page in PAGES}
    assert {name: len(found) for name, found in reasons.items() if found} == SKIPPED
    for found in reasons.values():
        for reason in found:
            (test,) = re.findall(r"tests/\S+\.py", reason)
            assert (ROOT / test).is_file()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_block_has_a_language_that_is_looked_at(document: Path) -> None:
    marks = FENCE.findall(document.read_text(encoding="utf-8"))
    assert Counter(marks[1::2]) == Counter({"": len(marks) // 2})  # each second one ends a block
    assert set(marks[::2]) <= LANGUAGES


def test_the_hook_is_told(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = (
        block for block in blocks_of(ROOT / "docs" / "requests.md") if "Metrics(Hook)" in str(block.parsed)
    )
    run(block)
    assert "listVouchers 1 answered 200" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_every_command_of_a_shell_exists(name: str) -> None:
    found = blocks_of(ROOT / name, check_commands)
    assert found
    for example in found:
        example.evaluate()


@pytest.mark.parametrize(
    "wrong",
    [
        "voucher-async redeem 10.00 EUR --ordr A-1",
        "$ voucher-async nothing\nshown",
        "voucher-async emulator --voucher 25.00 --falts 0.3",
        "cd shop && make spec-dif UPSTREAM=voucher.json",
        'pip install "voucher-async[click]"',
        "# only a comment",
    ],
)
def test_a_command_that_does_not_exist_is_found(wrong: str) -> None:
    with pytest.raises((AssertionError, CycloptsError)):
        shell.check(wrong)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    text = re.sub(r"`[^`\n]*`", "", document.read_text(encoding="utf-8"))  # code may show what a link is
    for target, _, anchor in re.findall(r"\]\((?!https?://)([^)#]*)(#([^)]+))?\)", text):
        path = document.parent / target if target else document
        assert path.exists(), target
        assert not anchor or anchor in anchors(path.read_text(encoding="utf-8")), f"{target}#{anchor}"
