"""Every example of the README runs as it stands there."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

import voucher_async
from tests.docs.blocks import Block, of_readme
from tests.proxy import Proxy
from tests.serving import served
from voucher_async import SettlementState, VoucherError
from voucher_async.testing import VoucherEmulator

Runner = Callable[[Block], Awaitable[dict[str, Any]]]

BLOCKS = of_readme()


def block_with(text: str) -> Block:
    (block,) = (block for block in BLOCKS if text in block.code)
    return block


def meaningful_lines(block: Block) -> list[str]:
    return [line for line in block.code.splitlines() if line.strip() and "import " not in line]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.name)
async def test_the_block_runs(run: Runner, block: Block) -> None:
    await run(block)


async def test_the_first_block_is_a_redeem_in_twelve_lines(run: Runner) -> None:
    first = BLOCKS[0]
    assert len([line for line in first.code.splitlines() if line.strip()]) <= 12
    assert (await run(first))["printed"] == "charged 10.00 EUR, 15.00 EUR left\n"


async def test_split_payment_charges_what_the_voucher_holds(run: Runner, emulator: VoucherEmulator) -> None:
    names = await run(block_with("client.checkout("))
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
async def test_what_was_charged_without_an_answer_is_found(run: Runner, emulator: VoucherEmulator) -> None:
    names = await run(block_with("except OutcomeUnknown"))
    assert [names["charge"].id] == [charge.id for charge in emulator.charges("A-3")]


async def test_what_could_not_be_looked_for_is_parked_and_settled_later(
    run: Runner, emulator: VoucherEmulator, losing: Proxy
) -> None:
    losing.refuse("GET", "/charges", 403)
    names = await run(block_with("except OutcomeUnknown"))
    assert names["settlement"].state is SettlementState.DONE
    assert [names["settlement"].charge.id] == [charge.id for charge in emulator.charges("A-3")]


async def test_fastapi_takes_ten_lines_at_most_and_pays(run: Runner, emulator: VoucherEmulator) -> None:
    block = block_with("FastAPI(")
    assert len(meaningful_lines(block)) <= 10
    app = (await run(block))["app"]
    voucher = emulator.add_voucher(amount="25.00")
    async with served(app) as shop:
        answer = await shop.post("/orders/A-9/voucher", json={"code": voucher.code, "amount": "10.00"})
    assert answer.status_code == 200, answer.text
    assert [charge.id for charge in emulator.charges("A-9")] == [answer.json()["id"]]
    assert answer.json()["amount"] == "10.00"


async def test_the_hook_of_the_readme_is_told(run: Runner, capsys: pytest.CaptureFixture[str]) -> None:
    await run(block_with("Metrics(Hook)"))
    assert "listVouchers 1 answered 200" in capsys.readouterr().out


def test_the_table_of_errors_names_every_error(root: Path) -> None:
    text = (root / "README.md").read_text(encoding="utf-8")
    section = text[text.index("## Errors") : text.index("## When an answer is lost")]
    public = [getattr(voucher_async, name) for name in voucher_async.__all__]
    errors = {e.__name__ for e in public if isinstance(e, type) and issubclass(e, VoucherError)}
    named = set(re.findall(r"`([A-Z][A-Za-z]+)`", section))
    assert errors - {"InvalidInputType"} == {name for name in named if name in errors}


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_every_make_target_named_exists(root: Path, document: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)", (root / document).read_text(encoding="utf-8")))
    assert named
    assert named <= targets


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_every_relative_link_leads_somewhere(root: Path, document: str) -> None:
    text = (root / document).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", text):
        assert (root / target).exists(), target
