"""The pytest plugin: fixtures for those who use the SDK."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from decimal import Decimal
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from voucher_async.testing import pytest_plugin

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from voucher_async.client import VoucherClient
    from voucher_async.testing import VoucherEmulator

A_USERS_TEST = """
import pytest

@pytest.mark.asyncio
async def test_shop(voucher_emulator, voucher_client):
    voucher = voucher_emulator.add_voucher(amount="25.00")
    await voucher_client.redeem(code=voucher.code, amount="10.00", currency="EUR", order_number="A-1")
    assert str(voucher_emulator.balance(voucher.id)) == "15.00"
    voucher_emulator.ledger.check()
"""


async def test_the_client_talks_to_the_emulator_of_the_same_test(
    voucher_client: VoucherClient, voucher_emulator: VoucherEmulator
) -> None:
    voucher = await voucher_client.vouchers.create(amount="5.00", currency="EUR")
    assert voucher_emulator.balance(voucher.id) == Decimal("5.00")


async def test_every_test_has_an_emulator_of_its_own(voucher_emulator: VoucherEmulator) -> None:
    assert voucher_emulator.vouchers() == ()


def test_a_user_needs_no_more_than_the_installed_package(tmp_path: Path) -> None:
    (tmp_path / "test_shop.py").write_text(A_USERS_TEST)
    scope = "asyncio_default_fixture_loop_scope=function"
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-o", scope, str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def test_pytest_finds_the_plugin_by_its_entry_point() -> None:
    (found,) = entry_points(group="pytest11", name="voucher_async")
    assert found.load() is pytest_plugin


def test_a_pytest_without_asyncio_is_not_disturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytest_asyncio", None)
    spec = importlib.util.spec_from_file_location("without_asyncio", pytest_plugin.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.__all__ == []
    assert not hasattr(module, "voucher_emulator")


def test_pytest_does_not_load_a_web_server_for_it() -> None:
    code = "import sys, voucher_async.testing.pytest_plugin; sys.exit('aiohttp.web' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=os.environ, check=False).returncode == 0
