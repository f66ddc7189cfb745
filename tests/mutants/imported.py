"""A plugin for pytest: what is tested is the copy in the current folder, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

import voucher_async

ELSEWHERE: Final = 64


def pytest_configure() -> None:
    """End the run when another `voucher_async` than that of this folder is imported."""
    imported = Path(voucher_async.__file__).resolve().parent.parent
    if imported != Path.cwd().resolve():
        pytest.exit(f"voucher_async was imported from {imported}", returncode=ELSEWHERE)
