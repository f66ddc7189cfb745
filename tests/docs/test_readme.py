"""Every example of the README runs as it stands there."""

from __future__ import annotations

import asyncio
import inspect
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sybil import Example

import voucher_async
from tests.docs.blocks import ROOT, blocks_of, is_file
from tests.proxy import Proxy
from tests.serving import served
from voucher_async import SettlementState, VoucherClient, VoucherError
from voucher_async.cli.checking.configuration import KNOWN
from voucher_async.testing import VoucherEmulator

Run = Callable[..., dict[str, Any]]

BLOCKS = blocks_of(ROOT / "README.md")
FILES = [block for block in BLOCKS if is_file(block.parsed)]


def block_with(text: str) -> Example:
    (block,) = (block for block in BLOCKS if text in block.parsed)
    return block


def meaningful_lines(block: Example) -> list[str]:
    return [line for line in block.parsed.splitlines() if line.strip() and "import " not in line]


@pytest.mark.parametrize("block", FILES, ids=lambda block: f"line {block.line}")
def test_the_file_runs(run: Run, block: Example) -> None:
    run(block)


def test_all_else_runs_when_it_is_pasted_into_a_shell(tmp_path: Path) -> None:
    pasted = "\n\n".join(block.parsed for block in BLOCKS if block not in FILES)
    closing = "await client.aclose()\nawait emulator.stop()\n"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-m", "asyncio"],
        input=f"{pasted}\n\n{closing}",
        cwd=tmp_path,
        env={**os.environ, "PYTHON_BASIC_REPL": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "Error" not in done.stderr, done.stderr
    assert "15.00 on the voucher, 65.00 missing" in done.stdout
    assert "2.50 5.00 2.50\n" in done.stdout


def test_the_first_block_is_a_redeem_in_twelve_lines(run: Run) -> None:
    first = BLOCKS[0]
    assert len([line for line in first.parsed.splitlines() if line.strip()]) <= 12
    assert run(first)["printed"] == "charged 10.00 EUR, 15.00 EUR left\n"


def test_split_payment_charges_what_the_voucher_holds(run: Run, emulator: VoucherEmulator) -> None:
    names = run(block_with("client.checkout("), code=emulator.add_voucher(amount="25.00").code)
    assert [str(charge.amount) for charge in names["charges"]] == ["25.00"]
    assert [str(charge.amount) for charge in emulator.charges("A-2")] == ["25.00"]


@pytest_asyncio.fixture
async def losing(emulator: VoucherEmulator, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Proxy]:
    """A proxy before the emulator of the environment, which loses the answer to the next charge."""
    async with Proxy(emulator) as proxy:
        monkeypatch.setenv("VOUCHER_BASE_URL", proxy.base_url)
        proxy.lose("POST", "/charge")
        yield proxy


@pytest.mark.usefixtures("losing")
async def test_what_was_charged_without_an_answer_is_found(run: Run, emulator: VoucherEmulator) -> None:
    names = await asyncio.to_thread(run, block_with("except OutcomeUnknown"))
    assert [names["charge"].id] == [charge.id for charge in emulator.charges("A-3")]


async def test_what_could_not_be_looked_for_is_parked_and_settled_later(
    run: Run, emulator: VoucherEmulator, losing: Proxy
) -> None:
    losing.refuse("GET", "/charges", 403)
    names = await asyncio.to_thread(run, block_with("except OutcomeUnknown"))
    assert names["settlement"].state is SettlementState.DONE
    assert [names["settlement"].charge.id] == [charge.id for charge in emulator.charges("A-3")]


async def test_fastapi_takes_ten_lines_at_most_and_pays(run: Run, emulator: VoucherEmulator) -> None:
    block = block_with("FastAPI(")
    assert len(meaningful_lines(block)) <= 10
    app = (await asyncio.to_thread(run, block))["app"]
    voucher = emulator.add_voucher(amount="25.00")
    async with served(app) as shop:
        answer = await shop.post("/orders/A-9/voucher", json={"code": voucher.code, "amount": "10.00"})
    assert answer.status_code == 200, answer.text
    assert [charge.id for charge in emulator.charges("A-9")] == [answer.json()["id"]]
    assert answer.json()["amount"] == "10.00"


def test_the_table_of_errors_names_every_error(root: Path) -> None:
    section = (root / "docs" / "errors.md").read_text(encoding="utf-8")
    public = [getattr(voucher_async, name) for name in voucher_async.__all__]
    errors = {e.__name__ for e in public if isinstance(e, type) and issubclass(e, VoucherError)}
    named = set(re.findall(r"`([A-Z][A-Za-z]+)`", section))
    assert errors - {"InvalidInputType"} == {name for name in named if name in errors}


def test_the_table_of_settings_has_every_argument_and_variable(root: Path) -> None:
    table = (root / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (?:`(\w+)` )?\|", table, re.MULTILINE))
    assert rows.keys() == inspect.signature(VoucherClient).parameters.keys()
    assert set(filter(None, rows.values())) == set(KNOWN)


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_every_make_target_named_exists(root: Path, document: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)", (root / document).read_text(encoding="utf-8")))
    assert named
    assert named <= targets
