"""Workers that are killed at every step of a call: another process recovers to the truth."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.journals.postgres import Server
from tests.processes import plain_environment
from tests.recovery.killed import CALLS, Report, code_of, order_of
from voucher_async.testing import VoucherEmulator, faults

MOST = 70  # steps of one call
KINDS = {"redeem": "charge", "refund": "refund", "recharge": "recharge", "checkout": "charge"}
FEWEST = {"redeem": 20, "refund": 15, "recharge": 10, "checkout": 40}
OPEN = ("StillRunning", "OutcomeUnknown", "CheckoutUnknown")
UNFINISHED = {"begun", "sent"}


@pytest.fixture
async def emulator() -> AsyncIterator[VoucherEmulator]:
    async with VoucherEmulator() as emulator:
        for call in CALLS:
            for step in range(1, MOST):
                for number in range(2):
                    code = code_of(call, step, number)
                    emulator.add_voucher(id=code, code=code, amount="50.00")
        slow = faults.SlowHeaders(seconds=0.03)  # a request is under way long enough to be killed meanwhile
        emulator.faults.chance(1.0, seed=1, kinds=(slow,))
        yield emulator


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'journal.db'}"
    server: Server = request.getfixturevalue("server")
    return server.url(request.getfixturevalue("database"))


def standing(emulator: VoucherEmulator, report: Report) -> list[str]:
    """The ids of what was done for a call, and was not taken back."""
    entries = emulator.charges(order_number=order_of(report.call, report.step))
    back = (
        {entry.refund_of for entry in entries if entry.type == "refund"} if report.call != "refund" else set()
    )
    return [each.id for each in entries if each.type == KINDS[report.call] and each.id not in back]


async def reports_of(how: str, emulator: VoucherEmulator, url: str, root: Path, *calls: str) -> list[Report]:
    """What became of calls whose workers were killed or stopped, one at each step.

    Of those that are stopped each database has every second step, and both together have all.
    """
    steps = "1/1" if how == "kill" else "1/2" if url.startswith("sqlite") else "2/2"
    arguments = (how, json.dumps(emulator.settings()), url, steps, *calls)
    command = (sys.executable, "-m", "tests.recovery.killed", *arguments)
    running = await asyncio.create_subprocess_exec(*command, stdout=PIPE, cwd=root, env=plain_environment())
    said, _ = await running.communicate()
    assert running.returncode == 0
    reports = [Report(**json.loads(line)) for line in said.splitlines()]
    for call in calls:
        assert sum(report.call == call for report in reports) >= FEWEST[call] // int(steps[-1]), call
    return reports


@pytest.mark.timeout(300)
async def test_killed_at_any_step(emulator: VoucherEmulator, url: str, root: Path) -> None:
    for report in await reports_of("kill", emulator, url, root, *CALLS):
        assert standing(emulator, report) == report.told, report
        assert not {"open", *UNFINISHED} & set(report.states), report


@pytest.mark.timeout(300)
async def test_stopped_at_any_step_beyond_its_lease_and_then_going_on(
    emulator: VoucherEmulator, url: str, root: Path
) -> None:
    for report in await reports_of("stop", emulator, url, root, "redeem", "refund", "recharge"):
        made = standing(emulator, report)
        assert report.told == made, report
        assert report.first in [made, *OPEN], report
        assert not UNFINISHED & set(report.states), report


@pytest.mark.timeout(300)
async def test_a_checkout_stopped_at_any_step_beyond_its_lease_and_then_going_on(
    emulator: VoucherEmulator, url: str, root: Path
) -> None:
    for report in await reports_of("stop", emulator, url, root, "checkout"):
        made = standing(emulator, report)
        assert len(made) in {0, 2}, report
        assert report.told in [made or None, *OPEN], report
        assert report.first in [made or None, *OPEN], report
        assert not UNFINISHED & set(report.states), report
