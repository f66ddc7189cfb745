"""A batch whose process is killed, and is run again: on the same machine, and on one that has no journal."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.issuing.batch import activations
from tests.processes import plain_environment
from voucher_async.testing import VoucherEmulator

COUNT = 150
KILLED_AT = (1, 60)  # results


@pytest.fixture
async def emulator() -> AsyncIterator[VoucherEmulator]:
    asyncio.get_running_loop().set_debug(False)  # thousands of requests
    async with VoucherEmulator() as emulator:
        yield emulator


async def started(emulator: VoucherEmulator, root: Path, journal: Path) -> Process:
    arguments = (json.dumps(emulator.settings()), f"sqlite:///{journal}", str(COUNT))
    command = (sys.executable, "-m", "tests.issuing.killed", *arguments)
    return await asyncio.create_subprocess_exec(*command, stdout=PIPE, cwd=root, env=plain_environment())


async def killed(emulator: VoucherEmulator, root: Path, journal: Path, at: int) -> None:
    """Kill a run after some results, while others are under way."""
    process = await started(emulator, root, journal)
    assert process.stdout
    for _ in range(at):
        assert await process.stdout.readline()
    process.kill()
    await process.communicate()
    assert process.returncode == -signal.SIGKILL


async def run_to_the_end(emulator: VoucherEmulator, root: Path, journal: Path) -> None:
    said, _ = await (await started(emulator, root, journal)).communicate()
    *positions, errors = said.decode().splitlines()
    assert errors == "errors 0"
    assert sorted(map(int, positions)) == list(range(1, COUNT + 1))


@pytest.mark.timeout(300)
async def test_killed_and_run_again_on_the_same_machine_and_on_another(
    emulator: VoucherEmulator, root: Path, tmp_path: Path
) -> None:
    for at in KILLED_AT:
        await killed(emulator, root, tmp_path / "journal.db", at)
    assert 0 < len(emulator.vouchers()) < COUNT
    await run_to_the_end(emulator, root, tmp_path / "journal.db")
    made, active = emulator.vouchers(), activations(emulator)
    assert len(made) == len(active) == COUNT
    assert {record.status for record in made} == {"active"}
    assert set(active.values()) == {1}
    await run_to_the_end(emulator, root, tmp_path / "another.db")
    assert emulator.vouchers() == made
    assert activations(emulator) == active
