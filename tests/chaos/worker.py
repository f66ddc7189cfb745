"""A worker of a storm: one client, many callers. `python -m tests.chaos.worker STORM ACCESS FOLDER NUMBERS`.

It says `at N` while it works, `worked` when all calls are over; then it waits for the word `calm` on its
standard input, settles what is open, and ends.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import attrs

from tests.chaos.caller import Caller, Refundable
from tests.chaos.config import Storm
from tests.chaos.plan import FRAGILE, Call, Unit, asker, fragile, once_more, unit
from tests.chaos.records import DONE, NOT_DONE, Ended, Journal
from tests.chaos.settling import read_orders, settle_all, unresolved_in
from tests.chaos.watcher import Watcher
from voucher_async import VoucherClient, VoucherError
from voucher_async.testing import EmulatorSettings

_STEP: Final = 20
_PAUSE: Final = 0.5
_CALM: Final = 4  # callers of a worker in the calm: what is heard then must not depend on a busy machine


def journal_of(folder: Path, worker: int, generation: int) -> Path:
    """Where a worker writes; each process that follows a killed one has the next generation."""
    return folder / f"worker-{worker}-{generation}.jsonl"


def former_of(folder: Path, worker: int, generation: int) -> list[Path]:
    """What the generations of a worker before this one have written."""
    return [journal_of(folder, worker, each) for each in range(generation)]


class Worker:
    """One worker.

    Args:
        storm: the storm.
        number: which of its workers.
        client: what calls are made with.
        caller: who makes them.
    """

    def __init__(self, storm: Storm, number: int, client: VoucherClient, caller: Caller) -> None:
        self._storm = storm
        self._number = number
        self._client = client
        self._caller = caller
        self._fragile = collections.deque(fragile(number, each) for each in range(FRAGILE))
        self._next = 0

    async def work(self, first: int, calls: int) -> None:
        """Make calls, from a piece of work on, until there were enough.

        Args:
            first: the number of the first piece of work.
            calls: how many calls.
        """
        self._next = first
        await asyncio.gather(*(self._lane(calls) for _ in range(self._storm.lanes)))

    @property
    def _made(self) -> int:
        """How far it is: the calls it has begun; the payments, where others ask for the same."""
        return self._next if self._storm.is_shared else self._caller.made

    def _plan(self, number: int) -> Unit:
        storm = self._storm
        whose = number % storm.workers if storm.is_shared else self._number
        return unit(
            storm.seed, whose, number, odd=storm.has_habits, keyed=storm.is_keyed, shared=storm.is_shared
        )

    async def _may_go_on(self, calls: int) -> bool:
        """Whether there is another piece of work to do."""
        return self._made < calls

    async def _lane(self, calls: int) -> None:
        while await self._may_go_on(calls):
            plan = self._plan(self._next)
            self._next += 1
            before = self._made // _STEP
            told = await self._do(plan)
            if before != self._made // _STEP:
                say(f"at {self._made}")
            if NOT_DONE in told:
                # a refused caller pauses, or one outage would fail all calls of the plan
                await asyncio.sleep(_PAUSE)

    async def _do(self, plan: Unit) -> Sequence[str]:
        """Do a piece of work; what its callers were told."""
        if plan.way == "failing":
            return await self._fail_checkout(plan)
        calls = plan.calls
        target = self._caller.pick(calls[0].pick) if calls[0].kind == "refund" else None
        if calls[0].kind == "refund" and target is None:
            return ()  # the checkout has charged nothing yet
        if plan.way == "thrice":
            return await self._ask_thrice(plan, target)
        if plan.way == "together":
            return await asyncio.gather(*(self._make(plan, call, target) for call in calls))
        told: list[str] = []
        for call in calls:
            if DONE not in told:  # a caller that got "done" does not ask again
                told.append(await self._make(plan, call, target))
        return told

    async def _make(self, plan: Unit, call: Call, target: Refundable | None) -> str:
        refund = self._caller.refund_of(call, target)
        return await self._caller.make(plan.number, call, refund=refund)

    async def _ask_thrice(self, plan: Unit, target: Refundable | None) -> Sequence[str]:
        """One payment, asked for three times; what it charged is refunded by nobody meanwhile."""
        caller, first = self._caller, plan.calls[0]
        refund = caller.refund_of(first, target)

        async def ask(call: Call) -> str:
            await asyncio.sleep(call.wait)
            return await caller.make(plan.number, call, refund=refund)

        told = await asyncio.gather(*map(ask, filter(self._is_mine, plan.calls)))
        caller.refundable.extend(caller.held_back.pop(first.payment, ()))
        return told if DONE not in told else ()

    def _is_mine(self, call: Call) -> bool:
        storm = self._storm
        return not storm.is_shared or asker(storm.seed, call, storm.workers) == self._number

    async def ask_once_more(self) -> None:
        """Ask for a share of all payments a last time, in the calm."""
        numbers = iter(range(self._number, self._storm.calls, self._storm.workers))

        async def lane() -> None:
            for number in numbers:
                plan = self._plan(number)
                if plan.calls[0].key:
                    await self._caller.make(number, once_more(plan, self._storm.last))

        await asyncio.gather(*(lane() for _ in range(min(_CALM, self._storm.lanes))))

    async def _fail_checkout(self, plan: Unit) -> Sequence[str]:
        """A checkout one of whose vouchers is deactivated before it is charged."""
        if not self._fragile:
            return ()
        voucher = self._fragile.popleft()
        (call,) = plan.calls
        call = attrs.evolve(call, vouchers=tuple(name or voucher for name in call.vouchers))

        async def deactivate() -> None:
            await self._client.vouchers.deactivate(voucher)

        told = await self._caller.make(plan.number, call, meddle=deactivate)
        with contextlib.suppress(VoucherError):  # a failed deactivation leaves the voucher in use
            await self._client.vouchers.activate(voucher)
            self._fragile.append(voucher)
        return (told,)


def say(word: str) -> None:
    """Tell whoever started this process."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


