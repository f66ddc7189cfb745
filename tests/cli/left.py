"""Calls that were left in the journal of a profile, for the tests of commands that look after them."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final, TypeVar

import attrs

from tests.journals.records import begun, opened, sent
from tests.processes import plain_environment
from voucher_async import VoucherClient
from voucher_async.journals.sql import SqlJournal
from voucher_async.payments.call import CallRecord
from voucher_async.testing import VoucherEmulator, faults

__all__ = ["Shop"]

T = TypeVar("T")

PATIENCE: Final = 60  # seconds; machines are busy

REDEEM: Final = """
import asyncio, sys
from voucher_async import VoucherClient
async def redeem(code, amount, order):
    async with VoucherClient.from_env() as client:
        asked = {"code": code, "amount": amount, "currency": "EUR", "order_number": order}
        await client.redeem(**asked, idempotency_key=order)
asyncio.run(redeem(*sys.argv[1:]))
"""

CHECKOUT: Final = """
import asyncio, sys
from voucher_async import VoucherClient
async def pay(order, *codes):
    async with VoucherClient.from_env() as client:
        async with client.checkout(order_number=order, currency="EUR", idempotency_key=order) as checkout:
            for code in codes:
                await checkout.reserve(code=code, amount="10.00")
            await checkout.charge()
asyncio.run(pay(*sys.argv[1:]))
"""

REFUND: Final = """
import asyncio, sys
from voucher_async import VoucherClient
async def refund(order, amount):
    async with VoucherClient.from_env() as client:
        await client.refund_order(order, amount, idempotency_key=f"refund of {order}")
asyncio.run(refund(*sys.argv[1:]))
"""

DIES: Final = """
import os
from voucher_async.payments.call import COMPOSED
from voucher_async.payments.recording import Recorder
done = Recorder.done
async def die(self, *arguments, **named):
    if self.record.parameters.operation in COMPOSED:
        os._exit(1)
    await done(self, *arguments, **named)
Recorder.done = die
"""
"""The beginning of a program that dies once all parts of a call are done, before it writes that it is."""


class Shop:
    """A shop with a voucher and a journal, whose variables are those of the process.

    Args:
        emulator: the API.
        journal: the file of the journal.
    """

    def __init__(self, emulator: VoucherEmulator, journal: Path) -> None:
        self.emulator = emulator
        self.journal = journal
        self.url = f"sqlite:///{journal}"
        self.scope = f"{emulator.base_url} {emulator.client_id}"
        self.voucher = emulator.add_voucher(amount="50.00", currency="EUR", code="GIFT-SECRET-7")

    def do(self, work: Callable[[VoucherClient], Awaitable[T]]) -> T:
        """Do something with a client of the shop, which is closed at once."""

        async def run() -> T:
            async with VoucherClient.from_env(recover_every=0) as client:
                result = await work(client)
                await client.aclose(0.0)
                return result

        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            return runner.run(run())

    def redeem(self, amount: str, order: str) -> str:
        """Charge; the charge's id."""

        async def work(client: VoucherClient) -> str:
            charge = await client.redeem(
                code=self.voucher.code,
                amount=amount,
                currency="EUR",
                order_number=order,
                idempotency_key=f"key of {order}",
            )
            return charge.id

        return self.do(work)

    def store(self, *records: CallRecord) -> None:
        """Store records as they are."""

        async def run() -> None:
            journal = SqlJournal(self.url)
            for record in records:
                assert (await journal.claim(attrs.evolve(record, version=1))).won
            await journal.aclose()

        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            runner.run(run())

    def begun(self, key: str, **asked: Any) -> CallRecord:
        """A record of this shop whose owner has no lease."""
        return begun(key, scope=self.scope, **asked)

    def twice(self) -> CallRecord:
        """A record in doubt whose request was sent twice."""
        record = opened(sent(self.begun("k"), self.voucher.id))
        assert record.pending is not None
        twice = {**record.pending.to_dict(), "sends": 2, "since": None}
        return CallRecord.from_dict({**record.to_dict(), "pending": twice})

    def records(self) -> list[CallRecord]:
        """All records of the shop."""

        async def run() -> list[CallRecord]:
            journal = SqlJournal(self.url)
            found = [each async for each in journal.history(self.scope)]
            await journal.aclose()
            return found

        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            return runner.run(run())

    def keep_alive(self, owner: str) -> None:
        """Let the lease of an owner run."""

        async def run() -> None:
            journal = SqlJournal(self.url)
            assert await journal.beat(owner, 3600.0)
            await journal.aclose()

        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            runner.run(run())

    def end_leases(self) -> None:
        """Let 15 seconds pass for the leases of those that are gone."""
        with closing(sqlite3.connect(self.journal)) as db, db:
            db.execute("UPDATE voucher_owners SET lease_ends = 0")

    def kill_while_charging(self, amount: str, order: str) -> None:
        """Kill a process that has charged while it waits for the answer."""
        self.emulator.faults.script("chargeReservation", faults.SlowHeaders(300.0))
        self._kill(REDEEM, self.voucher.code, amount, order)

    def kill_in_a_checkout(self, order: str, *codes: str) -> None:
        """Kill a process that has made the second charge of a checkout while it waits for the answer."""
        self.emulator.faults.script("chargeReservation", None, faults.SlowHeaders(300.0))
        self._kill(CHECKOUT, order, *codes)

    def kill_in_a_refund(self, order: str, amount: str) -> None:
        """Kill a process that has made the second refund of an order while it waits for the answer."""
        self.emulator.faults.script("refundCharge", None, faults.SlowHeaders(300.0))
        self._kill(REFUND, order, amount)

    def die_before_telling(self, program: str, *arguments: str) -> None:
        """Let a process die that has done all parts of a checkout or refund, before it tells its caller."""
        command = [sys.executable, "-c", DIES + program, *arguments]
        ended = subprocess.run(command, env=plain_environment(), timeout=PATIENCE, check=False)
        assert ended.returncode == 1
        self.end_leases()

    def _kill(self, program: str, *arguments: str) -> None:
        before = len(self.emulator.faults.injected)
        command = [sys.executable, "-c", program, *arguments]
        with subprocess.Popen(command, env=plain_environment()) as process:
            until = time.monotonic() + PATIENCE
            while len(self.emulator.faults.injected) == before and time.monotonic() < until:
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
        self.end_leases()
