"""Workflows whose steps take their time, and write down when they begin and end, and in which process."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from dbos import DBOS

from voucher_async.integrations.dbos import VoucherCode, VoucherWorkflows

STEPS = 5


def codes_of(_: str) -> list[VoucherCode]:
    return []


vouchers = VoucherWorkflows(codes_of)


@DBOS.workflow()
async def go_slowly(name: str) -> int:
    for number in range(STEPS):
        await DBOS.run_step_async({"name": f"step {number}"}, take_a_step, name, number)
    return STEPS


async def take_a_step(name: str, number: int) -> None:
    note(f"{name} {number} begin {os.getpid()}")
    await asyncio.sleep(0.5)
    note(f"{name} {number} end {os.getpid()}")


def note(line: str) -> None:
    with Path(os.environ["STEPS_FILE"]).open("a") as file:
        file.write(f"{line}\n")
