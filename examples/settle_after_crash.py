"""A worker dies in the middle of a charge; another process finds out whether the customer was charged.

Before each request that moves money, the worker writes the intent into a database of its own. What a killed
worker has left there is settled by whoever sweeps up: `python examples/settle_after_crash.py`.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from voucher_async import Hook, OutcomeUnknown, PendingOutcome, VoucherClient
from voucher_async.testing import VoucherEmulator, faults

ORDER = "A-3001"


class Journal(Hook):
    """What a worker is about to do, in a file that outlives it: ids and amounts, nothing secret."""

    def __init__(self, path: Path) -> None:
        self._rows = sqlite3.connect(path, isolation_level=None)  # each write is on the disk when it returns
        self._rows.execute("CREATE TABLE IF NOT EXISTS intents (id PRIMARY KEY, order_number, pending)")

    def on_intent(self, event: PendingOutcome) -> None:
        """Money is about to move. A repeated request has the id of the first, and takes its place."""
        row = (event.id, event.order_number, event.to_json())
        self._rows.execute("INSERT OR REPLACE INTO intents VALUES (?, ?, ?)", row)

    def is_over(self, order_number: str) -> None:
        """The worker knows how the order ended: nothing is left to find out."""
        self._rows.execute("DELETE FROM intents WHERE order_number = ?", [order_number])

    def is_settled(self, pending: PendingOutcome) -> None:
        """What became of one request is known."""
        self._rows.execute("DELETE FROM intents WHERE id = ?", [pending.id])

    def left(self) -> list[PendingOutcome]:
        """What no worker has said the end of."""
        rows = self._rows.execute("SELECT pending FROM intents ORDER BY rowid")
        return [PendingOutcome.from_json(text) for (text,) in rows]

    def close(self) -> None:
        """Close the file."""
        self._rows.close()


async def work(path: Path, code: str) -> None:
    """The worker: pays one order. In this story it does not live to see the answer."""
    with closing(Journal(path)) as journal:
        async with VoucherClient.from_env(hooks=[journal]) as client:
            await client.redeem(code=code, amount="10.00", currency="EUR", order_number=ORDER)
        journal.is_over(ORDER)


async def sweep(path: Path) -> None:
    """Another process: settles what a worker that is gone has left."""
    with closing(Journal(path)) as journal:
        async with VoucherClient.from_env() as client:
            for pending in journal.left():
                try:
                    settlement = await client.settle(pending)
                except OutcomeUnknown as error:
                    print(f"sweeper:  {pending.order_number} is still open, look again later: {error}")
                    continue
                journal.is_settled(pending)
                amount = f", {settlement.charge.amount} EUR" if settlement.charge else ""
                print(f"sweeper:  {pending.operation} of {pending.order_number}: {settlement.state}{amount}")


async def main() -> None:
    """Start a worker, kill it once the server has charged, and sweep up."""
    async with VoucherEmulator() as emulator:
        os.environ["VOUCHER_CLIENT_ID"] = emulator.client_id
        os.environ["VOUCHER_CLIENT_SECRET"] = emulator.client_secret
        os.environ["VOUCHER_BASE_URL"] = emulator.base_url
        voucher = emulator.add_voucher(amount="25.00")
        emulator.faults.script("chargeReservation", faults.SlowHeaders(60))  # acts at once, answers late
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "intents.db")
            worker = await asyncio.create_subprocess_exec(sys.executable, __file__, str(path), voucher.code)
            while not emulator.charges(ORDER):  # noqa: ASYNC110 - another process's doing has no event
                await asyncio.sleep(0.01)
            worker.kill()
            await worker.wait()
            print(f"worker:   killed, {emulator.balance(voucher.id)} EUR are left on the voucher")
            await sweep(path)


if __name__ == "__main__":
    if sys.argv[1:]:
        asyncio.run(work(Path(sys.argv[1]), sys.argv[2]))
    else:
        asyncio.run(main())
