"""A shop's test with the fixtures, found by pytest itself."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

TEST = """\
async def test_a_voucher_pays(voucher_client, voucher_emulator):
    code = voucher_emulator.add_voucher(amount="25.00").code
    await voucher_client.redeem(code=code, amount="10.00", currency="EUR", order_number="A-1")
    assert len(voucher_emulator.charges("A-1")) == 1
"""
OPTIONS = ("-q", "-W", "error", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto")

with tempfile.TemporaryDirectory() as folder:
    file = Path(folder, "test_shop.py")
    file.write_text(TEST, encoding="utf-8")
    scope = ("-o", "asyncio_default_fixture_loop_scope=function")
    command = [sys.executable, "-m", "pytest", *OPTIONS, *scope, str(file)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode or "1 passed" not in done.stdout:
        sys.exit(done.stdout + done.stderr)
