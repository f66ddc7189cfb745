"""The pytest plugin: fixtures for those who use the SDK."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from decimal import Decimal
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from voucher_async.testing import pytest_plugin

if TYPE_CHECKING:
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


ON_LOOPS = Path(__file__).with_name("loops.py")
EACH = {"asyncio_default_fixture_loop_scope": "function"}
ONE = {
    "asyncio_mode": "auto",
    "asyncio_default_fixture_loop_scope": "session",
    "asyncio_default_test_loop_scope": "session",
}
# pytest-asyncio 1.0 and 1.1 confuse loops of other scopes, and those of other runners, with the session's
OF_ONE = "own or session_s or half or not_charged or outage or environment or several or without"


def run_pytest(folder: Path, *arguments: str, path: str = "") -> str:
    """Run the tests of a folder as a user would; returns how they ended."""
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [path, *sys.path]))}
    done = subprocess.run(
        [*command, "."], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("options", "chosen", "count"), [(EACH, "", 16), (ONE, OF_ONE, 8), (ONE, "on_anyio_s", 1)]
)
def test_the_fixtures_serve_tests_on_every_loop_and_on_none(
    tmp_path: Path, options: dict[str, str], chosen: str, count: int
) -> None:
    shutil.copy(ON_LOOPS, tmp_path / "test_loops.py")
    given = [f"--override-ini={name}={value}" for name, value in options.items()]
    assert f"{count} passed" in run_pytest(tmp_path, "-k", chosen, *given)


WITHOUT_ASYNCIO = """
import asyncio
import pytest

def test_alone(voucher_emulator, voucher_client):
    code = voucher_emulator.add_voucher(amount="5").code
    pay = dict(amount="1.00", currency="EUR", order_number="A-1")
    assert asyncio.run(voucher_client.redeem(code=code, **pay)).order_number == "A-1"

@pytest.mark.anyio
async def test_on_anyio_s(voucher_emulator, voucher_client):
    code = voucher_emulator.add_voucher(amount="5").code
    await voucher_client.redeem(code=code, amount="1.00", currency="EUR", order_number="A-1")
"""


def test_a_pytest_without_asyncio_has_the_fixtures_and_is_not_disturbed(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "pytest_asyncio.py").write_text("raise ImportError\n")
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "test_shop.py").write_text(WITHOUT_ASYNCIO)
    assert "2 passed" in run_pytest(tests, "-p", "no:asyncio", path=str(hidden))


ON_TRIO = """
import pytest

@pytest.fixture
def anyio_backend():
    return "trio"

def test_shop(anyio_backend, voucher_client):
    raise AssertionError
"""


def test_a_test_on_trio_is_skipped_and_told_why(tmp_path: Path) -> None:
    (tmp_path / "test_shop.py").write_text(ON_TRIO)
    scope = "asyncio_default_fixture_loop_scope=function"
    said = run_pytest(tmp_path, "-rs", f"--override-ini={scope}")
    assert "voucher_async runs on asyncio, not on trio" in said


def test_pytest_does_not_load_a_web_server_for_it() -> None:
    code = "import sys, voucher_async.testing.pytest_plugin; sys.exit('aiohttp.web' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=os.environ, check=False).returncode == 0