async def wait_until_quiet(client: VoucherClient, watcher: Watcher, seconds: float) -> None:
    """Let the background do its work: nothing is settled by hand yet."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + seconds
    while {pending.id for pending in client.pending} - watcher.given_up and loop.time() < ends:
        await asyncio.sleep(0.2)


async def run(
    storm: Storm, access: EmulatorSettings, folder: Path, numbers: tuple[int, int, int, int]
) -> None:
    """Work, wait for the calm, settle, end.

    Args:
        storm: the storm.
        access: how to reach the server.
        folder: where records go.
        numbers: the worker, its generation, the first piece of work, and how many calls to make.
    """
    number, generation, first, calls = numbers
    settings = storm.settings(access)
    with Journal(journal_of(folder, number, generation)) as journal:
        watcher = Watcher(journal)
        client = VoucherClient(settings=settings, hooks=[watcher], journal=storm.journal or None)
        caller = Caller(client, journal, watcher)
        caller.holds_back = storm.is_keyed
        worker = Worker(storm, number, client, caller)
        # with a shared journal what a killed worker left is recovered from there
        former = former_of(folder, number, generation)
        inherited = unresolved_in(() if storm.journal else former)
        settling = asyncio.create_task(settle_all(client, inherited, journal, "heir", tries=storm.tries))
        await worker.work(first, calls)
        await settling
        await wait_until_quiet(client, watcher, settings.settle_for + 10.0)
        say("worked")
        await asyncio.to_thread(sys.stdin.readline)
        if storm.journal:
            await recover(client, worker, former, journal)
        await finish(client, caller, journal, storm.tries)


async def recover(client: VoucherClient, worker: Worker, former: Iterable[Path], journal: Journal) -> None:
    """In the calm, with a shared journal: take over what others left, ask a last time, and read the rest."""
    await client.recover()
    await worker.ask_once_more()
    await read_orders(client, former, journal)


async def finish(client: VoucherClient, caller: Caller, journal: Journal, tries: int) -> None:
    """Settle what is open, and end."""
    still_open = {**caller.open, **{pending.id: pending for pending in client.pending}}
    await settle_all(client, still_open.values(), journal, "worker", tries=tries)
    left = await client.aclose()
    journal.write(Ended(open=tuple(pending.id for pending in left)))


def main(arguments: list[str]) -> None:
    """The entry point."""
    storm, access, folder, *numbers = arguments
    worker, generation, first, calls = (int(number) for number in numbers)
    asyncio.run(
        run(Storm.from_json(storm), json.loads(access), Path(folder), (worker, generation, first, calls))
    )


if __name__ == "__main__":
    main(sys.argv[1:])
