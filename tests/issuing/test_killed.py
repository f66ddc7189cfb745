"""A batch whose process is killed, and is run again: on the same machine, and on one that has no journal."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.issuing.batch import activations, check_issued, issue, specs
from tests.processes import plain_environment
from voucher_async import VoucherClient
from voucher_async.testing import VoucherEmulator

COUNT = 500
KILLED_AT = (1, 90, 200)  # results


@pytest.fixture
async def emulator() -> AsyncIterator[VoucherEmulator]:
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
    assert process.returncode == -9


@pytest.mark.timeout(300)
async def test_killed_three_times_and_run_again_on_the_same_and_on_another_machine(
    emulator: VoucherEmulator, root: Path, tmp_path: Path
) -> None:
    for at in KILLED_AT:
        await killed(emulator, root, tmp_path / "journal.db", at)
    assert 0 < len(emulator.vouchers()) < COUNT
    last = await started(emulator, root, tmp_path / "journal.db")
    said, _ = await last.communicate()
    *positions, errors = said.decode().splitlines()
    assert errors == "errors 0"
    assert sorted(map(int, positions)) == list(range(1, COUNT + 1))
    active = activations(emulator)
    assert len(emulator.vouchers()) == len(active) == COUNT
    assert set(active.values()) == {1}
    valid = {record.id: record.valid_until for record in emulator.vouchers()}
    async with VoucherClient(**emulator.settings()) as another_machine:
        cards = await issue(another_machine, specs(COUNT))
    check_issued(emulator, cards, COUNT)
    assert activations(emulator) == active
    assert {record.id: record.valid_until for record in emulator.vouchers()} == valid
