"""The scripts in examples/ run, and print what they should."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.serving import served
from voucher_async.testing import VoucherEmulator


def run_example(root: Path, name: str, *arguments: str, encoding: str = "utf-8") -> str:
    command = [sys.executable, "-W", "error", str(root / "examples" / name), *arguments]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=110)
    # development mode reports slow callbacks, which a busy machine causes
    complaints = [line for line in done.stderr.decode().splitlines() if not line.startswith("Executing <")]
    assert (done.returncode, complaints) == (0, [])
    return done.stdout.decode(encoding)


def load_example(root: Path, name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, root / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def quickstart(root: Path) -> list[str]:
    """The lines that it prints."""
    return run_example(root, "quickstart.py").splitlines()


def test_quickstart_shows_every_step_and_the_balance(quickstart: list[str]) -> None:
    steps = [line.split()[1] for line in quickstart if line.strip().startswith("✓")]
    assert steps == [
        *("emulator", "connect", "token", "create", "activate"),
        *("reserve", "charge", "refund", "recharge", "list"),
    ]
    assert "52.50 EUR" in quickstart[-2]


def test_quickstart_is_aligned(quickstart: list[str]) -> None:
    assert len({len(line) for line in quickstart if line.endswith(" ms")}) == 1


def test_quickstart_is_plain_where_nothing_else_can_be_shown(root: Path) -> None:
    assert "\033" not in run_example(root, "quickstart.py", encoding="ascii")


def test_split_payment_charges_both_vouchers(root: Path) -> None:
    printed = run_example(root, "checkout_split_payment.py")
    assert "charged:    65.00 EUR from 2 vouchers" in printed
    assert printed.endswith("left:     0.00, 0.00 EUR\n")


def test_a_declined_card_leaves_the_vouchers_alone(root: Path) -> None:
    printed = run_example(root, "checkout_split_payment.py", "--declined")
    assert printed.endswith("left:     25.00, 40.00 EUR\n")


def test_two_workers_charge_once_and_so_does_the_heir_of_a_killed_one(root: Path) -> None:
    assert run_example(root, "two_workers.py").splitlines() == [
        "double click:   two workers, 1 charge; 40.00 EUR left",
        "killed worker:  it had charged; 30.00 EUR left",
        "asked again:    1 charge, the same one; 30.00 EUR left",
    ]


@pytest.mark.parametrize(
    ("amount", "status", "answer"),
    [
        ("10.00", 200, {"order": "A-1", "charged": "10.00"}),
        ("0.001", 422, {"type": "urn:voucher-async:invalid-input", "charged": None}),
        ("99.00", 422, {"type": "urn:voucher-async:voucher-refused", "charged": False}),
    ],
)
async def test_the_shop_answers(
    root: Path, emulator: VoucherEmulator, amount: str, status: int, answer: dict[str, object]
) -> None:
    app = load_example(root, "fastapi_shop").app
    voucher = emulator.add_voucher(amount="25.00")
    async with served(app) as shop:
        response = await shop.post("/orders/A-1/voucher", json={"code": voucher.code, "amount": amount})
    assert response.status_code == status
    assert response.json().items() >= answer.items()
