"""A worker that is stopped within a transaction of its journal, and the others, who need its locks."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.journals.postgres import Server
from tests.processes import plain_environment
from voucher_async import JournalFailed, VoucherClient
from voucher_async.journals.sql import SqlJournal
from voucher_async.testing import VoucherEmulator


def payment_of(code: str, order: str) -> dict[str, Any]:
    return {"code": code, "amount": "1.00", "currency": "EUR", "order_number": order}


@contextlib.asynccontextmanager
async def stopped(access: Any, url: str, payment: Any, when: str, root: Path) -> AsyncIterator[list[str]]:
    """While a worker is stopped; afterwards it goes on, and gives what its caller is told."""
    arguments = json.dumps(access), url, json.dumps(payment), when
    command = (sys.executable, "-m", "tests.recovery.inside", *arguments)
    worker = await asyncio.create_subprocess_exec(*command, stdout=PIPE, cwd=root, env=plain_environment())
    wait: Callable[..., object] = os.waitid
    await asyncio.to_thread(wait, os.P_PID, worker.pid, os.WSTOPPED)
    told: list[str] = []
    try:
        yield told
    finally:
        worker.send_signal(signal.SIGCONT)
        said, _ = await worker.communicate()
    told.append(json.loads(said))


def charges_of(emulator: VoucherEmulator, order: str) -> list[str]:
    return [each.id for each in emulator.charges(order)]


@pytest.mark.parametrize("when", ["before", "after"])
async def test_in_postgresql_others_go_on_and_nothing_of_its_transaction_is_stored(
    voucher_emulator: VoucherEmulator, server: Server, database: str, root: Path, when: str
) -> None:
    url, code = server.url(database), voucher_emulator.add_voucher(amount="5.00").code
    journal = SqlJournal(url)
    await journal.digest_key()
    access = voucher_emulator.settings()
    async with (
        VoucherClient(**access, journal=journal) as client,
        stopped(access, url, payment_of(code, "A-1"), when, root) as told,
    ):
        charge = await client.redeem(**payment_of(code, "A-2"))
    assert charges_of(voucher_emulator, "A-2") == [charge.id]
    if when == "before":  # it begins its transaction anew
        assert told == charges_of(voucher_emulator, "A-1")
    else:  # it cannot tell whether its COMMIT arrived
        assert told[0].startswith("JournalFailed")
        assert charges_of(voucher_emulator, "A-1") == []
    await journal.aclose()


async def test_in_sqlite_others_are_told_and_send_nothing(
    voucher_emulator: VoucherEmulator, tmp_path: Path, root: Path
) -> None:
    url, code = f"sqlite:///{tmp_path / 'journal.db'}", voucher_emulator.add_voucher(amount="5.00").code
    journal = SqlJournal(url, lock_timeout=0.2)
    await journal.digest_key()
    access = voucher_emulator.settings()
    async with VoucherClient(**access, journal=journal) as client:
        async with stopped(access, url, payment_of(code, "A-1"), "", root) as told:
            with pytest.raises(JournalFailed, match="another process held its lock"):
                await client.redeem(**payment_of(code, "A-2"))
            assert len(voucher_emulator.requests) == 0
        charge = await client.redeem(**payment_of(code, "A-2"))
    assert charges_of(voucher_emulator, "A-2") == [charge.id]
    assert told == charges_of(voucher_emulator, "A-1")
    await journal.aclose()
