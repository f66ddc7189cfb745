"""A worker on a machine of its own: `python -m tests.machines.worker STORM ACCESS FOLDER NUMBERS`.

It says `at N` when it has begun all payments that it may, and `worked` when all are over. On its standard
input it is told how many payments it may begin (`upto N`), how wrong its clock is (`skew SECONDS`), and that
the storm is over (`calm`): then it settles what is open, and ends. SIGTERM ends it at any time, as a server
is stopped: calls under way have a moment left, then their callers are sent away.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import signal
import sys
from pathlib import Path
from typing import Any, Final

from tests.chaos.caller import Caller
from tests.chaos.plan import Call, Unit
from tests.chaos.records import Journal
from tests.chaos.watcher import Watcher
from tests.chaos.worker import Worker, finish, former_of, journal_of, recover, say, wait_until_quiet
from tests.machines.access import Access
from tests.machines.plan import MachineStorm, asked_by, payment
from tests.machines.refusals import Noting
from voucher_async import SystemClock, VoucherClient
from voucher_async.integrations.redis import RedisTokenStore
from voucher_async.journals.sql import SqlJournal

__all__ = ["SkewedClock", "client_of"]

_GRACE: Final = 3.0  # seconds


class SkewedClock(SystemClock):
    """A clock whose date is wrong.

    Args:
        skew: seconds that it is ahead.
    """

    __slots__ = ("skew",)

    def __init__(self, skew: float = 0.0) -> None:
        self.skew = skew

    def now(self) -> dt.datetime:
        """The wrong date."""
        return super().now() + dt.timedelta(seconds=self.skew)


class _Paced(Worker):
    """A worker that begins as many payments as it may."""

    def __init__(self, storm: MachineStorm, number: int, client: VoucherClient, caller: Caller) -> None:
        super().__init__(storm, number, client, caller)
        self._machine_storm = storm
        self._upto = 0
        self._told = 0
        self._more = asyncio.Event()
        self.leaving = asyncio.Event()

    def allow(self, upto: int) -> None:
        """Let it begin more payments."""
        self._upto = max(upto, self._upto)
        self._more.set()

    def leave(self) -> None:
        """Let it begin nothing more."""
        self.leaving.set()
        self._more.set()

    async def _may_go_on(self, calls: int) -> bool:
        while not self.leaving.is_set() and self._made < calls:
            if self._made < self._upto:
                return True
            if self._told < self._upto:
                self._told = self._upto
                say(f"at {self._made}")
            self._more.clear()
            await self._more.wait()
        self._more.set()  # for the other lanes
        return False

    def _plan(self, number: int) -> Unit:
        return payment(self._machine_storm, number)

    def _is_mine(self, call: Call) -> bool:
        return asked_by(self._machine_storm, call) == self._number


@contextlib.asynccontextmanager
async def client_of(storm: MachineStorm, access: Access, records: Journal, clock: SkewedClock) -> Any:
    """A client on a machine, its watcher, and at the end nothing left open of what it uses."""
    watcher = Watcher(records)
    journal, store = SqlJournal(access.journal), RedisTokenStore.from_url(access.valkey, clock=clock)
    client = VoucherClient(
        settings=storm.settings(access.api),
        hooks=[watcher],
        journal=Noting(journal, records),
        journal_scope="storm",  # the addresses of relays differ, and keys belong to an address by default
        token_store=store,
        clock=clock,
    )
    try:
        yield client, watcher
    finally:
        await client.aclose()
        await journal.aclose()
        await store.aclose()


async def _listen(worker: _Paced, clock: SkewedClock, calm: asyncio.Event) -> None:
    """Do what the conductor says."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    try:
        while line := (await reader.readline()).decode():
            word, _, value = line.strip().partition(" ")
            if word == "upto":
                worker.allow(int(value))
            elif word == "skew":
                clock.skew = float(value)
            elif word == "calm":
                calm.set()
    finally:
        transport.close()


async def _work_until_it_leaves(worker: _Paced, first: int, calls: int) -> bool:
    """Work; whether it was told to leave before it was done."""
    working = asyncio.create_task(worker.work(first, calls))
    leaving = asyncio.create_task(worker.leaving.wait())
    await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
    leaving.cancel()
    if not worker.leaving.is_set():
        await working
        return False
    with contextlib.suppress(TimeoutError, asyncio.CancelledError):
        async with asyncio.timeout(_GRACE):
            await working
    return True


async def run(storm: MachineStorm, access: Access, folder: Path, numbers: tuple[int, int, int]) -> None:
    """Work, wait for the calm, settle, end.

    Args:
        storm: the storm.
        access: how to reach the services.
        folder: where records go.
        numbers: the worker, its generation, and the first piece of work.
    """
    number, generation, first = numbers
    clock, calm = SkewedClock(access.skew), asyncio.Event()
    with Journal(journal_of(folder, number, generation)) as records:
        async with client_of(storm, access, records, clock) as (client, watcher):
            caller = Caller(client, records, watcher)
            caller.holds_back = True
            worker = _Paced(storm, number, client, caller)
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.leave)
            listening = asyncio.create_task(_listen(worker, clock, calm))
            try:
                say("ready")
                if await _work_until_it_leaves(worker, first, storm.calls):
                    return
                await wait_until_quiet(client, watcher, client.settings.settle_for + 10.0)
                say("worked")
                await calm.wait()
                await recover(client, worker, former_of(folder, number, generation), records)
                await finish(client, caller, records, storm.tries)
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)


def main(arguments: list[str]) -> None:
    """The entry point."""
    storm, access, folder, *numbers = arguments
    worker, generation, first = (int(number) for number in numbers)
    asyncio.run(
        run(
            MachineStorm.from_json(storm),
            Access.from_json(access),
            Path(folder),
            (worker, generation, first),
        )
    )


if __name__ == "__main__":
    main(sys.argv[1:])
