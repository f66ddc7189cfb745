"""The program of docs/dbos.md runs as it stands there."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, RUNNER, blocks_of
from voucher_async import VoucherClient
from voucher_async.testing import VoucherEmulator


def test_the_block_of_the_page_runs(
    tmp_path: Path,
    emulator: VoucherEmulator,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in emulator.environ().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    (block,) = blocks_of(ROOT / "docs" / "dbos.md")
    code = emulator.add_voucher(amount="25.00").code
    with asyncio.Runner() as runner:
        block.namespace.update({RUNNER: runner, "code": code, "VoucherClient": VoucherClient})
        block.evaluate()
    assert capsys.readouterr().out == "10.00 1\n"
