"""Two workers and one journal: a double click is one charge, and so is a payment whose worker is killed.

The journal is a file that the workers of one machine share. `make demo` runs this after the quickstart.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from pathlib import Path

from voucher_async import VoucherClient
from voucher_async.testing import VoucherEmulator, VoucherRecord, faults


async def pay(order: str) -> None:
    """The worker: pays one order, and asks again with the same key if it is started again."""
    async with VoucherClient.from_env() as client:
        charge = await client.redeem(
            code=os.environ["CODE"], amount="10.00", currency="EUR", order_number=order, idempotency_key=order
        )
    print(charge.id)


async def worker(order: str) -> Process:
    """Start a worker in a process of its own."""
    return await asyncio.create_subprocess_exec(sys.executable, __file__, order, stdout=PIPE)


async def told(process: Process) -> str:
    """The charge that a worker was told."""
    said, _ = await process.communicate()
    return said.decode().strip()


def check(is_so: bool) -> None:  # noqa: FBT001 - read like an assertion
    """End the program when a worker was told something else than the truth."""
    if not is_so:
        raise SystemExit("a worker was told something else than the truth")


async def double_click(emulator: VoucherEmulator, voucher: VoucherRecord) -> None:
    """One order, paid by two workers at the same moment."""
    charges = await asyncio.gather(*[told(await worker("A-1")) for _ in range(2)])
    made = emulator.charges("A-1")
    check(charges == [each.id for each in made] * 2)
    print(f"double click:   two workers, {len(made)} charge; {emulator.balance(voucher.id)} EUR left")


async def killed_worker(emulator: VoucherEmulator, voucher: VoucherRecord) -> None:
    """A worker that is killed after its charge, and before it knows of that."""
    emulator.faults.script("chargeReservation", faults.SlowHeaders(seconds=60))
    dying = await worker("A-2")
    while not emulator.charges("A-2"):  # noqa: ASYNC110 - the server tells nobody
        await asyncio.sleep(0.01)
    dying.kill()
    await dying.wait()
    print(f"killed worker:  it had charged; {emulator.balance(voucher.id)} EUR left")
    charge = await told(await worker("A-2"))  # it waits until the dead one's lease of 15 seconds is over
    made = emulator.charges("A-2")
    check([charge] == [each.id for each in made])
    print(f"asked again:    {len(made)} charge, the same one; {emulator.balance(voucher.id)} EUR left")


async def main() -> None:
    """Start the emulator, and tell both stories."""
    with tempfile.TemporaryDirectory() as folder:
        async with VoucherEmulator() as emulator:
            voucher = emulator.add_voucher(amount="50.00")
            os.environ.update(emulator.environ())
            os.environ.update(CODE=voucher.code, VOUCHER_JOURNAL=f"sqlite:///{Path(folder) / 'vouchers.db'}")
            await double_click(emulator, voucher)
            await killed_worker(emulator, voucher)


if __name__ == "__main__":
    asyncio.run(pay(sys.argv[1]) if len(sys.argv) > 1 else main())
