"""A suite that freezes time, at whatever moment, pays as it would otherwise, and reads real dates."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.frozen.shop import KINDS, MOMENTS

SHOP = Path(__file__).with_name("shop.py")
PAID = {"import": 2}
SELDOM = {"import", "frozen under way"}


def cases() -> list[tuple[str, str]]:
    kinds = list(KINDS)
    each = [(moment, kinds[at % 2]) for at, moment in enumerate((*MOMENTS, "all"))]
    return each + [
        (moment, kind) for moment in sorted(SELDOM) for kind in kinds if (moment, kind) not in each
    ]


@pytest.mark.parametrize(("moment", "kind"), cases())
def test_time_may_be_frozen_at_any_moment(root: Path, moment: str, kind: str) -> None:
    """In a process of its own: what is bound at the first call is bound once."""
    command = [sys.executable, "-W", "error", str(SHOP), moment, kind]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=root)
    assert run.returncode == 0, run.stderr
    assert run.stdout.endswith(f"paid {PAID.get(moment, 3)}.00 open 0\n")
    assert "never retrieved" not in run.stderr
