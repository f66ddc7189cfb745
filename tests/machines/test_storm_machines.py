"""A small storm over machines: each fault once, and nobody is told what is not so."""

from __future__ import annotations

import asyncio
import re
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from tests.machines.columns import AFTERWARDS
from tests.machines.network import means
from tests.machines.plan import FAULTS
from tests.processes import plain_environment
from tests.seeds import chosen

SMALL = "--payments 60 --workers 2 --rounds 1 --lanes 20 --least 0.4 --most 1.2 --delay 0.4 --slack 1.2"


def rows(said: str) -> dict[str, list[int]]:
    """The figures of the table, by fault."""
    found = re.findall(r"^\| ([\w ]+) \| ([\d,]+.*) \|$", said, re.MULTILINE)
    return {fault: [int(cell.replace(",", "")) for cell in cells.split(" | ")] for fault, cells in found}


@pytest.mark.timeout(300)
async def test_each_fault_between_two_machines_and_their_services_leaves_nobody_with_a_wrong_answer(
    root: Path,
) -> None:
    command = (sys.executable, "-m", "tests.machines", *SMALL.split(), "--seed", str(chosen()))
    running = await asyncio.create_subprocess_exec(*command, stdout=PIPE, cwd=root, env=plain_environment())
    said = (await running.communicate())[0].decode()
    assert running.returncode == 0, said
    assert f"between machines and services: {means()[0]}" in said
    assert "nothing is wrong" in said
    table = rows(said)
    assert set(table) == {*FAULTS, AFTERWARDS, "all"}
    payments, calls, done, *_ = table["all"]
    assert payments == 60
    assert calls > 150
    assert done > 80
    assert table["all"][-3:] == [0, 0, 0]
