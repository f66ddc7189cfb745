"""A worker that stood still beyond its lease: the journal refuses its late write, and it sends nothing."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from tests.journals.conftest import database, server
from tests.journals.postgres import Server
from tests.machines.late import MOMENTS, Late
from tests.processes import plain_environment
from voucher_async.testing import VoucherEmulator

__all__ = ["database", "server"]


@pytest.mark.timeout(300)
async def test_who_stood_still_beyond_his_lease_writes_nothing_and_charges_nothing(
    voucher_emulator: VoucherEmulator, server: Server, database: str, root: Path, tmp_path: Path
) -> None:
    for number in range(len(MOMENTS)):
        voucher_emulator.add_voucher(id=f"Card-{number}", code=f"Card-{number}", amount="50.00")
    arguments = (json.dumps(voucher_emulator.settings()), server.url(database), str(tmp_path))
    command = (sys.executable, "-m", "tests.machines.late", *arguments)
    running = await asyncio.create_subprocess_exec(*command, stdout=PIPE, cwd=root, env=plain_environment())
    said, _ = await running.communicate()
    assert running.returncode == 0
    told = {moment: Late(**late) for moment, late in map(json.loads, said.splitlines())}
    for number, moment in enumerate(MOMENTS):
        (charge,) = voucher_emulator.charges(order_number=f"A-{number}")
        assert told[moment].other == charge.id, moment
        assert told[moment].own == "StillRunning", moment
        assert "sent" in told[moment].refused, moment
    # those who were late have asked for nothing, not even in vain
    assert len(voucher_emulator.requests.of("chargeReservation")) == len(MOMENTS)
