"""A small storm over machines: nobody is told what is not so. `make storm-machines` has all faults."""

from __future__ import annotations

import asyncio
import re
import sys
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Final

import pytest

from tests.machines.columns import AFTERWARDS
from tests.machines.network import means
from tests.machines.plan import FAULTS, Fault
from tests.processes import plain_environment
from tests.seeds import chosen, drawing

OFTEN: Final[tuple[Fault, ...]] = ("database silent", "paused", "killed", "API faults")
"""What workers die of most, and takes their records away; of the others the seed draws one."""
SMALL = "--payments 40 --workers 2 --rounds 1 --lanes 20 --least 0.4 --most 1.2 --delay 0.4 --slack 1.2"


def rows(said: str) -> dict[str, list[int]]:
    """The figures of the table, by fault."""
    found = re.findall(r"^\| ([\w ]+) \| ([\d,]+.*) \|$", said, re.MULTILINE)
    return {fault: [int(cell.replace(",", "")) for cell in cells.split(" | ")] for fault, cells in found}


@pytest.mark.timeout(300)
async def test_faults_between_two_machines_and_their_services_leave_nobody_with_a_wrong_answer(
    root: Path,
) -> None:
    faults = (*OFTEN, drawing("machines").choice([each for each in FAULTS if each not in OFTEN]))
    options = (*SMALL.split(), "--seed", str(chosen()), "--faults", *faults)
    command = (sys.executable, "-m", "tests.machines", *options)
    running = await asyncio.create_subprocess_exec(*command, stdout=PIPE, cwd=root, env=plain_environment())
    said = (await running.communicate())[0].decode()
    assert running.returncode == 0, said
    assert f"between machines and services: {means()[0]}" in said
    assert "nothing is wrong" in said
    table = rows(said)
    assert set(table) == {*faults, AFTERWARDS, "all"}
    payments, calls, done, *_ = table["all"]
    assert payments == 40
    assert calls > 90
    assert done > 50
    assert table["all"][-3:] == [0, 0, 0]
