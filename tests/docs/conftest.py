"""What the examples take for granted: a client of a running emulator, and vouchers to pay with."""

from __future__ import annotations

import ast
import asyncio
import inspect
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.docs.blocks import Block
from voucher_async import VoucherClient
from voucher_async.testing import VoucherEmulator

Runner = Callable[[Block], Awaitable[dict[str, Any]]]


@pytest_asyncio.fixture
async def emulator(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[VoucherEmulator]:
    async with VoucherEmulator() as emulator:
        for name, value in emulator.environ().items():
            monkeypatch.setenv(name, value)
        yield emulator


def run_alone(block: Block, folder: Path) -> str:
    """Run a block as if it was pasted into a file of somebody's project; returns what it prints."""
    file = folder / ("test_pasted.py" if block.is_test else "pasted.py")
    file.write_text(block.code, encoding="utf-8")
    scope = ("-o", "asyncio_default_fixture_loop_scope=function")
    options = ["-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", *scope] if block.is_test else []
    command = [sys.executable, *options, str(file)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def run(emulator: VoucherEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """Runs a block and returns the names it leaves behind; `client` and `code` are there when it begins."""

    monkeypatch.chdir(tmp_path)  # an example may make a file

    async def run(block: Block) -> dict[str, Any]:
        if block.is_program or block.is_test:
            return {"printed": await asyncio.to_thread(run_alone, block, tmp_path)}
        emulator.add_voucher(amount="5.00", id="V-1")
        code = compile(
            block.code, block.name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True
        )
        async with VoucherClient.from_env() as client:
            names: dict[str, Any] = {
                "client": client,
                "code": emulator.add_voucher(amount="25.00").code,
                "Decimal": Decimal,
                "VoucherClient": VoucherClient,
                "VoucherEmulator": VoucherEmulator,
            }
            result = eval(code, names)
            if inspect.isawaitable(result):
                await result
        return names

    return run
