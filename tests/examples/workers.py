"""Real workers of the frameworks that examples/ names, their queues, and the shop whose orders they pay."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

import attrs

from tests.processes import plain_environment
from voucher_async import VoucherClient
from voucher_async.testing import VoucherEmulator

__all__ = ["Shop", "Worker", "until"]

LOGS: Final = itertools.count()
ROOT: Final = Path(__file__).resolve().parent.parent.parent


async def until(is_so: Callable[[], object], what: str, seconds: float = 100) -> None:
    """Wait for a condition.

    Raises:
        AssertionError: it does not come true; `what` says what was waited for.
    """
    end = asyncio.get_running_loop().time() + seconds
    while not is_so():
        assert asyncio.get_running_loop().time() < end, f"waited in vain: {what}"
        await asyncio.sleep(0.02)


@attrs.define(eq=False)
class Worker:
    """A worker: its process, and those that it starts.

    Attributes:
        process: the one that was started, the leader of a group of its own.
        log: what the processes of the group print.
    """

    process: asyncio.subprocess.Process
    log: Path

    @property
    def printed(self) -> str:
        return self.log.read_text(encoding="utf-8")

    async def prints(self, text: str, times: int = 1) -> None:
        """Wait until a text was printed so many times."""
        await until(lambda: self.printed.count(text) >= times, f"{text!r} in {self.log}")

    def children(self) -> list[int]:
        """The processes that it has started."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(child) for child in children.read_text().split()]

    async def kill(self) -> None:
        """Kill all its processes."""
        os.killpg(self.process.pid, signal.SIGKILL)
        await self.process.wait()

    async def stop(self) -> int:
        """Ask it to stop, as systemd does; returns its exit code once all its processes have ended."""
        self.process.terminate()
        async with asyncio.timeout(60):
            code = await self.process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, 0)
            raise AssertionError(f"processes are left of {self.log}")
        return code


@attrs.frozen(eq=False)
class Shop:
    """A shop with orders to pay, beside an emulator and a queue.

    Attributes:
        folder: has the shop's database, the journal of its workers and their logs.
        emulator: the server.
        queue: the URL of the queue's server.
        codes: the codes of the orders' vouchers.
        environ: variables of its workers, beside those that all have.
    """

    folder: Path
    emulator: VoucherEmulator
    queue: str
    codes: list[str] = attrs.field(factory=list[str])
    environ: Mapping[str, str] = attrs.Factory(dict[str, str])

    def __attrs_post_init__(self) -> None:
        with contextlib.closing(sqlite3.connect(self.folder / "shop.db")) as db, db:
            db.execute(
                "CREATE TABLE orders "
                "(number TEXT PRIMARY KEY, amount TEXT, code TEXT, charge_id TEXT, card TEXT)"
            )

    def order(self, number: str, amount: str = "10.00") -> str:
        """Take an order that is paid with a voucher of its own, which holds 25.00."""
        code = self.emulator.add_voucher(amount="25.00").code
        self.codes.append(code)
        with contextlib.closing(sqlite3.connect(self.folder / "shop.db")) as db, db:
            db.execute("INSERT INTO orders VALUES (?, ?, ?, NULL, NULL)", [number, amount, code])
        return number

    def numbers(self) -> list[str]:
        """The numbers of all orders."""
        with contextlib.closing(sqlite3.connect(self.folder / "shop.db")) as db:
            return [number for (number,) in db.execute("SELECT number FROM orders")]

    async def spend(self, code: str, amount: str) -> None:
        """Pay with a voucher elsewhere, by a client of which the workers' journal knows nothing."""
        async with VoucherClient(**self.emulator.settings()) as elsewhere:
            await elsewhere.redeem(code=code, amount=amount, currency="EUR", order_number="elsewhere")

    def paid(self, number: str) -> str | None:
        """The charge with which an order was marked as paid."""
        with contextlib.closing(sqlite3.connect(self.folder / "shop.db")) as db:
            charge_id: str | None
            (charge_id,) = db.execute("SELECT charge_id FROM orders WHERE number = ?", [number]).fetchone()
            return charge_id

    def code(self, number: str) -> str | None:
        """The code of an order's voucher; None once it was deleted."""
        with contextlib.closing(sqlite3.connect(self.folder / "shop.db")) as db:
            code: str | None
            (code,) = db.execute("SELECT code FROM orders WHERE number = ?", [number]).fetchone()
            return code

    def charge(self, number: str) -> str:
        """The id of the one charge of an order."""
        (charge,) = self.emulator.charges(number)
        assert (charge.type, charge.amount) == ("charge", Decimal("10.00"))
        return charge.id

    async def met_a_fault(self) -> None:
        """Wait until a request has met a fault of the server."""
        await until(lambda: [each for each in self.emulator.requests if each.fault], "a fault")

    async def charged(self, number: str) -> None:
        """Wait until an order was charged."""
        await until(lambda: self.emulator.charges(number), f"the charge of {number}")

    async def start(self, command: Sequence[str]) -> Worker:
        """Start a worker: a module of Python, and its arguments."""
        log = self.folder / f"worker-{next(LOGS)}.log"
        environ = {
            **plain_environment(),
            **self.emulator.environ(),
            "VOUCHER_JOURNAL": f"sqlite:///{self.folder / 'vouchers.db'}",
            "SHOP_DATABASE": str(self.folder / "shop.db"),
            "REDIS_URL": self.queue,
            "CELERY_BROKER_URL": self.queue,
            "CELERY_RESULT_BACKEND": self.queue,
            "PYTHONWARNINGS": "default::ResourceWarning",
            "PYTHONUNBUFFERED": "1",
            **self.environ,
        }
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", *command),
                cwd=ROOT,
                env=environ,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        return Worker(process, log)

    @contextlib.asynccontextmanager
    async def worker(self, command: Sequence[str]) -> AsyncIterator[Worker]:
        """A worker, which is killed at the end if it still runs."""
        worker = await self.start(command)
        try:
            yield worker
        finally:
            with contextlib.suppress(ProcessLookupError):
                await worker.kill()

    def check(self) -> None:
        """No worker has printed a code, or left anything open; the emulator's sums are right."""
        self.emulator.ledger.check()
        for log in self.folder.glob("worker-*.log"):
            printed = log.read_text(encoding="utf-8")
            assert not [code for code in self.codes if code in printed], log
            assert "nclosed" not in printed, printed
